"""Data of any channels and aligned maps, from flags to files, with tiny models of each kind."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

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
from SIFID import evaluate
from SinGAN.pictures.rasters import read_raster
from SinGAN.saved_models.manifest import Manifest
from SinGAN.terminal.flags import make_parser
from tests.cases import mostly_slow
from tests.cuts import CutError, cut_after
from tests.workspace import SMALL, Capture, Workspace, refusal

H, W = 20, 28
KINDS = ["sequential", "concurrent", "hybrid"]
TRAINED: dict[str, list[str]] = {
    "sequential": SMALL,
    "concurrent": [*SMALL, "--train_mode", "concurrent", "--train_stages", "3", "--num_layer", "3", "--nfc", "4"],
    "hybrid": [*SMALL, "--train_mode", "hybrid", "--hybrid_size", "18"],
}


def bands(dtype: str = "uint16") -> npt.NDArray[Any]:
    """Five soft bands (H, W, 5), each with its own range."""
    y, x = np.mgrid[0:H, 0:W]
    waves = np.stack([np.sin(x / 3 + band) * np.cos(y / (3 + band)) for band in range(5)], axis=2)
    values: npt.NDArray[Any] = ((waves + 1) * np.array([100, 5000, 800, 30000, 9])).astype(dtype)
    return values


def save_all(folder: Path) -> None:
    """The picture as several kinds of files, and its maps."""
    tifffile.imwrite(folder / "pages.tif", np.moveaxis(bands(), 2, 0), photometric="minisblack")
    np.save(folder / "bands.npy", bands("float32"))
    numbers = np.where(bands()[:, :, 0] > 100, 3, 7).astype(np.uint8)
    labels = Image.fromarray(numbers)
    labels.putpalette(bytes(range(30)))
    labels.save(folder / "labels.png")
    np.save(folder / "depth.npy", bands("float32")[:, :, 1] / 7)


def flags(workspace: Workspace, name: str, kind: str = "sequential") -> list[str]:
    """The flags that name the picture, its maps and its model."""
    maps = ["--maps", str(workspace.inputs / "labels.png"), str(workspace.inputs / "depth.npy")]
    extra = ["--train_mode", kind] if kind != "sequential" else []
    return [*workspace.flags(name), "--not_cuda", "--manualSeed", "1", *maps, *extra]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of model."""
    return str(request.param)


@pytest.fixture(scope="module")
def home(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture of pages, its maps, and a model of both."""
    made = Workspace(tmp_path_factory.mktemp("maps"))
    save_all(made.inputs)
    main_train.main([*flags(made, "pages.tif"), *TRAINED[kind], "--num_samples", "2"])
    return made.inputs.parent


@pytest.fixture
def trained(home: Path, workspace: Workspace) -> Workspace:
    """A copy of it."""
    shutil.copytree(home, workspace.inputs.parent, dirs_exist_ok=True)
    return workspace


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_result(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A result's files have the types, channels and values of those that were trained on."""
    assert {f"{name}{end}" for end in (".tif", ".png", "_labels.png", "_depth.npy", "_depth.png")} <= {*names(folder)}
    with tifffile.TiffFile(folder / f"{name}.tif") as file:
        assert len(file.pages) == 5
        values = np.stack([page.asarray() for page in file.pages], axis=2)
    assert values.dtype == np.uint16
    assert values.shape == (*size, 5)
    truth = bands()
    assert (values.max((0, 1)) <= truth.max((0, 1))).all()
    assert (values.min((0, 1)) >= truth.min((0, 1))).all()
    with Image.open(folder / f"{name}_labels.png") as labels:
        assert labels.mode == "P"
        assert list(labels.getpalette("RGB") or [])[:30] == list(range(30))
        assert {*np.unique(np.asarray(labels))} <= {3, 7}
        assert labels.size == size[::-1]
    depth = np.load(folder / f"{name}_depth.npy")
    assert depth.dtype == np.float32
    assert depth.shape == size
    with Image.open(folder / f"{name}.png") as preview:
        assert (preview.mode, preview.size) == ("RGB", size[::-1])


def test_samples_have_the_kind_of_file_of_picture_and_maps(trained: Workspace, kind: str) -> None:
    label = "" if kind == "sequential" else f"mode={kind}"
    folder = trained.out / "RandomSamples" / "pages" / label / "gen_start_scale=0"
    sheets = ["grid.png", "grid_depth.png", "grid_labels.png"]
    ends = [".png", ".tif", "_depth.npy", "_depth.png", "_labels.png"]
    assert names(folder) == sorted([*sheets, *(f"{number}{end}" for number in (0, 1) for end in ends)])
    check_result(folder, "0", (18, 24))


def test_more_samples_of_any_size(trained: Workspace, kind: str) -> None:
    extra = [] if kind == "sequential" else ["--train_mode", kind]
    before = (trained.out / "RandomSamples" / "pages").rglob("0*")
    first = {path.name: path.read_bytes() for path in before}
    trained.sample(*extra, "--manualSeed", "1", "--num_samples", "4", name="pages.tif")
    after = {path.name: path.read_bytes() for path in (trained.out / "RandomSamples" / "pages").rglob("0*")}
    assert after == first
    assert len([*(trained.out / "RandomSamples").rglob("3_labels.png")]) == 1
    trained.sample(*extra, "--size", "40x30", mode="random_samples_arbitrary_sizes", name="pages.tif")
    (folder,) = {path.parent for path in (trained.out / "RandomSamples_ArbitrerySizes").rglob("0.tif")}
    check_result(folder, "0", (30, 40))


def test_every_task_gives_maps(trained: Workspace, kind: str) -> None:
    name, refs = "pages.tif", trained.inputs.parent / "refs"
    refs.mkdir()
    changed = bands()
    changed[5:12, 5:12] = bands()[8:15, 15:22]
    tifffile.imwrite(refs / "cat.tif", np.moveaxis(changed, 2, 0), photometric="minisblack")
    reference = [*flags(trained, name, kind), "--ref_dir", str(refs), "--ref_name", "cat.tif"]
    start = "0" if kind == "concurrent" else "1"
    extra = {"harmonization": ["--recipe", "generation"], "editing": ["--recipe", "generation"]}
    for main, task, title in [
        (harmonization.main, "harmonization", "Harmonization"),
        (editing.main, "editing", "Editing"),
        (paint2image.main, "paint", "Paint2image"),
    ]:
        more = extra["editing"] if kind == "concurrent" else []
        main([*reference, f"--{task}_start_scale", start, *more])
        (folder,) = {path.parent for path in (trained.out / title).rglob("*.tif")}
        is_masked = kind == "hybrid" and task == "editing"  # what is not marked always stays
        check_result(folder, f"start_scale={start}{'_masked' * is_masked}", (18, 24))
    outpaint.main([*flags(trained, name, kind), "--method", "singan", "--right", "50%", "--num_samples", "1"])
    (folder,) = {path.parent for path in (trained.out / "Outpaint").rglob("*.tif")}
    check_result(folder, "0", (18, 36))
    with tifffile.TiffFile(folder / "0.tif") as file:
        kept = np.stack([page.asarray() for page in file.pages], axis=2)
    assert kept.shape == (18, 36, 5)


def labels_of(folder: Path, name: str) -> npt.NDArray[Any]:
    return read_raster(folder / f"{name}_labels.png").values[..., 0]


@pytest.mark.parametrize("kind", ["hybrid"], indirect=True)
def test_hard_votes_keep_labels_that_are_thresholds(trained: Workspace) -> None:
    words, mode = flags(trained, "pages.tif", "hybrid"), ["--mode", "random_samples", "--num_samples", "2"]
    main_train.main([*words, *TRAINED["hybrid"], "--max_size", "28", "--overwrite"])
    random_samples.main([*words, *mode, "--hard_votes"])
    folder = trained.out / "RandomSamples" / "pages" / "hard_votes,mode=hybrid" / "gen_start_scale=0"
    for name in ("0", "1"):
        with tifffile.TiffFile(folder / f"{name}.tif") as file:
            first = file.pages[0].asarray()
        assert first.shape == (H, W)
        np.testing.assert_array_equal(labels_of(folder, name), np.where(first > 100, 3, 7))


@pytest.mark.parametrize("kind", ["sequential"], indirect=True)
def test_refined_results_have_the_maps_of_the_photo(trained: Workspace, capsys: Capture) -> None:
    words = [*trained.flags("pages.tif"), "--not_cuda", "--manualSeed", "1", "--num_samples", "2", "--refine"]
    drawn = [*words, "--mode", "random_samples"]
    random_samples.main(drawn)
    check_result(trained.out / "RandomSamples" / "pages" / "refined" / "gen_start_scale=0", "1", (18, 24))
    full = [*drawn, "--full_size", "--hard_votes"]
    error = refusal(capsys, lambda: random_samples.main(full))
    assert "the model has the maps labels, depth, the photo none: name the same with --maps" in error
    maps = ["--maps", *(str(trained.inputs / name) for name in ("labels.png", "depth.npy"))]
    random_samples.main([*full, *maps])
    folder = trained.out / "RandomSamples" / "pages" / "refined,full_size,hard_votes" / "gen_start_scale=0"
    check_result(folder, "1", (H, W))
    with tifffile.TiffFile(folder / "1.tif") as file:
        first, second = (file.pages[index].asarray() for index in (0, 1))
    np.testing.assert_array_equal(labels_of(folder, "1"), np.where(first > 100, 3, 7))
    np.testing.assert_allclose(7 * np.load(folder / "1_depth.npy"), second, atol=1)  # of the band before rounding
    outpaint.main([*words, "--full_size", *maps, "--method", "singan", "--left", "25%"])
    (folder,) = {path.parent for path in (trained.out / "Outpaint").rglob("0.tif")}
    check_result(folder, "0", (20, 35))
    with tifffile.TiffFile(folder / "0.tif") as file:
        kept = np.stack([page.asarray() for page in file.pages], axis=2)[:, 7:]
    np.testing.assert_array_equal(kept, bands())
    hard = [*trained.flags("pages.tif"), "--not_cuda", "--mode", "random_samples", "--hard_votes"]
    assert "--hard_votes is for patches" in refusal(capsys, lambda: random_samples.main(hard))


@pytest.mark.parametrize("kind", ["sequential"], indirect=True)
def test_enlargements_and_animations_have_maps(trained: Workspace) -> None:
    SR.main([*flags(trained, "pages.tif"), *SMALL, "--sr_factor", "1.5"])
    check_result(trained.out / "SR" / "1.5", "pages_HR", (27, 36))
    animation.main(
        [*flags(trained, "pages.tif"), *SMALL, "--num_frames", "3", "--animation_start_scale", "0",
         "--beta_animation", "0.9"]
    )  # fmt: skip
    (gif,) = (trained.out / "Animation").rglob("*.gif")
    check_result(gif.with_suffix(""), "2", (18, 24))


def test_the_maps_are_part_of_the_model(trained: Workspace, kind: str, capsys: Capture) -> None:
    words = [*trained.flags("pages.tif"), *TRAINED[kind], "--num_samples", "2"]
    labels = str(trained.inputs / "labels.png")
    assert "`maps`" not in refusal(capsys, lambda: main_train.main(words))
    assert "--maps are labels (label, " in refusal(capsys, lambda: main_train.main(words))
    assert "holds another model" in refusal(capsys, lambda: main_train.main([*words, "--maps", labels]))
    both = [*words, "--maps", labels, str(trained.inputs / "depth.npy")]
    main_train.main(both)
    assert "the trained model is already there" in capsys.readouterr().out
    assert "label (label, " not in refusal(capsys, lambda: main_train.main([*both, "--map_kinds", "continuous"]))


@pytest.mark.parametrize("kind", mostly_slow(KINDS, {"concurrent"}))
def test_a_training_resumes_to_the_same_bits(kind: str, tmp_path: Path) -> None:
    whole, broken = Workspace(tmp_path / "whole"), Workspace(tmp_path / "broken")
    for workspace in (whole, broken):
        save_all(workspace.inputs)
    words = [*TRAINED[kind], "--num_samples", "2", "--checkpoint_every", "0"]
    main_train.main([*flags(whole, "bands.npy"), *words])
    with cut_after(3), pytest.raises(CutError):
        main_train.main([*flags(broken, "bands.npy"), *words])
    main_train.main([*flags(broken, "bands.npy"), *words])
    for name in ("0.npy", "1_labels.png", "1_depth.npy"):
        (one,) = (whole.out / "RandomSamples").rglob(name)
        assert one.read_bytes() == (broken.out / one.relative_to(whole.out)).read_bytes()


def test_a_model_without_maps_has_no_layers(workspace: Workspace) -> None:
    workspace.train()
    assert Manifest.read(workspace.model()).layers == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pages.tif", "--maps", "small.png"], "small.png has 5 x 5 pixels, the picture 28 x 20"),
        (["pages.tif", "--maps", "many.npy"], "many.npy has 560 labels: at most 256"),
        (["pages.tif", "--maps", "missing.png"], "no file"),
        (["pages.tif", "--maps", "labels.png", "labels.npy"], "have the same name"),
        (["pages.tif", "--nc_im", "3"], "--nc_im 3 asked, but"),
        (["x.png", "--nc_im", "5"], "x.png is a picture of 8 bits: --nc_im must be 1, 3 or 4"),
        (["mixed.npz"], "mixes types or shapes"),
        (["constant.npy"], "constant.npy is constant"),
        (["nothing.npy"], "has no data"),
        (["pages.tif", "--show", "9"], "--show 9: the picture has the channels 1 to 5"),
        (["pages.tif", "--show_percentiles", "9"], "--show_percentiles 9: name two"),
        (["x.png", "--maps", "labels.png", "--map_kinds", "label", "label"], "--map_kinds label label"),
        (["pages.tif", "bands.npy", "--maps", "labels.png"], "--maps belong to one picture"),
    ],
)
def test_bad_input_gets_a_line(workspace: Workspace, capsys: Capture, words: list[str], message: str) -> None:
    place = workspace.inputs
    save_all(place)
    Image.new("L", (5, 5)).save(place / "small.png")
    np.save(place / "many.npy", np.arange(H * W).reshape(H, W))
    np.save(place / "labels.npy", np.zeros((H, W), int))
    np.save(place / "constant.npy", np.zeros((H, W, 5), np.int16))
    np.save(place / "nothing.npy", np.full((H, W), np.nan))
    np.savez(place / "mixed.npz", a=np.zeros((H, W)), b=np.zeros((H, W), int))
    flat = [str(place / word) if (place / word).exists() or word == "missing.png" else word for word in words]
    assert message in refusal(capsys, lambda: main_train.main([*flat, *SMALL, "--out", str(workspace.out)]))
    assert not workspace.out.exists() or not any(workspace.out.rglob("*.pth"))


def test_no_data_never_appears(workspace: Workspace) -> None:
    values = bands("float32")
    values[4:12, 6:14] = np.nan
    np.save(workspace.inputs / "gap.npy", values)
    workspace.train("--niter", "3", name="gap.npy")
    for file in (workspace.out / "RandomSamples").rglob("[01].npy"):
        assert np.isfinite(np.load(file)).all()
    marked = (bands() // 4).astype(np.int16)
    marked[4:12, 6:14] = -9999
    tag = [(42113, "s", 0, "-9999", True)]
    layout: Any = {"photometric": "minisblack", "extratags": tag}
    tifffile.imwrite(workspace.inputs / "marked.tif", np.moveaxis(marked, 2, 0), **layout)
    workspace.train("--niter", "3", name="marked.tif")
    files = [*(workspace.out / "RandomSamples" / "marked").rglob("[01].tif")]
    assert len(files) == 2
    for file in files:
        with tifffile.TiffFile(file) as result:
            values = np.stack([page.asarray() for page in result.pages])
        assert values.min() >= 0
        assert values.dtype == np.int16


def test_patches_make_data_and_maps(workspace: Workspace) -> None:
    save_all(workspace.inputs)
    workspace.sample("--method", "patches", *flags(workspace, "pages.tif")[6:], name="pages.tif")
    (folder,) = {path.parent for path in (workspace.out / "RandomSamples").rglob("0.tif")}
    check_result(folder, "0", (20, 28))


def test_every_task_without_training_gives_maps(workspace: Workspace) -> None:
    save_all(workspace.inputs)
    words = [*flags(workspace, "pages.tif"), "--max_size", "28"]
    mask = np.zeros((H, W), np.uint8)
    mask[7:12, 9:15] = 255
    Image.fromarray(mask).save(workspace.inputs / "pages_mask.png")
    random_samples.main([*words, "--mode", "random_samples", "--method", "instant", "--num_samples", "1"])
    for main, more in [
        (retarget.main, ["--scale_h", "1.5", "--num_samples", "1"]),
        (inpaint.main, ["--num_samples", "1"]),
        (outpaint.main, ["--right", "50%", "--num_samples", "1"]),
        (tile.main, ["--repeat", "2"]),
    ]:
        main([*words, *more])
    wide, sizes = (H, 42), {"RandomSamples": (H, W), "Retarget": (H, 42), "Inpaint": (H, W), "Tile": (H, W)}
    for title, size in {**sizes, "Outpaint": wide}.items():
        (folder,) = {path.parent for path in (workspace.out / title).rglob("0.tif")}
        assert "method=instant,max_size=28,maps=labels+depth" in str(folder)
        check_result(folder, "0", size)
    with tifffile.TiffFile(next((workspace.out / "Inpaint").rglob("0.tif"))) as file:
        values = np.stack([page.asarray() for page in file.pages], axis=2)
    np.testing.assert_array_equal(values[mask == 0], bands()[mask == 0])
    written = next((workspace.out / "Inpaint").rglob("0_labels.png"))
    labels, own = (read_raster(file).values for file in (written, workspace.inputs / "labels.png"))
    np.testing.assert_array_equal(labels[mask == 0], own[mask == 0])


@pytest.mark.parametrize("method", ["singan", "instant"])
def test_measures_say_which_channels_they_see(workspace: Workspace, capsys: Capture, method: str) -> None:
    save_all(workspace.inputs)
    if method == "singan":
        workspace.train(name="pages.tif")
    show = ["--show", "5", "1", "2", "--num_samples", "2", "--method", method, "--max_size", "24"]
    evaluate.main([*workspace.flags("pages.tif"), "--not_cuda", "--manualSeed", "1", *show])
    line = "SIFID and LPIPS look at the channels 5 1 2 (--show), the other measures at all 5"
    assert line in capsys.readouterr().out
    (report,) = (workspace.out / "Evaluation").rglob("evaluation.json")
    content = json.loads(report.read_text())
    assert "channels 5 1 2" in content["channels"]
    assert content["start_scales"][0]["diversity"] > 0


def test_the_commands_of_the_page_are_understood() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "maps.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    scripts = {"main_train.py": "train", "random_samples.py": "sample"}
    commands = {**scripts, **{f"{name}.py": name for name in ("tile", "retarget", "inpaint", "outpaint", "analogy")}}
    assert len(lines) >= 4
    for _, script, *words in lines:
        if script in commands:
            make_parser(commands[script]).parse_given(words)
