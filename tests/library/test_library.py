"""SinGAN from Python: five lines do the job, on arrays as well as files."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import SinGAN
from SinGAN.library.model import Model
from SinGAN.pictures import images
from SinGAN.runs.events import Losses, Progress
from tests.patches.plain import scene
from tests.workspace import SMALL, Capture, Workspace, stripes

TINY: dict[str, Any] = {"nfc": 4, "min_nfc": 4, "min_size": 12, "max_size": 24, "niter": 2}


class Listener:
    """Keeps what a training tells."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.shares: list[float] = []
        self.scales: list[tuple[int, set[str]]] = []
        self.closed = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def iteration(self, progress: Progress, losses: Sequence[Losses]) -> None:
        self.shares.append(progress.share)
        assert {"D_total", "G_total"} <= losses[-1].keys()

    def scale_done(self, progress: Progress, losses: Losses, pictures: Mapping[str, torch.Tensor]) -> None:
        self.scales.append((progress.scale, set(pictures)))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope="module")
def levels() -> images.Levels:
    return images.to_levels(stripes(20, 28))


@pytest.fixture(scope="module")
def model(levels: images.Levels) -> Model:
    return SinGAN.train(levels, seed=1, device="cpu", watcher=Listener(), **TINY)


def test_importing_it_is_light() -> None:
    program = (
        "import sys, SinGAN; assert 'torch' not in sys.modules; print(SinGAN.train.__name__, 'torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "train True\n"
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        SinGAN.trian  # noqa: B018  # the access raises the error
    assert {"Model", "load", "train"} <= set(dir(SinGAN))


def test_help_lists_every_option() -> None:
    assert "    max_size [250]: longer side of the finest scale" in str(SinGAN.train.__doc__)
    assert "    lambda_grad [0.1 with wgan-gp, else 0]: weight" in str(SinGAN.train.__doc__)


def test_a_file_gives_the_model_that_the_script_trains(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.train()
    script = SinGAN.load(workspace.model(), device="cpu")
    ours = SinGAN.train(workspace.inputs / "x.png", seed=1, device="cpu", watcher=Listener(), **TINY)
    assert np.array_equal(ours.reconstruct(), script.reconstruct())
    assert np.array_equal(ours.sample(2, seed=4), script.sample(2, seed=4))
    assert dict(ours.manifest.options) == dict(script.manifest.options)
    assert ours.manifest.sha256 == script.manifest.sha256
    wide = ours.sample(1, start_scale=1, scale_h=1.5, scale_v=1.0, seed=6)
    flags = ["--manualSeed", "6", "--num_samples", "1", "--gen_start_scale", "1", "--scale_h", "1.5"]
    workspace.sample(*flags, mode="random_samples_arbitrary_sizes")
    (file,) = workspace.out.glob("RandomSamples_ArbitrerySizes/x/*/0.png")
    assert np.array_equal(np.asarray(Image.open(file)), wide[0])


def test_a_watcher_is_called_and_nothing_is_written(
    levels: images.Levels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    listener = Listener()
    trained = SinGAN.train(levels, seed=1, device="cpu", watcher=listener, **TINY)
    assert [scale for scale, _ in listener.scales] == list(range(len(trained)))
    assert listener.scales[0][1] == {"real_scale", "fake_sample", "G(z_opt)"}
    assert listener.shares == sorted(listener.shares)
    assert listener.shares[-1] == pytest.approx(1)
    assert listener.closed == 1
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")


def test_without_a_watcher_there_is_a_bar(levels: images.Levels, capsys: Capture) -> None:
    SinGAN.train(levels, seed=1, device="cpu", **TINY)
    out, err = capsys.readouterr()
    assert "scale 2 of 0..2" in err
    assert out == ""


def test_samples_are_8_bit_pictures_of_the_size_asked(model: Model) -> None:
    height, width = model.size
    pictures = model.sample(4, start_scale=0, scale_h=2)
    assert pictures.shape == (4, height, 2 * width, 3)
    assert pictures.dtype == np.uint8
    assert np.array_equal(model.sample(2, seed=3), model.sample(4, seed=3)[:2])
    assert not np.array_equal(model.sample(1), model.sample(1))
    assert model.reconstruct().shape == model.picture.shape == (height, width, 3)
    assert repr(model) == f"<SinGAN model of an array: 3 scales, {height} x {width} pixels>"


def test_a_saved_model_is_the_same(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "lake"
    model.save(folder)
    again = SinGAN.load(folder, device="cpu")
    assert again.manifest == model.manifest
    assert np.array_equal(again.sample(2, seed=1), model.sample(2, seed=1))
    with pytest.raises(FileExistsError, match="is not empty: name another folder, or set `overwrite`"):
        model.save(folder)
    model.save(folder, overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["lake"]


def test_a_reference_and_its_mask_are_arrays_or_files(model: Model, tmp_path: Path) -> None:
    pasted = model.picture.copy()
    pasted[6:12, 4:10] = 255 - pasted[6:12, 4:10]
    mask = np.zeros(pasted.shape[:2], bool)
    mask[6:12, 4:10] = True
    Image.fromarray(pasted).save(tmp_path / "ref.png")
    Image.fromarray(mask).save(tmp_path / "ref_mask.png")
    of_arrays = model.harmonize(pasted, mask, start_scale=1, count=2, seed=5)
    assert of_arrays.shape == (2, *model.picture.shape)
    assert np.array_equal(of_arrays, model.harmonize(tmp_path / "ref.png", start_scale=1, count=2, seed=5))
    assert np.array_equal(of_arrays, model.harmonize(pasted / 255, mask.astype(float), start_scale=1, count=2, seed=5))
    assert model.harmonize(pasted, start_scale=1).shape == (1, *model.picture.shape)  # where it differs
    whole = model.edit(pasted, mask, start_scale=1, count=2, blend=False, seed=5)
    assert not np.array_equal(whole, of_arrays)
    assert np.array_equal(of_arrays[0, -1, -1], model.picture[-1, -1])  # far from the mask
    assert model.edit(pasted, mask, start_scale=1).shape == (1, *model.picture.shape)


def test_paint_enlargement_and_animation(model: Model) -> None:
    height, width = model.size
    strokes = np.full((30, 40, 3), 200, np.uint8)
    strokes[10:20] = (20, 40, 90)
    assert model.paint(strokes, start_scale=1, count=2).shape == (2, height, width, 3)
    painted = model.paint(strokes, start_scale=1, quantize=True, seed=2, progress=False)
    assert np.array_equal(painted, model.paint(strokes, start_scale=1, quantize=True, seed=2, progress=False))
    assert model.super_resolve(factor=2).shape == (2 * height, 2 * width, 3)
    assert model.super_resolve(strokes, factor=1.5).shape == (45, 60, 3)
    frames = model.animate(5, start_scale=1, seed=1)
    assert frames.shape == (5, height, width, 3)


def test_models_for_super_resolution_and_animation(levels: images.Levels) -> None:
    sizes = {name: value for name, value in TINY.items() if name != "min_size"}
    enlarging = SinGAN.train(levels, task="SR", sr_factor=2, seed=1, device="cpu", watcher=Listener(), **TINY)
    assert enlarging.manifest.options["alpha"] == 100
    assert enlarging.manifest.options["scale_factor"] == pytest.approx(2 ** (-1 / 3))
    moving = SinGAN.train(levels, task="animation", seed=1, device="cpu", watcher=Listener(), **sizes, min_size=13)
    assert moving.pyramid.noise_border
    assert moving.animate(3).shape[0] == 3


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model, levels: SinGAN.train(levels, max_size=0), "`max_size` must be at least 1"),
        (lambda model, levels: SinGAN.train(levels, nite=3), "unknown option `nite`: do you mean `niter`?"),
        (lambda model, levels: SinGAN.train(levels, niter="3"), "`niter` must be a whole number, not '3'"),
        (lambda model, levels: SinGAN.train(levels, nfc=True), "`nfc` must be a whole number, not True"),
        (lambda model, levels: SinGAN.train(levels, task="paint"), "`task` must be one of train, SR, animation"),
        (lambda model, levels: SinGAN.train(levels, min_size=300), "`min_size` 300 is above `max_size` 250"),
        (lambda model, levels: SinGAN.train(levels, task="SR", sr_factor=1), "`sr_factor` must be above 1, not 1"),
        (lambda model, levels: model.sample(0), "`count` must be at least 1"),
        (lambda model, levels: model.sample(start_scale=7), "`start_scale` must be 0 to 2"),
        (lambda model, levels: model.sample(scale_h=0.001), "`scale_v` 1 and `scale_h` 0.001 leave no pixel"),
        (lambda model, levels: model.harmonize(levels, start_scale=0), "must be 1 to 2 for this model, not 0"),
        (lambda model, levels: model.harmonize(model.picture, start_scale=1), "give a `mask`"),
        (lambda model, levels: model.edit(levels, levels[:, :, 0] * 0, start_scale=1), "`mask` marks no pixel"),
        (
            lambda model, levels: model.paint([[300]], start_scale=1),
            "`strokes` has whole numbers of type int64",
        ),
        (lambda model, levels: model.super_resolve(factor=1), "`factor` must be above 1"),
    ],
)
def test_errors_speak_of_arguments(model: Model, levels: images.Levels, call: Any, words: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the message is compared below
        call(model, levels)
    assert words in str(error.value)
    assert "--" not in str(error.value)


def test_a_folder_that_the_script_left_unfinished_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.train()
    (workspace.model() / "2" / "netG.pth").unlink()
    with pytest.raises(ValueError, match="is incomplete, 2 of 3 scales"):
        SinGAN.load(workspace.model())
    with pytest.raises(FileNotFoundError, match="no trained model in"):
        SinGAN.load(tmp_path / "nowhere")
    assert "--niter" in SMALL  # the same sizes as TINY's


@pytest.mark.parametrize("method", ["patches", pytest.param("denoise", marks=pytest.mark.slow)])
def test_pictures_without_a_model(method: str) -> None:
    made = SinGAN.instant(images.to_levels(scene(36, 44)), method, max_size=40, device="cpu")
    assert repr(made) == f"<SinGAN.instant by {method}: {len(made)} scales, 33 x 40 pixels>"
    assert made.picture.shape == (33, 40, 3)
    samples = made.sample(2, scale_h=1.5, seed=1)
    assert samples.shape == (2, 33, 60, 3)
    assert samples.dtype == np.uint8
    assert np.array_equal(made.sample(1, scale_h=1.5, seed=1)[0], samples[0])
    mask = np.zeros((33, 40), dtype=np.uint8)
    mask[10:20, 12:26] = 255
    edited = made.picture.copy()
    edited[10:20, 12:26] = 255
    for name in ("edit", "harmonize"):
        assert getattr(made, name)(edited, mask, start_scale=1, seed=1).shape == (1, 33, 40, 3)
    assert made.edit(edited, start_scale=1, blend=False, seed=1).shape == (1, 33, 40, 3)
    assert made.paint(edited, start_scale=1, count=2, seed=1).shape == (2, 33, 40, 3)
    assert made.retarget(scale_h=0.9, seed=1).shape == (1, 33, 36, 3)
    filled = made.inpaint(mask, 2, fill=(0, 0, 0), seed=1)
    assert np.array_equal(filled[0][mask == 0], made.picture[mask == 0])
    wider = made.outpaint(2, left="50%", bottom=7, seed=1)
    assert wider.shape == (2, 40, 60, 3)
    assert (wider[:, :33, 20:] == made.picture).all()
    assert made.analogy(edited[:30], seed=1).shape == (1, 30, 40, 3)
    assert made.tile(seed=1).shape == (1, 33, 40, 3)


def test_what_an_instant_model_refuses(levels: images.Levels) -> None:
    for arguments, words in (
        ({"method": "magic"}, "`method` must be one of instant, patches, denoise, not magic"),
        ({"variety": "some"}, "`variety` must be one of low, medium, high, not some"),
        ({"nc_im": 4}, "`picture` has no alpha channel"),
        ({"max_size": 0}, "`max_size` must be at least 1"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            SinGAN.instant(levels, **arguments, device="cpu")
    made = SinGAN.instant(levels, device="cpu")
    with pytest.raises(ValueError, match="`count` must be at least 1"):
        made.sample(0)
    with pytest.raises(ValueError, match="marks no pixel"):
        made.inpaint(np.zeros((20, 28), dtype=np.uint8))
    with pytest.raises(ValueError, match="`fill` must be at least 0 and at most 255"):
        made.inpaint(np.eye(20, 28, dtype=np.uint8) * 255, fill=(1, 2, 300))
    with pytest.raises(ValueError, match="`scale_h` must be above 0"):
        made.tile(scale_h=0)
    with pytest.raises(ValueError, match="nothing to extend"):
        made.outpaint()
    for margin in (-1, "half", 1.5):
        with pytest.raises(ValueError, match=f"`top` must be pixels, as 20, or percent, as 50%, not {margin}"):
            made.outpaint(top=margin)  # type: ignore[arg-type]  # a value that is refused


def test_a_models_samples_are_refined(model: Model) -> None:
    samples = model.sample(2, seed=1)
    refined = model.refine(samples)
    assert refined.shape == samples.shape
    assert not np.array_equal(refined, samples)


def test_a_model_replaces_no_other_folder(model: SinGAN.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for place in (".", "", "..", work, work.parent):
        with pytest.raises(ValueError, match="is the current folder, or one above it: name one in it"):
            model.save(place, overwrite=True)
    (work / "mine").mkdir()
    (work / "mine" / "thesis.txt").write_text("x")
    for place in ("mine", "mine/thesis.txt"):
        with pytest.raises(FileExistsError, match="holds no model, and `overwrite` replaces only models"):
            model.save(place, overwrite=True)
    assert (work / "mine" / "thesis.txt").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_model_is_saved_where_paths_lead(
    model: SinGAN.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for place in ("~/new", "empty", "x/../y"):
        model.save(place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new", "y"]
    monkeypatch.chdir(tmp_path / "new")
    assert np.array_equal(SinGAN.load(".").sample(seed=1), model.sample(seed=1))


def test_pictures_in_the_home_folder(
    model: SinGAN.Model, levels: images.Levels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    images.write_levels(tmp_path / "x.png", levels)
    assert np.array_equal(SinGAN.instant("~/x.png").picture, levels)
    first, second = (model.paint(strokes, start_scale=1, seed=1) for strokes in (str(tmp_path / "x.png"), "~/x.png"))
    assert np.array_equal(first, second)
