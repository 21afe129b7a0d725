"""Concurrent training from flags to files: every application of its models, and what they can't do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import animation
import editing
import harmonization
import main_train
import paint2image
import random_samples
import SinGAN
import SR
from SIFID import evaluate
from SinGAN import export
from SinGAN.concurrent.planning import plan_stages
from SinGAN.concurrent.pyramid import GrownPyramid
from SinGAN.kinds import KINDS
from SinGAN.options.model import ModelOptions
from SinGAN.options.tasks import SUPER_RESOLUTION, TRAIN
from SinGAN.pictures import images
from SinGAN.saved_models.validation import checksum_of
from SinGAN.storage import checkpoints
from SinGAN.storage.hashes import digest
from tests.cuts import CutError, bits, cut_after
from tests.workspace import Capture, Workspace, load_model, refusal

FOLDER = "scale_factor=0.750000,alpha=10,mode=concurrent"
GROWN = ["--train_mode", "concurrent"]
TINY = [*GROWN, "--not_cuda", "--nfc", "4", "--min_size", "12", "--max_size", "24", "--train_stages", "3"]
RECIPES = ["generation", "editing", "harmonization"]


def train(workspace: Workspace, *more: str, niter: int = 2) -> None:
    flags = [*TINY, "--niter", str(niter), "--manualSeed", "1", "--num_samples", "2"]
    main_train.main([*workspace.flags(), *flags, *more])


def model(workspace: Workspace, recipe: str = "generation") -> Path:
    name = FOLDER if recipe == "generation" else f"{FOLDER},recipe={recipe}"
    return workspace.out / "TrainedModels" / "x" / name


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, its models, and a reference with its mask."""
    home = tmp_path_factory.mktemp("workspace")
    made = Workspace(home)
    for recipe in RECIPES:
        train(made, "--recipe", recipe)
    picture = np.array(Image.open(made.inputs / "x.png"))
    picture[6:12, 4:10] = 255 - picture[6:12, 4:10] // 2
    mask = np.zeros(picture.shape[:2], np.uint8)
    mask[6:12, 4:10] = 255
    (home / "refs").mkdir()
    Image.fromarray(picture).save(home / "refs" / "ref.png")
    Image.fromarray(mask).save(home / "refs" / "ref_mask.png")
    return home


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    """A copy of it for each test."""
    shutil.copytree(trained, tmp_path / "home")
    return Workspace(tmp_path / "home")


def put_in(workspace: Workspace, task: str, *more: str) -> list[str]:
    folder = str(workspace.inputs.parent / "refs")
    flags = ["--not_cuda", "--ref_name", "ref.png", "--ref_dir", folder, f"--{task}_start_scale", "0", *more]
    return [*workspace.flags(), *GROWN, *flags]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_model_is_read_as_it_was_written(workspace: Workspace, recipe: str) -> None:
    manifest, pyramid = load_model(model(workspace, recipe), torch.device("cpu"))
    assert isinstance(pyramid, GrownPyramid)
    assert (pyramid.recipe, len(pyramid), manifest.kind) == (recipe, 3, "concurrent")
    config = pyramid.scales[-1].generator.config
    assert (config.stages, config.filters, config.noisy_margins) == (3, 4, recipe == "generation")
    assert config.batch_norm == (recipe != "generation")
    assert config.leak == (0.3 if recipe == "harmonization" else 0.05)
    sizes = [list(scale.size) for scale in pyramid.scales]
    assert sizes == manifest.sizes
    assert sizes[0][0] == 12
    assert sizes[-1] == [18, 24]
    noise = [tuple(scale.z_rec.shape[1:]) for scale in pyramid.scales]
    margin = 6 if recipe == "generation" else 0
    assert noise[0] == (3, *sizes[0])
    assert noise[2] == (4, 18 + margin, 24 + margin)


def test_the_defaults_of_recipes() -> None:
    sizes = {"generation": 25, "retarget": 25, "editing": 25, "harmonization": 120}
    for recipe, min_size in sizes.items():
        options = ModelOptions(train_mode="concurrent", recipe=recipe).complete()
        assert (options.nfc, options.min_nfc, options.min_size) == (64, 64, min_size)
        assert options.niter == (1000 if recipe in ("editing", "harmonization") else 2000)
        assert options.train_stages == (3 if recipe == "harmonization" else 6)
        assert (options.train_depth, options.lr_scale) == (3, 0.1)
        sizes_of = KINDS["concurrent"].plan(250, 250, options, TRAIN).sizes
        plan = plan_stages(250, 250, options.pyramid, len(sizes_of), geometric=recipe == "harmonization")
        assert sizes_of == plan.sizes
    given = ModelOptions.for_task(TRAIN, {"train_mode": "concurrent", "niter": 2000, "nfc": 32, "recipe": "editing"})
    assert (given.niter, given.nfc, given.min_nfc) == (2000, 32, 32)
    plain = ModelOptions().complete()
    assert (plain.recipe, plain.train_stages, plain.batch_norm, plain.nfc) == (None, None, None, 32)
    assert plain.net.batch_norm
    assert ModelOptions(train_mode="concurrent", batch_norm=True).complete(["batch_norm"]).net.batch_norm


def test_samples_of_all_start_scales_and_sizes(workspace: Workspace, capsys: Capture) -> None:
    for mode in (["random_samples"], ["random_samples_arbitrary_sizes", "--size", "30x20", "17x40"]):
        flags = [*workspace.flags(), *GROWN, "--not_cuda", "--num_samples", "2", "--gen_start_scale", "all"]
        random_samples.main([*flags, "--mode", *mode])
    shown = capsys.readouterr().out
    assert shown.count("mode=concurrent") > 4
    plain, sized = (workspace.out / name / "x" / "mode=concurrent" for name in
                    ("RandomSamples", "RandomSamples_ArbitrerySizes"))  # fmt: skip
    assert {place.name for place in plain.iterdir()} == {f"gen_start_scale={start}" for start in range(3)}
    assert images.read(sized / "size=17x40_gen_start_scale=2" / "1.png").shape == (1, 3, 40, 17)
    with pytest.raises(SystemExit):
        random_samples.main([*flags, "--mode", "random_samples", "--gen_start_scale", "3"])


def test_a_training_names_its_samples_and_the_next_command(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    train(workspace, "--recipe", "retarget")
    shown = capsys.readouterr().out
    assert "--train_mode concurrent --recipe retarget" in shown.splitlines()[-1]
    assert (workspace.out / "RandomSamples" / "x" / "mode=concurrent,recipe=retarget" / "gen_start_scale=0").exists()
    train(workspace, "--recipe", "retarget")
    assert "already there" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "folder"), [("harmonization", "Harmonization"), ("editing", "Editing")])
def test_a_reference_is_put_in(workspace: Workspace, task: str, folder: str, capsys: Capture) -> None:
    script = {"harmonization": harmonization.main, "editing": editing.main}[task]
    script(put_in(workspace, task))
    place = workspace.out / folder / "x" / f"mode=concurrent,recipe={task}" / "ref_out"
    assert (place / "start_scale=0.png").exists()
    assert "one injection point" not in capsys.readouterr().err
    error = refusal(capsys, lambda: script([*put_in(workspace, task), f"--{task}_start_scale", "1"]))
    assert "must be 0 for this model, not 1" in error


def test_fine_tuning(workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("SinGAN.tasks.references.TUNED_EVERY", 2)
    harmonization.main(put_in(workspace, "harmonization", "--manualSeed", "3", "--fine_tune", "5"))
    place = workspace.out / "Harmonization" / "x" / "mode=concurrent,recipe=harmonization" / "ref_out"
    assert {path.name for path in place.glob("start*")} == {
        f"start_scale=0_tuned={iterations}.png" for iterations in (2, 4, 5)
    }
    first = images.read(place / "start_scale=0_tuned=5.png")
    harmonization.main(put_in(workspace, "harmonization", "--manualSeed", "3"))
    assert not torch.equal(first, images.read(place / "start_scale=0.png"))
    paint2image.main(put_in(workspace, "paint", "--fine_tune", "3"))
    workspace.train()
    flags = [*workspace.flags(), "--not_cuda", *put_in(workspace, "editing")[-6:-1], "1", "--fine_tune"]
    error = refusal(capsys, lambda: editing.main(flags))
    assert "--fine_tune is for models of --train_mode concurrent" in error
    tuned = SinGAN.load(model(workspace, "editing")).fine_tune(workspace.inputs / "x.png", 2, progress=False)
    assert tuned.edit(workspace.inputs.parent / "refs" / "ref.png", start_scale=0).shape == (1, 18, 24, 3)


def test_paint_animation_evaluation_and_export(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("SIFID.evaluate.sifid_net", lambda dims, file: None)  # it would download
    evaluate.main([*workspace.flags(), *GROWN, "--not_cuda", "--num_samples", "2", "--gen_start_scale", "all"])
    assert (workspace.out / "Evaluation" / "x" / "mode=concurrent" / "evaluation.json").exists()
    paint2image.main(put_in(workspace, "paint"))
    assert (workspace.out / "Paint2image" / "x" / "mode=concurrent,recipe=editing" / "ref_out").exists()
    flags = [*workspace.flags(), *TINY, "--niter", "2", "--num_frames", "3", "--animation_start_scale", "0", "2"]
    animation.main([*flags, "--beta_animation", "0.9"])
    made = workspace.out / "Animation" / "x" / "mode=concurrent" / "start_scale=2" / "alpha=0.100000_beta=0.900000.gif"
    assert made.exists()
    trained = workspace.out / "TrainedModels" / "x" / "scale_factor=0.750000_noise_padding,mode=concurrent"
    _, pyramid = load_model(trained, torch.device("cpu"), None)
    assert pyramid.scales[0].noise_amp == 1
    assert not torch.equal(pyramid.scales[0].z_rec, pyramid.scales[0].real)  # noise, where others have the picture
    _, pyramid = load_model(model(workspace), torch.device("cpu"))
    assert torch.equal(pyramid.scales[0].z_rec, pyramid.scales[0].real)
    export.write_torchscript(pyramid, tmp_path / "m.pt")


def test_what_its_models_can_not_do(workspace: Workspace, capsys: Capture) -> None:
    error = refusal(capsys, lambda: SR.main([*workspace.flags(), *TINY, "--niter", "2"]))
    assert "concurrent can't enlarge" in error
    assert not (workspace.out / "SR").exists()
    error = refusal(capsys, lambda: paint2image.main(put_in(workspace, "paint", "--quantization_flag")))
    assert "can't have a scale retrained" in error
    flags = [*workspace.flags(), *TINY, "--recipe", "editing", "--niter", "2"]
    assert "animations need --recipe generation" in refusal(capsys, lambda: animation.main(flags))
    loaded = SinGAN.load(model(workspace))
    with pytest.raises(ValueError, match="can't enlarge"):
        loaded.super_resolve()
    with pytest.raises(ValueError, match="can't have a scale retrained"):
        loaded.paint(workspace.inputs / "x.png", start_scale=0, quantize=True)
    with pytest.raises(ValueError, match="can't enlarge"):
        options = ModelOptions(train_mode="concurrent").complete()
        KINDS[options.kind].plan(20, 28, options, SUPER_RESOLUTION)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--train_stages", "4"], "--train_stages is for --train_mode concurrent"),
        (["--batch_norm"], "--batch_norm is for --train_mode concurrent"),
        (["--recipe", "editing"], "--recipe is for --train_mode concurrent"),
        ([*GROWN, "--stochastic", "dropout"], "--stochastic dropout is not for --train_mode concurrent"),
        ([*GROWN, "--netD", "sesame"], "--netD sesame is not for --train_mode concurrent"),
        ([*GROWN, "--no_residual"], "--no_residual is not for --train_mode concurrent"),
        ([*GROWN, "--sketch_scales", "1"], "--sketch_scales 1 is not for --train_mode concurrent"),
        ([*GROWN, "--scale_factor", "0.5"], "--scale_factor 0.5 is not for --train_mode concurrent"),
        ([*GROWN, "--z_rec", "redrawn"], "--z_rec redrawn is not for --train_mode concurrent"),
        ([*GROWN, "--min_nfc", "32"], "--min_nfc 32 differs from --nfc 64"),
        ([*GROWN, "--num_layer", "2"], "--num_layer must be at least 3 for --train_mode concurrent"),
        ([*GROWN, "--train_stages", "1"], "must be at least 2"),
        ([*GROWN, "--lr_scale", "0"], "must be above 0"),
        ([*GROWN, "--recipe", "harmonization"], "shorter side is below --min_size 120"),
        ([*GROWN, "--batch_norm=perhaps"], "must be True or False"),
    ],
)
def test_flags_that_do_not_go_together(flags: list[str], words: str, tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    assert words in refusal(capsys, lambda: main_train.main([*workspace.flags(), "--not_cuda", *flags]))
    assert not workspace.out.exists()


def as_older_version(folder: Path) -> None:
    """Rewrite what ``folder`` holds as a version wrote it that called this kind of model singan, too."""
    content = json.loads((folder / "manifest.json").read_text())
    content |= {"kind": "singan", "planner": "stages"}
    content["checksum"] = checksum_of(content)
    (folder / "manifest.json").write_text(json.dumps(content))
    for path in checkpoints.list_files(folder):
        state = {**torch.load(path), "training": content["checksum"]}
        del state["sha256"]
        assert {"scale", "iterations", "z_rec", "rng", "generator", "critic", "generator_optimizer"} < state.keys()
        torch.save({**state, "sha256": digest(state)}, path)


@pytest.mark.parametrize(
    ("iterations", "older"),
    [pytest.param(1, False, marks=pytest.mark.slow), pytest.param(5, False, marks=pytest.mark.slow), (5, True)],
)
def test_a_training_that_was_cut_off_resumes_to_the_same_bits(
    iterations: int, older: bool, tmp_path: Path, capsys: Capture
) -> None:
    whole, broken = Workspace(tmp_path / "whole"), Workspace(tmp_path / "broken")
    flags = ["--recipe", "editing", "--checkpoint_every", "0"]
    train(whole, *flags, niter=3)
    with cut_after(iterations), pytest.raises(CutError):
        train(broken, *flags, niter=3)
    if older:
        as_older_version(model(broken, "editing"))
    train(broken, *flags, niter=3)
    assert f"resuming after iteration {iterations % 3} of scale {iterations // 3}" in capsys.readouterr().out
    for place in (whole, broken):
        assert isinstance(load_model(model(place, "editing"))[1], GrownPyramid)
        (model(place, "editing") / "manifest.json").unlink()
    assert bits(broken) == bits(whole)
