"""Each option of the studies through the whole program: training, resuming, sampling, every application and engine."""

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import animation
import editing
import harmonization
import main_train
import paint2image
import SR
from SinGAN import export, images
from SinGAN import graphs as graphs_module
from SinGAN.adversarial import Adversaries, TrainConfig, eagerly, iteration
from SinGAN.engines import Engine
from SinGAN.graphs import Captured
from SinGAN.losses import GAN_MODES
from SinGAN.manifest import Manifest, load
from SinGAN.models import NetConfig
from SinGAN.perceptual import Seen, trained
from SinGAN.planning import plan_scales
from SinGAN.programs import Compiled
from SinGAN.pyramid import Pyramid, Scale
from SinGAN.training import StartWeights, draw, first_z_rec, make_target, start_nets, train, trained_vgg
from tests.conftest import TINY, TINY_NET, stripes
from tests.studio import KNOBS, SIZES, SMALL, Capture, Studio, refusal
from tests.test_engines import Graphs, NoWaiting, equal
from tests.test_files import everything
from tests.test_resume import CutError, bits, cut_after

CPU = torch.device("cpu")


OFTEN = ("looks", "multiscale", "sesame", "dropout", "weights", "sketch")  # the others have tests of their own


@pytest.fixture(params=[name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in KNOBS])
def knob(request: pytest.FixtureRequest, vgg_file: Path) -> list[str]:
    return [str(vgg_file) if flag == "VGG" else flag for flag in KNOBS[request.param]]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def put_in(studio: Studio) -> list[str]:
    """A reference with its mask, and the flags that name it."""
    refs = studio.inputs.parent / "refs"
    refs.mkdir()
    picture = Image.open(studio.inputs / "x.png")
    mask = Image.new("L", picture.size)
    mask.paste(255, (8, 6, 16, 12))
    Image.composite(picture.point(lambda level: 255 - level), picture, mask).save(refs / "ref.png")
    mask.save(refs / "ref_mask.png")
    return [*studio.flags(), "--not_cuda", "--manualSeed", "1", "--ref_dir", str(refs), "--ref_name", "ref.png"]


def test_training_resuming_and_every_application(studio: Studio, knob: list[str], tmp_path: Path) -> None:
    train_flags = ["--not_cuda", *SIZES, "--niter", "3", "--manualSeed", "1", "--checkpoint_every", "0", *knob]
    whole = Studio(tmp_path / "whole")
    for home, cut in ((whole, False), (studio, True)):
        flags = [*home.flags(), *train_flags, "--num_samples", "2"]
        if cut:
            with cut_after(4), pytest.raises(CutError):
                main_train.main(flags)
        main_train.main(flags)
    assert bits(studio) == bits(whole)  # it went on after the first iteration of scale 1
    manifest, pyramid = load(studio.model(), CPU)
    asked = {flag.removeprefix("--"): value for flag, value in zip(knob[::2], knob[1::2], strict=False)}
    asked.pop("vgg_weights", None)  # where they lie is not part of the model
    assert {name: f"{manifest.options[name]}".removesuffix(".0") for name in asked} == asked
    real = pyramid.scales[-1].real
    again, more = (pyramid.generate(pyramid.draw(torch.Generator().manual_seed(seed), 2)) for seed in (1, 2))
    assert again.shape == (2, *real.shape[1:])
    assert not torch.equal(again[0], again[1])
    assert not torch.equal(again, more)

    studio.sample("--gen_start_scale", "1")
    studio.sample("--scale_h", "1.5", "--scale_v", "2", mode="random_samples_arbitrary_sizes")
    for start in (["--gen_start_scale", "1"], []):
        studio.sample(*start, "--scale_h", "0.8", mode="random_samples_arbitrary_sizes")
    flags = put_in(studio)
    harmonization.main([*flags, "--harmonization_start_scale", "all"])
    editing.main([*flags, "--editing_start_scale", "1"])
    paint2image.main([*flags, "--paint_start_scale", "1"])
    vgg = knob[-2:] if "--vgg_weights" in knob else []
    paint2image.main([*flags, "--paint_start_scale", "1", "--quantization_flag", "True", *vgg])
    found = everything(studio.out)
    for folder in ("Harmonization", "Editing", "Paint2image", "RandomSamples_ArbitrerySizes"):
        assert any(name.startswith(folder) and name.endswith(".png") for name in found), folder


@pytest.mark.slow
def test_the_scripts_that_train_models_of_their_own(studio: Studio, knob: list[str], capsys: Capture) -> None:
    flags = [*studio.flags(), "--not_cuda", "--nfc", "4", "--min_nfc", "4", "--niter", "2", "--manualSeed", "1", *knob]
    SR.main([*flags, "--sr_factor", "2", "--min_size", "12", "--max_size", "24"])
    assert any(name.startswith("SR") for name in everything(studio.out))
    animate = [*flags, "--min_size", "12", "--max_size", "24", "--num_frames", "3", "--beta_animation", "0.9"]
    if "--stochastic" in knob:
        line = refusal(capsys, lambda: animation.main(animate))
        assert "an animation walks through the noise, and needs --stochastic noise" in line
    else:
        animation.main(animate)
        assert any(name.endswith(".gif") for name in everything(studio.out))


def test_a_walk_needs_noise_that_is_added(studio: Studio, capsys: Capture) -> None:
    line = refusal(capsys, lambda: animation.main([*studio.flags(), *SMALL, "--stochastic", "dropout"]))
    assert "an animation walks through the noise" in line
    assert not studio.out.exists()


def knobs_of_training() -> dict[str, tuple[NetConfig, TrainConfig]]:
    """What engines must serve: nets and trainings."""
    net, config = NetConfig(filters=4, min_filters=4), TrainConfig(niter=5)
    nets = {
        "several critics": NetConfig(filters=4, min_filters=4, num_layer=2, critics=2),
        "conditional": NetConfig(filters=4, min_filters=4, conditional=True),
        "dropout": NetConfig(filters=4, min_filters=4, dropout=0.5),
        "weight noise": NetConfig(filters=4, min_filters=4, weight_noise=0.1),
    }
    configs = {
        "hinge": TrainConfig(niter=5, adversarial=GAN_MODES["hinge"]),
        "looks": TrainConfig(niter=5, texture_weight=1.0, perceptual_weight=1.0),
    }
    return {
        **{name: (own, config) for name, own in nets.items()},
        **{name: (net, own) for name, own in configs.items()},
    }


CASES = ["several critics", "conditional", "dropout", "weight noise", "hinge", "looks"]


def run(case: str, engine: Engine, vgg_file: Path, niter: int = 5) -> tuple[Pyramid, torch.Tensor]:
    """A tiny training by ``engine``: the pyramid and all its losses."""
    net, config = knobs_of_training()[case]
    config = replace(config, niter=niter)
    image, losses = stripes(), []
    rng = torch.Generator().manual_seed(3)

    def watch(scale: int, iteration: int, now: torch.Tensor, state: object) -> None:
        losses.append(now)

    weights = StartWeights(vgg=trained(vgg_file)) if config.uses_vgg else StartWeights()
    *_, pyramid = train(image, plan_scales(24, 32, TINY), net, config, rng, watch, weights, engine=engine)
    return pyramid, torch.stack(losses)


@pytest.mark.parametrize("case", [*CASES[:4], *(pytest.param(case, marks=pytest.mark.slow) for case in CASES[4:])])
def test_a_captured_training_is_the_eager_one(case: str, vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = Graphs()
    monkeypatch.setattr(graphs_module, "side_stream", lambda device: None)
    monkeypatch.setattr(graphs_module, "aside", graphs.run_aside)
    monkeypatch.setattr(graphs_module, "capture", graphs.capture)
    eager, eager_losses = run(case, Engine(), vgg_file)
    captured, losses = run(case, Engine("cudagraph", prepare=Captured), vgg_file)
    assert graphs.repeated > 0
    assert equal(eager, captured)
    assert torch.equal(eager_losses, losses)


@pytest.mark.parametrize("case", CASES)
def test_an_iteration_never_waits_for_the_device(case: str, vgg_file: Path, rng: torch.Generator) -> None:
    net, config = knobs_of_training()[case]
    below, first, real = Pyramid((), 0.75, net.margin), stripes(20, 18), stripes(28, 26)
    below = below.with_scale(0, Scale(*start_nets(below, net, rng), first, first_z_rec(below, first, rng), 1.0))
    z_rec = first_z_rec(below, real, rng)
    vgg = trained_vgg(config, StartWeights(vgg=trained(vgg_file)), CPU)
    target = replace(make_target(below, real, z_rec, config), seen=None if vgg is None else Seen.of(vgg, real))
    nets = Adversaries.of(*start_nets(replace(below, scales=()), net, rng), config)
    for mode in (contextlib.nullcontext(), NoWaiting()):  # the optimizers' first step is lazy
        drawn = draw(below, real, z_rec, config.Dsteps, rng)
        with mode:
            iteration(nets, target, drawn, config)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_compiled_iteration_is_the_eager_one(case: str, vgg_file: Path, pyramid: Pyramid) -> None:
    net, config = knobs_of_training()[case]
    net = replace(net, num_layer=TINY_NET.num_layer)
    rng, below, real = torch.Generator().manual_seed(5), pyramid.below(1), stripes(44, 46)
    z_rec = first_z_rec(below, real, rng)
    vgg = trained_vgg(config, StartWeights(vgg=trained(vgg_file)), CPU)
    target = make_target(below, real, z_rec, config)
    target = replace(target, seen=None if vgg is None else Seen.of(vgg, real))
    drawn, compiled = draw(below, real, z_rec, config.Dsteps, rng), Compiled()
    results = []
    for differentiate in (eagerly, compiled):
        nets = Adversaries.of(*start_nets(replace(below, scales=()), net, rng.manual_seed(6)), config)
        results.append((iteration(nets, target, drawn, config, differentiate), nets.critic.state_dict()))
    assert compiled.programs
    (losses, state), (compiled_losses, compiled_state) = results
    torch.testing.assert_close(compiled_losses, losses, rtol=2e-3, atol=2e-3)
    for key in state:
        if key.endswith("running_var"):
            torch.testing.assert_close(compiled_state[key], state[key], rtol=2e-3, atol=2e-3)


def test_neutral_values_leave_the_bits_and_others_do_not(studio: Studio) -> None:
    studio.train()
    before = studio.results()
    neutral = ["--texture_weight", "0", "--perceptual_weight", "0", "--netD", "patch", "--stochastic", "noise"]
    studio.train("--overwrite", *neutral, "--sketch_scales", "0", "--gan_mode", "wgan-gp")
    assert studio.results() == before
    for knob in (KNOBS["sesame"], KNOBS["dropout"], KNOBS["sketch"]):
        studio.train("--overwrite", *knob)
        after = studio.results()
        assert any(after[name] != before[name] for name in before if name.endswith("netG.pth"))
        assert any(after[name] != before[name] for name in before if name.endswith("grid.png"))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dropout", "0.5"], "--dropout is for --stochastic dropout, not for noise: leave one out"),
        (["--stochastic", "weights", "--dropout", "0.5"], "--dropout is for --stochastic dropout, not for weights"),
        (["--weight_noise", "0.5"], "--weight_noise is for --stochastic weights, not for noise: leave one out"),
        (["--stochastic", "dropout", "--dropout", "1"], "must be above 0 and below 1, not 1"),
        (["--stochastic", "luck"], "invalid choice: 'luck'"),
        (["--texture_weight", "-1"], "must be at least 0, not -1"),
        (["--texture_weight", "1", "--vgg_weights", "nowhere.pth"], "no weights file nowhere.pth (--vgg_weights)"),
        (["--sketch_scales", "3"], "--sketch_scales 3 is above 2, the number of scales below the finest"),
        (["--netD", "multscale"], "--netD: must be patch, multiscale, sesame or a file of weights, not multscale"),
    ],
)
def test_what_contradicts_itself_is_one_line(studio: Studio, capsys: Capture, flags: list[str], words: str) -> None:
    assert words in refusal(capsys, lambda: main_train.main([*studio.flags(), *SMALL, *flags]))
    assert not studio.out.exists()


def test_a_model_of_another_knob_is_another_model(studio: Studio, capsys: Capture) -> None:
    studio.train("--netD", "sesame", "--stochastic", "dropout")
    line = refusal(capsys, studio.train)
    assert "--netD sesame there, patch asked" in line
    assert "--stochastic dropout there, noise asked" in line


def test_weights_to_start_from_fit_their_critic(studio: Studio, capsys: Capture, tmp_path: Path) -> None:
    studio.train()
    weights = str(studio.model() / "0" / "netD.pth")
    other = Studio(tmp_path / "other")
    other.train("--netD", weights)
    assert Manifest.read(other.model()).options["netD"] == weights


def test_a_wrong_option_in_a_manifest_is_one_line(studio: Studio, capsys: Capture) -> None:
    studio.train()
    path = studio.model() / "manifest.json"
    values = json.loads(path.read_text())
    for wrong in ("much", -1):
        path.write_text(json.dumps({**values, "options": {**values["options"], "dropout": wrong}}))
        assert "wrong option in manifest.json" in refusal(capsys, lambda: studio.sample("--gen_start_scale", "0"))


def test_vgg_may_lie_elsewhere_later(studio: Studio, vgg_file: Path, tmp_path: Path) -> None:
    looks = ["--texture_weight", "1", "--vgg_weights"]
    with cut_after(2), pytest.raises(CutError):
        studio.train(*looks, str(vgg_file))
    moved = Path(shutil.copy(vgg_file, tmp_path / "moved.pth"))
    studio.train(*looks, str(moved))
    studio.train("--texture_weight", "1")  # nothing to train: nothing to download


def test_only_noise_that_is_added_is_exported(studio: Studio, capsys: Capture) -> None:
    studio.train("--stochastic", "dropout")
    line = refusal(capsys, lambda: export.main([str(studio.model()), "--to", "torchscript"]))
    assert "a model of --stochastic dropout can't be exported" in line


def test_dropout_starts_at_the_asked_scale(studio: Studio) -> None:
    """Coarser scales than the start scale keep the reconstruction's noise, and so drop nothing."""
    studio.train("--stochastic", "dropout")
    _, pyramid = load(studio.model(), CPU)
    below = pyramid.below(1)
    rng = torch.Generator().manual_seed(1)
    maps = [*pyramid.z_rec()[:1], *pyramid.draw(rng, 1, start=1)]
    first, second = below.generate(maps[:1]), below.generate(pyramid.z_rec()[:1])
    assert torch.equal(first, second)
    assert not torch.equal(pyramid.generate(maps), pyramid.generate(pyramid.z_rec()))


def test_the_sketched_scale_learns_the_sketch_and_the_finest_the_picture(studio: Studio) -> None:
    studio.train("--sketch_scales", "1")
    sketched, finest = (images.read(studio.model() / str(index) / "real_scale.png") for index in (1, 2))
    assert torch.equal(sketched[:, 0], sketched[:, 2])
    assert not torch.equal(finest[:, 0], finest[:, 2])
