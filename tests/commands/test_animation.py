"""Animation, from flags to files, with tiny models."""

from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

import animation
from SinGAN import training
from SinGAN.kinds import singan
from SinGAN.pyramid import Pyramid, TrainedScale
from tests.storage.test_files import everything
from tests.workspace import SMALL, Capture, Workspace, refusal

pytestmark = pytest.mark.usefixtures("trained")


def animate(workspace: Workspace, *more: str) -> None:
    animation.main([*workspace.flags(), *SMALL, "--num_frames", "3", *more])


def test_animation_makes_the_authors_12_gifs(workspace: Workspace, capsys: Capture) -> None:
    animate(workspace)
    assert "*** Train SinGAN for animation ***" in capsys.readouterr().out
    names = [f"alpha=0.100000_beta={beta:f}.gif" for beta in (0.8, 0.85, 0.9, 0.95)]
    for start in range(3):
        assert everything(workspace.out / "Animation" / "x" / f"start_scale={start}") == names
    assert (workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_noise_padding").exists()
    animate(workspace, "--animation_start_scale", "1", "--beta_animation", "0.5", "--alpha_animation", "0.2", "0.3")
    assert "Train" not in capsys.readouterr().out
    assert (workspace.out / "Animation" / "x" / "start_scale=1" / "alpha=0.300000_beta=0.500000.gif").exists()


def test_an_animation_has_all_its_frames(workspace: Workspace) -> None:
    animate(workspace, "--animation_start_scale", "0", "--beta_animation", "0.8", "--num_frames", "6", "--fps", "4")
    place = workspace.out / "Animation" / "x" / "start_scale=0" / "alpha=0.100000_beta=0.800000.gif"
    with Image.open(place) as gif:
        assert getattr(gif, "n_frames", 1) == 6
        assert gif.info["duration"] == 250
        assert gif.size == (24, 18)


def test_another_seed_makes_another_animation_of_the_same_model(workspace: Workspace, capsys: Capture) -> None:
    one = ["--animation_start_scale", "0", "--beta_animation", "0.8"]
    place = workspace.out / "Animation" / "x" / "start_scale=0" / "alpha=0.100000_beta=0.800000.gif"
    animate(workspace, *one)
    first = place.read_bytes()
    capsys.readouterr()
    animate(workspace, *one, "--manualSeed", "2")
    assert "Train" not in capsys.readouterr().out
    assert place.read_bytes() != first


def test_one_seed_gives_the_same_animation_whether_the_model_was_there_or_not(workspace: Workspace) -> None:
    gif = workspace.out / "Animation" / "x" / "start_scale=0" / "alpha=0.100000_beta=0.800000.gif"
    animate(workspace, "--animation_start_scale", "0", "--beta_animation", "0.8")
    first = gif.read_bytes()
    animate(workspace, "--animation_start_scale", "0", "--beta_animation", "0.8")
    assert gif.read_bytes() == first


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--animation_start_scale", "9"], "--animation_start_scale must be 0 to"),
        (["--alpha_animation", "1.5"], "--alpha_animation: must be at least 0 and at most 1, not 1.5"),
        (["--num_frames", "0"], "--num_frames"),
        (["--fps", "0"], "--fps"),
        (["--format", "avi"], "--format"),
    ],
)
def test_what_can_not_be_animated(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    before = workspace.results()
    assert words in refusal(capsys, lambda: animate(workspace, *flags))
    assert workspace.results() == before


def test_an_interrupted_animation_training_resumes(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **more: Any) -> Iterator[Pyramid[TrainedScale]]:
        yield next(training.train(*arguments, **more))
        raise KeyboardInterrupt

    monkeypatch.setattr(singan, "train", broken)
    with pytest.raises(SystemExit) as stop:
        animate(workspace)
    assert stop.value.code == 130
    monkeypatch.undo()
    capsys.readouterr()
    animate(workspace, "--animation_start_scale", "0")
    assert "scale 0 of" not in capsys.readouterr().out
