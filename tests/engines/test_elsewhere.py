"""Everything stays on the device that it is asked for; a pretended one stands for a GPU."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

import analogy
import animation
import editing
import harmonization
import inpaint
import main_train
import outpaint
import paint2image
import random_samples
import retarget
import SR
import tile
import translate_test
import translate_train
from SIFID import evaluate
from SinGAN.concurrent.inputs import coarsest_input
from SinGAN.losses.train_config import TrainConfig
from SinGAN.manipulate import sample
from SinGAN.planning import plan_scales
from SinGAN.training import train
from tests.cases import mostly_slow
from tests.conftest import TINY, TINY_NET, train_tiny
from tests.elsewhere import Elsewhere, pretending
from tests.translation.tiny import TINY as TINY_PAIRS
from tests.translation.tiny import data_set
from tests.workspace import KNOBS, SIZES, Workspace, stripes

TRAIN = [*SIZES, "--niter", "2", "--manualSeed", "1", "--num_samples", "2"]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    with pretending(monkeypatch) as device:
        yield device


@pytest.mark.parametrize(
    "mix",
    [
        lambda there: there + torch.ones(3),
        lambda there: torch.stack([there, torch.ones(3)]),
        lambda there: torch.nn.Linear(3, 2)(there),
        lambda there: torch.randn(3, generator=torch.Generator(), device=there.device),
        lambda there: torch.randn(3, generator=torch.Generator(there.device)),
        lambda there: there.normal_(generator=torch.Generator()),
        lambda there: there.numpy(),
    ],
)
def test_what_lies_on_two_devices_is_refused(elsewhere: torch.device, mix: Callable[[torch.Tensor], object]) -> None:
    with pytest.raises((RuntimeError, TypeError)):
        mix(torch.ones(3, device=elsewhere))


def test_what_a_gpu_takes_is_taken(elsewhere: torch.device) -> None:
    there = torch.arange(3.0, device=elsewhere)
    assert isinstance(there[torch.tensor([0, 2])] * torch.tensor(2.0), Elsewhere)
    assert (there * 2).cpu().tolist() == [0, 2, 4]
    assert type(there.cpu()) is torch.Tensor


@pytest.mark.parametrize(
    "losses", mostly_slow([{}, {"feature_weight": 1.0, "penalty": "r1"}, {"penalty": "one_sided"}], [{}])
)
def test_a_training_and_its_samples(elsewhere: torch.device, losses: dict[str, Any]) -> None:
    """They are the same bits as on the CPU."""
    config, plan = TrainConfig(niter=1, **losses), plan_scales(24, 32, TINY)
    *_, there = train(stripes().to(elsewhere), plan, TINY_NET, config, torch.Generator(elsewhere).manual_seed(1))
    here = train_tiny(stripes(), config)
    (drawn,) = sample(there, torch.Generator(elsewhere).manual_seed(2), 1)
    (wanted,) = sample(here, torch.Generator().manual_seed(2), 1)
    assert isinstance(drawn, Elsewhere)
    assert torch.equal(drawn.cpu(), wanted)
    assert all(isinstance(scale.real, Elsewhere) and isinstance(scale.z_rec, Elsewhere) for scale in there.scales)
    assert [scale.noise_amp for scale in there.scales] == [scale.noise_amp for scale in here.scales]


def mask_of(workspace: Workspace) -> list[str]:
    """The flag of a mask for the picture."""
    file, mask = workspace.inputs.parent / "mask.png", Image.new("L", (28, 20))
    mask.paste(255, (8, 6, 16, 12))
    mask.save(file)
    return ["--mask", str(file)]


def reference_of(workspace: Workspace) -> list[str]:
    """The flags of a reference: the picture with a square."""
    picture = Image.open(workspace.inputs / "x.png").convert("RGB")
    picture.paste((255, 0, 0), (4, 4, 10, 10))
    picture.save(workspace.inputs.parent / "ref.png")
    return ["--ref_dir", str(workspace.inputs.parent), "--ref_name", "ref.png"]


def files(workspace: Workspace, folder: str) -> list[Path]:
    return sorted((workspace.out / folder).rglob("*.png"))


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_all_that_a_model_does(workspace: Workspace, stem_file: Path) -> None:
    flags, reference = workspace.flags(), reference_of(workspace)
    main_train.main([*flags, *TRAIN])
    wide = ["--mode", "random_samples_arbitrary_sizes", "--scale_h", "1.5", "--gen_start_scale", "1"]
    random_samples.main([*flags, *wide, "--num_samples", "2"])
    editing.main([*flags, *reference, "--editing_start_scale", "1"])
    harmonization.main([*flags, *reference, "--harmonization_start_scale", "1", "--refine"])
    paint2image.main([*flags, *reference, "--paint_start_scale", "1"])
    paint2image.main([*flags, *reference, "--paint_start_scale", "1", "--quantization_flag"])
    animation.main([*flags, *TRAIN[:-2], "--num_frames", "3", "--animation_start_scale", "0"])
    SR.main([*flags, *TRAIN[:-2], "--sr_factor", "2", "--num_samples", "2"])
    outpaint.main([*flags, "--method", "singan", "--left", "50%", "--num_samples", "1", "--refine"])
    evaluate.main([*flags, "--num_samples", "6", "--weights", str(stem_file)])
    for folder in ("RandomSamples_ArbitrerySizes", "Editing", "Harmonization", "Paint2image", "SR", "Outpaint"):
        assert files(workspace, folder), folder


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("knob", KNOBS)
def test_every_option_of_the_studies(workspace: Workspace, knob: str, vgg_file: Path) -> None:
    flags = [str(vgg_file) if flag == "VGG" else flag for flag in KNOBS[knob]]
    main_train.main([*workspace.flags(), *TRAIN, *flags])
    random_samples.main([*workspace.flags(), "--mode", "random_samples", "--num_samples", "3"])
    assert len(files(workspace, "RandomSamples")) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("recipe", ["generation", "retarget", "harmonization", "editing"])
def test_concurrent_training(workspace: Workspace, recipe: str) -> None:
    flags = [*workspace.flags(), "--train_mode", "concurrent", "--nfc", "4", "--min_size", "12", "--max_size", "24"]
    main_train.main([*flags, "--niter", "2", "--manualSeed", "1", "--num_samples", "2", "--recipe", recipe])
    if recipe == "retarget":
        main_train.main(
            [*flags, "--niter", "2", "--recipe", recipe, "--overwrite", "--feature_weight", "1", "--penalty", "r1"]
        )
    if recipe == "editing":
        named = ["--train_mode", "concurrent", *reference_of(workspace), "--editing_start_scale", "0"]
        editing.main([*workspace.flags(), *named, "--fine_tune", "2"])
        assert files(workspace, "Editing")
    if recipe == "generation":
        animation.main([*flags, "--niter", "2", "--num_frames", "2", "--animation_start_scale", "1"])


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("recompute", ["always", "never"])
def test_activations_are_recomputed(workspace: Workspace, recompute: str) -> None:
    main_train.main([*workspace.flags(), *TRAIN, "--recompute", recompute])


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_pictures_without_training(workspace: Workspace) -> None:
    flags = [*workspace.flags(), "--manualSeed", "1", "--max_size", "24"]
    workspace.draw("y.png", 22, 26)
    for method in ("instant", "patches", "denoise"):
        random_samples.main([*flags, "--mode", "random_samples", "--num_samples", "1", "--method", method])
        other = ["--ref_dir", str(workspace.inputs), "--ref_name", "y.png", "--method", method]
        analogy.main([*flags, *other])
    retarget.main([*flags, "--scale_h", "1.5"])
    inpaint.main([*flags, *mask_of(workspace)])
    tile.main(flags)


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--stochastic", "weights", "--netD", "sesame", "--gan_mode", "wgan-gp", "--augment", "tps"],
        ["--netG", "resnet_6blocks", "--norm", "instance", "--netD", "multiscale", "--label_maps"],
    ],
)
def test_translation(tmp_path: Path, more: list[str]) -> None:
    flags = ["--dataroot", str(data_set(tmp_path / "squares")), "--out", str(tmp_path / "out")]
    translate_train.main([*flags, *TINY_PAIRS, *more])
    translate_test.main(flags)
    assert (tmp_path / "out" / "results" / "squares" / "test_latest" / "index.html").exists()


class NoWaiting(TorchDispatchMode):
    """Refuses to bring a number of the pretended device to the host."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.overloadpacket.__name__ == "_local_scalar_dense":
            assert not isinstance(args[0], Elsewhere)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("recipe", ["editing", "harmonization"])
def test_the_inputs_of_a_recipe_are_drawn_without_waiting_for_the_device(elsewhere: torch.device, recipe: str) -> None:
    real = stripes(60, 80)[:, :2].to(elsewhere)  # two channels: no shift of the hue, on the CPU
    drawn = []
    for _ in range(2):
        rng = torch.Generator(elsewhere).manual_seed(4)
        with NoWaiting():  # type: ignore[no-untyped-call]  # PyTorch's class has no types
            drawn.append([coarsest_input(real, recipe, rng) for _ in range(30)])
    assert all(torch.equal(one.cpu(), other.cpu()) for one, other in zip(*drawn, strict=True))
    assert not torch.equal(drawn[0][0].cpu(), drawn[0][1].cpu())
    with NoWaiting(), pytest.raises(AssertionError):  # type: ignore[no-untyped-call]  # PyTorch's class has no types
        float(real[0, 0, 0, 0])
