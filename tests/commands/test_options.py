"""Each option of the studies through the whole program: training, resuming, sampling, every application and engine."""

import csv
import json
import shutil
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
from SinGAN.pictures import images
from SinGAN.saved_models.manifest import Manifest
from SinGAN.terminal.export import main as export
from tests.cuts import CutError, bits, cut_after
from tests.storage.test_files import everything
from tests.workspace import KNOBS, SIZES, SMALL, Capture, Workspace, load_model, refusal

CPU = torch.device("cpu")


OFTEN = ("dropout",)  # the others have tests of their own


@pytest.fixture(params=[name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in KNOBS])
def knob(request: pytest.FixtureRequest, vgg_file: Path) -> list[str]:
    return [str(vgg_file) if flag == "VGG" else flag for flag in KNOBS[request.param]]


def put_in(workspace: Workspace) -> list[str]:
    """A reference with its mask, and the flags that name it."""
    refs = workspace.inputs.parent / "refs"
    refs.mkdir()
    picture = Image.open(workspace.inputs / "x.png")
    mask = Image.new("L", picture.size)
    mask.paste(255, (8, 6, 16, 12))
    Image.composite(picture.point(lambda level: 255 - level), picture, mask).save(refs / "ref.png")
    mask.save(refs / "ref_mask.png")
    return [*workspace.flags(), "--not_cuda", "--manualSeed", "1", "--ref_dir", str(refs), "--ref_name", "ref.png"]


def test_training_resuming_and_every_application(workspace: Workspace, knob: list[str], tmp_path: Path) -> None:
    train_flags = ["--not_cuda", *SIZES, "--niter", "3", "--manualSeed", "1", "--checkpoint_every", "0", *knob]
    whole = Workspace(tmp_path / "whole")
    for home, cut in ((whole, False), (workspace, True)):
        flags = [*home.flags(), *train_flags, "--num_samples", "2"]
        if cut:
            with cut_after(4), pytest.raises(CutError):
                main_train.main(flags)
        main_train.main(flags)
    assert bits(workspace) == bits(whole)  # it went on after the first iteration of scale 1
    manifest, pyramid = load_model(workspace.model(), CPU)
    asked = {flag.removeprefix("--"): value for flag, value in zip(knob[::2], knob[1::2], strict=False)}
    asked.pop("vgg_weights", None)  # where they lie is not part of the model
    assert {name: f"{manifest.options[name]}".removesuffix(".0") for name in asked} == asked
    real = pyramid.scales[-1].real
    again, more = (pyramid.generate(pyramid.draw(torch.Generator().manual_seed(seed), 2)) for seed in (1, 2))
    assert again.shape == (2, *real.shape[1:])
    assert not torch.equal(again[0], again[1])
    assert not torch.equal(again, more)

    workspace.sample("--gen_start_scale", "1")
    workspace.sample("--scale_h", "1.5", "--scale_v", "2", mode="random_samples_arbitrary_sizes")
    for start in (["--gen_start_scale", "1"], []):
        workspace.sample(*start, "--scale_h", "0.8", mode="random_samples_arbitrary_sizes")
    flags = put_in(workspace)
    harmonization.main([*flags, "--harmonization_start_scale", "all"])
    editing.main([*flags, "--editing_start_scale", "1"])
    paint2image.main([*flags, "--paint_start_scale", "1"])
    vgg = knob[-2:] if "--vgg_weights" in knob else []
    paint2image.main([*flags, "--paint_start_scale", "1", "--quantization_flag", "True", *vgg])
    found = everything(workspace.out)
    for folder in ("Harmonization", "Editing", "Paint2image", "RandomSamples_ArbitrerySizes"):
        assert any(name.startswith(folder) and name.endswith(".png") for name in found), folder


@pytest.mark.slow
def test_the_scripts_that_train_models_of_their_own(workspace: Workspace, knob: list[str], capsys: Capture) -> None:
    flags = [
        *workspace.flags(),
        "--not_cuda",
        "--nfc",
        "4",
        "--min_nfc",
        "4",
        "--niter",
        "2",
        "--manualSeed",
        "1",
        *knob,
    ]
    SR.main([*flags, "--sr_factor", "2", "--min_size", "12", "--max_size", "24"])
    assert any(name.startswith("SR") for name in everything(workspace.out))
    animate = [*flags, "--min_size", "12", "--max_size", "24", "--num_frames", "3", "--beta_animation", "0.9"]
    if "--stochastic" in knob:
        line = refusal(capsys, lambda: animation.main(animate))
        assert "an animation walks through the noise, and needs --stochastic noise" in line
    else:
        animation.main(animate)
        assert any(name.endswith(".gif") for name in everything(workspace.out))


def test_a_walk_needs_noise_that_is_added(workspace: Workspace, capsys: Capture) -> None:
    line = refusal(capsys, lambda: animation.main([*workspace.flags(), *SMALL, "--stochastic", "dropout"]))
    assert "an animation walks through the noise" in line
    assert not workspace.out.exists()


@pytest.mark.slow
def test_neutral_values_leave_the_bits_and_others_do_not(workspace: Workspace) -> None:
    workspace.train()
    before = workspace.results()
    neutral = ["--texture_weight", "0", "--perceptual_weight", "0", "--netD", "patch", "--stochastic", "noise"]
    neutral += ["--feature_weight", "0", "--penalty", "gp"]
    workspace.train("--overwrite", *neutral, "--sketch_scales", "0", "--gan_mode", "wgan-gp")
    assert workspace.results() == before
    for knob in (KNOBS["sesame"], KNOBS["dropout"], KNOBS["sketch"]):
        workspace.train("--overwrite", *knob)
        after = workspace.results()
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
        (["--penalty", "wgan"], "invalid choice: 'wgan'"),
        (
            ["--penalty", "r1", "--lambda_grad", "0"],
            "--penalty r1 has no weight, --lambda_grad is 0: raise it, or leave --penalty out",
        ),
        (["--penalty", "gp", "--gan_mode", "hinge"], "--penalty gp has no weight, --lambda_grad is 0"),
        (["--feature_weight", "-1"], "must be at least 0, not -1"),
        (["--sketch_scales", "3"], "--sketch_scales 3 is above 2, the number of scales below the finest"),
        (["--netD", "multscale"], "--netD: must be patch, multiscale, sesame or a file of weights, not multscale"),
    ],
)
def test_what_contradicts_itself_is_one_line(
    workspace: Workspace, capsys: Capture, flags: list[str], words: str
) -> None:
    assert words in refusal(capsys, lambda: main_train.main([*workspace.flags(), *SMALL, *flags]))
    assert not workspace.out.exists()


@pytest.mark.parametrize(
    "more", [["--penalty", "r1"], ["--penalty", "one_sided", "--gan_mode", "hinge", "--lambda_grad", "1"]]
)
def test_concurrent_training_with_feature_matching_and_a_penalty(workspace: Workspace, more: list[str]) -> None:
    flags = [*workspace.flags(), "--not_cuda", "--train_mode", "concurrent", "--nfc", "4", "--min_size", "12"]
    flags += ["--max_size", "24", "--train_stages", "2", "--niter", "3", "--num_samples", "1", "--manualSeed", "1"]
    main_train.main([*flags, *more, "--feature_weight", "2"])
    (table,) = (workspace.out / "TrainedModels").rglob("1/losses.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(float(row["feature_matching"]) > 0 for row in rows)
    assert all(float(row["gradient_penalty"]) >= 0 for row in rows)
    assert rows[0]["weight of feature_matching"] == "2"
    manifest = json.loads((table.parent.parent / "manifest.json").read_text())
    assert (manifest["options"]["penalty"], manifest["options"]["feature_weight"]) == (more[1], 2)


def test_a_model_of_another_knob_is_another_model(workspace: Workspace, capsys: Capture) -> None:
    workspace.train("--netD", "sesame", "--stochastic", "dropout")
    line = refusal(capsys, workspace.train)
    assert "--netD is sesame, not patch" in line
    assert "--stochastic is dropout, not noise" in line


def test_weights_to_start_from_fit_their_critic(workspace: Workspace, capsys: Capture, tmp_path: Path) -> None:
    workspace.train()
    weights = str(workspace.model() / "0" / "netD.pth")
    other = Workspace(tmp_path / "other")
    other.train("--netD", weights)
    assert Manifest.read(other.model()).options["netD"] == weights


def test_a_wrong_option_in_a_manifest_is_one_line(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    path = workspace.model() / "manifest.json"
    whole, options = path.read_text(), json.loads(path.read_text())["options"]
    for wrong in ("much", -1):
        workspace.changed_manifest(options={**options, "dropout": wrong})
        assert "wrong option in manifest.json" in refusal(capsys, lambda: workspace.sample("--gen_start_scale", "0"))
        path.write_text(whole)
    path.write_text(whole.replace('"alpha": 10', '"alpha": 11'))
    line = refusal(capsys, lambda: workspace.sample("--gen_start_scale", "0"))
    assert (
        f"{path} is damaged (ValueError: its content has changed since it was written): train again with --overwrite"
        in line
    )


@pytest.mark.slow
def test_vgg_may_lie_elsewhere_later(workspace: Workspace, vgg_file: Path, tmp_path: Path) -> None:
    looks = ["--texture_weight", "1", "--vgg_weights"]
    with cut_after(2), pytest.raises(CutError):
        workspace.train(*looks, str(vgg_file))
    moved = Path(shutil.copy(vgg_file, tmp_path / "moved.pth"))
    workspace.train(*looks, str(moved))
    workspace.train("--texture_weight", "1")  # nothing to train: nothing to download


def test_only_noise_that_is_added_is_exported(workspace: Workspace, capsys: Capture) -> None:
    workspace.train("--stochastic", "dropout")
    line = refusal(capsys, lambda: export([str(workspace.model()), "--to", "torchscript"]))
    assert "a model of --stochastic dropout can't be exported" in line


def test_dropout_starts_at_the_asked_scale(workspace: Workspace) -> None:
    """Coarser scales than the start scale keep the reconstruction's noise, and so drop nothing."""
    workspace.train("--stochastic", "dropout")
    _, pyramid = load_model(workspace.model(), CPU)
    below = pyramid.below(1)
    rng = torch.Generator().manual_seed(1)
    maps = [*pyramid.z_rec()[:1], *pyramid.draw(rng, 1, start=1)]
    first, second = below.generate(maps[:1]), below.generate(pyramid.z_rec()[:1])
    assert torch.equal(first, second)
    assert not torch.equal(pyramid.generate(maps), pyramid.generate(pyramid.z_rec()))


def test_the_sketched_scale_learns_the_sketch_and_the_finest_the_picture(workspace: Workspace) -> None:
    workspace.train("--sketch_scales", "1")
    sketched, finest = (images.read(workspace.model() / str(index) / "real_scale.png") for index in (1, 2))
    assert torch.equal(sketched[:, 0], sketched[:, 2])
    assert not torch.equal(finest[:, 0], finest[:, 2])
