"""Trainings that are stopped, killed or run out of disk, and go on to the same bits."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import animation
import main_train
import paint2image
import SR
from SinGAN.storage import checkpoints
from SinGAN.storage.hashes import digest
from tests.cases import mostly_slow
from tests.cuts import FLAGS, CutError, bits, cut_after, train
from tests.workspace import Capture, Workspace, refusal, whole_scales


@pytest.mark.parametrize("iterations", mostly_slow([1, 5, 6, 7, 10, 15], {6}))
def test_a_training_that_was_cut_off_resumes_to_the_same_bits(
    iterations: int, workspace: Workspace, unbroken: Workspace, capsys: Capture
) -> None:
    with cut_after(iterations), pytest.raises(CutError):
        train(workspace)
    train(workspace)
    assert f"resuming after iteration {iterations % 6} of scale {iterations // 6}" in capsys.readouterr().out or (
        iterations % 6 == 0
    )
    assert bits(workspace) == bits(unbroken)


def test_without_a_checkpoint_the_scale_begins_again(workspace: Workspace, unbroken: Workspace) -> None:
    with cut_after(9), pytest.raises(CutError):
        train(workspace, "--checkpoint_every", "1000")
    assert whole_scales(workspace.model()) == 1
    train(workspace)
    assert bits(workspace) == bits(unbroken)


def test_the_seed_is_the_unfinished_trainings(workspace: Workspace, unbroken: Workspace) -> None:
    with cut_after(9), pytest.raises(CutError):
        train(workspace)
    position = FLAGS.index("--manualSeed")
    main_train.main([*workspace.flags(), *FLAGS[:position], *FLAGS[position + 2 :], "--num_samples", "2"])
    assert bits(workspace) == bits(unbroken)


def test_a_folder_without_anything_is_started(workspace: Workspace, unbroken: Workspace) -> None:
    workspace.model().mkdir(parents=True)
    (workspace.model() / ".manifest.json.1.tmp").write_text("{")
    train(workspace)
    assert bits(workspace) == bits(unbroken)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :: 97] = b"x" * len(content[len(content) // 2 :: 97])
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def test_a_checkpoint_of_a_whole_model_goes(workspace: Workspace, unbroken: Workspace) -> None:
    """Killed between its last scale and the end, before samples were drawn."""
    train(workspace)
    torch.save({"scale": 2, "iterations": 6, "curves": torch.zeros(6, 7)}, workspace.model() / checkpoints.BEFORE)
    shutil.rmtree(workspace.out / "RandomSamples")
    train(workspace)
    assert bits(workspace) == bits(unbroken)


@pytest.mark.parametrize("how", mostly_slow([damage, shorten, empty], {damage}))
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    how: Callable[[Path], None], workspace: Workspace, unbroken: Workspace, capsys: Capture
) -> None:
    with cut_after(10), pytest.raises(CutError):
        train(workspace)
    how(workspace.model() / checkpoints.NEWEST)
    train(workspace)
    out = capsys.readouterr().out
    assert f"{checkpoints.NEWEST} is damaged" in out
    assert "resuming after iteration 3 of scale 1" in out
    assert bits(workspace) == bits(unbroken)


def test_a_file_that_is_not_a_checkpoint_of_this_scale_is_not_used(
    workspace: Workspace, unbroken: Workspace, capsys: Capture
) -> None:
    with cut_after(10), pytest.raises(CutError):
        train(workspace)
    torch.save({"scale": 0, "iterations": 3, "curves": torch.zeros(3, 7)}, workspace.model() / checkpoints.NEWEST)
    torch.save({"scale": 1, "iterations": 3, "curves": torch.zeros(2, 7)}, workspace.model() / checkpoints.BEFORE)
    train(workspace)
    assert capsys.readouterr().out.count("its content has changed since it was written") == 2
    assert bits(workspace) == bits(unbroken)


def test_a_checkpoint_that_does_not_fit_is_one_line(workspace: Workspace, capsys: Capture) -> None:
    with cut_after(10), pytest.raises(CutError):
        train(workspace)
    path = workspace.model() / checkpoints.NEWEST
    state = torch.load(path)
    del state["sha256"]
    for name, value in (("generator", {}), ("rng", torch.zeros(3)), ("critic_optimizer", {})):
        changed = {**state, name: value}
        torch.save({**changed, "sha256": digest(changed)}, path)
        assert "does not fit the training" in refusal(capsys, lambda: train(workspace))


def test_other_options_are_named_and_stop_the_run(workspace: Workspace, capsys: Capture) -> None:
    with cut_after(3), pytest.raises(CutError):
        train(workspace)
    line = refusal(capsys, lambda: train(workspace, "--lr_g", "0.1", "--niter", "9"))
    assert "--niter is 6, not 9; --lr_g is 0.0005, not 0.1" in line
    train(workspace, "--niter", "2", "--overwrite")
    assert whole_scales(workspace.model()) == 3


def test_more_iterations_of_a_finished_model_are_explained(unbroken: Workspace, capsys: Capture) -> None:
    before = bits(unbroken)
    line = refusal(capsys, lambda: train(unbroken, "--niter", "7"))
    assert "--niter is 6, not 7. --niter can't be raised afterwards: each scale was trained on the images" in line
    assert bits(unbroken) == before


@pytest.mark.slow
def test_an_overwriting_that_was_cut_off_resumes_and_the_older_model_stays(
    workspace: Workspace, unbroken: Workspace, capsys: Capture
) -> None:
    train(workspace, "--niter", "1")
    older = bits(workspace)
    with cut_after(10), pytest.raises(CutError):
        train(workspace, "--overwrite")
    kept = {name: value for name, value in bits(workspace).items() if ".new/" not in name}
    assert kept == older
    train(workspace, "--overwrite")
    assert "resuming after iteration 4 of scale 1" in capsys.readouterr().out
    assert bits(workspace) == bits(unbroken)


@pytest.mark.slow
def test_an_overwriting_with_other_options_starts_again(workspace: Workspace, unbroken: Workspace) -> None:
    train(workspace, "--niter", "1")
    with cut_after(10), pytest.raises(CutError):
        train(workspace, "--overwrite", "--niter", "8")
    train(workspace, "--overwrite")
    assert bits(workspace) == bits(unbroken)


SCRIPTS: dict[str, Callable[[list[str]], None]] = {
    "SR": lambda flags: SR.main([*flags, *FLAGS, "--sr_factor", "1.3", "--min_size", "12"]),
    "animation": lambda flags: animation.main(
        [
            *flags,
            *FLAGS,
            "--min_size",
            "12",
            "--num_frames",
            "3",
            "--animation_start_scale",
            "0",
            "--beta_animation",
            "0.9",
        ]
    ),
    "redrawn": lambda flags: main_train.main([*flags, *FLAGS, "--z_rec", "redrawn", "--num_samples", "2"]),
}


@pytest.mark.parametrize("script", mostly_slow(["SR", "redrawn", "animation"], {"redrawn"}))
def test_every_script_that_trains_resumes(script: str, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = Workspace(tmp_path / "whole")
    SCRIPTS[script](whole.flags())
    with cut_after(4), pytest.raises(CutError):
        SCRIPTS[script](workspace.flags())
    SCRIPTS[script](workspace.flags())
    assert bits(workspace) == bits(whole)


def test_quantized_painting_resumes(unbroken: Workspace, tmp_path: Path, capsys: Capture) -> None:
    def paint(out: Path) -> None:
        flags = [
            "--ref_dir",
            str(unbroken.inputs),
            "--ref_name",
            "x.png",
            "--paint_start_scale",
            "1",
            "--manualSeed",
            "3",
        ]
        asked = [*unbroken.flags(), "--out", str(out), "--not_cuda", *flags, "--quantization_flag"]
        paint2image.main([*asked, "--checkpoint_every", "0"])

    for name in ("a", "b"):
        shutil.copytree(unbroken.out, tmp_path / name)
    paint(tmp_path / "a")
    with cut_after(4), pytest.raises(CutError):
        paint(tmp_path / "b")
    capsys.readouterr()
    paint(tmp_path / "b")
    assert "resuming after iteration 4 of scale 1" in capsys.readouterr().out
    result = Path("Paint2image") / "x" / "x_out_quantized" / "start_scale=1.png"
    assert (tmp_path / "a" / result).read_bytes() == (tmp_path / "b" / result).read_bytes()
