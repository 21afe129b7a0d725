"""Models of the authors' code, and files from strangers."""

import json
import pickle
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import animation
import editing
import main_train
import paint2image
import random_samples
import SR
from SinGAN import __main__ as singan
from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.saved_models.manifest import Manifest
from tests.cases import mostly_slow
from tests.workspace import SIZES, SMALL, Capture, Workspace, load_model, refusal

CPU = torch.device("cpu")
ANIMATION = ["--num_frames", "3", "--animation_start_scale", "0", "--beta_animation", "0.9", "--min_size", "12"]


class Stranger:
    """Pickled code: what must never run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("code ran",)


def as_theirs(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Turn the model in ``folder`` into what the authors' code leaves: old files, from a GPU, with pickled nets."""
    (folder / "manifest.json").unlink()
    patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    amps = torch.load(folder / "NoiseAmp.pth")
    for name, value in (("NoiseAmp", [1, *amps[1:]]), ("reals", None), ("Zs", None)):
        kept = torch.load(folder / f"{name}.pth") if value is None else value
        torch.save(kept, folder / f"{name}.pth", _use_new_zipfile_serialization=False)
    for scale in folder.glob("[0-9]"):
        for name in ("netG.pth", "netD.pth", "z_opt.pth"):
            torch.save(torch.load(scale / name), scale / name, _use_new_zipfile_serialization=False)
        for name in ("losses.csv", "losses.png"):
            (scale / name).unlink()
    patch.undo()
    with (folder / "Gs.pth").open("wb") as file:
        pickle.dump([Stranger()], file)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a model for every task."""
    workspace = Workspace(tmp_path_factory.mktemp("ours"))
    workspace.train("--num_samples", "3")
    SR.main([*workspace.flags(), *SMALL, "--min_size", "12"])
    animation.main([*workspace.flags(), *SMALL, *ANIMATION])
    return workspace


@pytest.fixture
def theirs(ours: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(ours.inputs, tmp_path / "in")
    shutil.copytree(ours.out, tmp_path / "out")
    workspace = Workspace(tmp_path)
    models = workspace.out / "TrainedModels" / "x"
    shutil.rmtree(models / "scale_factor=0.750000_paint", ignore_errors=True)  # an application's, with our model
    for folder in models.iterdir():
        as_theirs(folder, monkeypatch)
    for results in ("RandomSamples", "SR", "Animation"):
        shutil.rmtree(workspace.out / results)
    return workspace


def applications(workspace: Workspace) -> None:
    """Use the models in ``workspace`` for everything."""
    flags = [*workspace.flags(), "--not_cuda", "--manualSeed", "1"]
    random_samples.main([*flags, "--mode", "random_samples", "--num_samples", "3"])
    random_samples.main([*flags, "--mode", "random_samples_arbitrary_sizes", "--num_samples", "2"])
    reference = [*flags, "--ref_dir", str(workspace.inputs), "--ref_name", "y.png"]
    Image.linear_gradient("L").resize((28, 20)).save(workspace.inputs / "y.png")
    Image.new("L", (28, 20)).save(workspace.inputs / "y_mask.png")
    mask = Image.new("L", (28, 20))
    mask.paste(255, (8, 8, 16, 14))
    mask.save(workspace.inputs / "y_mask.png")
    editing.main([*reference, "--editing_start_scale", "all"])
    paint2image.main([*reference, "--paint_start_scale", "1", "--quantization_flag", *SMALL[-4:]])
    SR.main([*flags, "--sr_factor", "4"])
    animation.main([*flags, *ANIMATION])


def test_a_model_of_theirs_gives_what_ours_gives(ours: Workspace, theirs: Workspace, capsys: Capture) -> None:
    for workspace in (ours, theirs):
        applications(workspace)
    assert "Train SinGAN" not in capsys.readouterr().out
    made = [name for name in theirs.results() if not name.startswith("TrainedModels")]
    same = [name for name in made if not name.endswith("grid.png")]
    assert len(same) > 15
    for name in set(made) - set(same):  # sheets record which model their samples come from
        assert images.read(theirs.out / name).equal(images.read(ours.out / name))
    assert {name: theirs.results()[name] for name in same} == {name: ours.results()[name] for name in same}
    theirs.train()
    assert "the trained model is already there" in capsys.readouterr().out


def test_what_can_be_inferred_of_their_model(ours: Workspace, theirs: Workspace) -> None:
    found, known = Manifest.read(theirs.model()), Manifest.read(ours.model())
    assert found.factor == known.factor
    assert found.sizes == known.sizes
    assert found.options.items() <= known.options.items()
    assert set(found.options) >= {"nc_im", "nfc", "min_nfc", "num_layer", "min_size", "scale_factor", "alpha"}


def test_their_unfinished_model_resumes(theirs: Workspace) -> None:
    shutil.rmtree(theirs.model() / "2")
    for name in ("Zs.pth", "NoiseAmp.pth"):
        kept = torch.load(theirs.model() / name, map_location="cpu")
        torch.save(kept[:2], theirs.model() / name)
    theirs.train()
    assert len(load_model(theirs.model(), CPU)[1]) == 3
    assert Manifest.read(theirs.model()).seed == 1


def test_their_model_of_other_sizes_is_not_resumed(theirs: Workspace, capsys: Capture) -> None:
    assert "its scales are 12 x 16, 15 x 20, 18 x 24, not" in refusal(capsys, lambda: theirs.train("--max_size", "28"))


def test_sizes_of_no_pyramid_are_named(theirs: Workspace, capsys: Capture) -> None:
    reals = torch.load(theirs.model() / "reals.pth", map_location="cpu")
    torch.save([reals[0], *reals], theirs.model() / "reals.pth")
    assert "no pyramid has the sizes" in refusal(capsys, theirs.sample)


@pytest.mark.parametrize("name", ["Zs.pth", "reals.pth", "NoiseAmp.pth", "1/netG.pth", "1/netD.pth"])
def test_checkpoints_cannot_run_code(name: str, ours: Workspace, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(ours.out, tmp_path / "out")
    workspace = Workspace(ours.inputs.parent)
    workspace.out = tmp_path / "out"
    torch.save([Stranger()], workspace.model() / name)
    assert name.split("/")[-1] in refusal(capsys, lambda: workspace.sample("--overwrite"))


# anything else in a file gives a clear line, or works

fuzzed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def tolerant(folder: Path) -> Pyramid[TrainedScale] | None:
    """The model in ``folder``, or None after an error that scripts turn into one line; no other may come."""
    try:
        return load_model(folder, CPU)[1]
    except (ValueError, FileNotFoundError):
        return None


@fuzzed
@given(data=st.data())
def test_any_manifest(ours: Workspace, tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "m"
    shutil.copytree(ours.model(), folder, dirs_exist_ok=True)
    manifest = json.loads((ours.model() / "manifest.json").read_text())
    manifest[data.draw(st.sampled_from(sorted(manifest)))] = data.draw(values)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    tolerant(folder)


def tensors() -> st.SearchStrategy[object]:
    shapes = st.lists(st.integers(0, 3), max_size=5)
    kinds = st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool])
    return st.builds(lambda shape, kind: torch.zeros(shape, dtype=kind), shapes, kinds)


@fuzzed
@given(data=st.data())
def test_any_checkpoint(ours: Workspace, tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "m"
    shutil.copytree(ours.model(), folder, dirs_exist_ok=True)
    name = data.draw(st.sampled_from(["Zs.pth", "reals.pth", "NoiseAmp.pth", "1/netG.pth", "0/netD.pth"]))
    kept = torch.load(folder / name)
    if data.draw(st.booleans()):
        entries = sorted(kept) if isinstance(kept, dict) else range(len(kept))
        kept[data.draw(st.sampled_from(entries))] = data.draw(values | tensors())
    else:
        kept = data.draw(values | tensors() | st.lists(tensors(), max_size=4))
    torch.save(kept, folder / name)
    model = tolerant(folder)
    if model is not None:
        assert model.generate(model.z_rec()).shape == model.scales[-1].real.shape


@fuzzed
@given(
    position=st.floats(0, 1), junk=st.binary(max_size=30), kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP"])
)
def test_any_bytes_in_a_picture(tmp_path: Path, position: float, junk: bytes, kind: str) -> None:
    path = tmp_path / "x.png"
    Image.linear_gradient("L").resize((20, 15)).convert("RGB").save(path, format=kind)
    content = path.read_bytes()
    start = int(position * len(content))
    path.write_bytes(content[:start] + junk + content[start + len(junk) :])
    try:
        outcome = str(images.read(path).shape[1])
    except ValueError as error:
        outcome = str(error)
    assert outcome == "3" or "can't be read" in outcome


def test_names_cannot_leave_their_folders(ours: Workspace, capsys: Capture) -> None:
    before, elsewhere = ours.results(), ours.out / "x.png"
    flags = [*ours.flags(), "--not_cuda", "--editing_start_scale", "1", "--ref_dir", str(ours.inputs)]
    for name in ("../out/x.png", str(elsewhere), "a\nb.png", "..", ""):
        line = refusal(capsys, partial(editing.main, [*flags, "--ref_name", name]))
        assert "--ref_name" in line or "no picture" in line
        more = ["--not_cuda", *SIZES, "--input_dir", str(ours.inputs), "--input_name", name]
        line = refusal(capsys, partial(main_train.main, more))
        assert "--input_name" in line or "no picture" in line or name == str(elsewhere)
    assert ours.results() == before


@pytest.mark.parametrize("level", ["TrainedModels", "TrainedModels/x", "RandomSamples", "RandomSamples/x", "SR"])
def test_a_link_on_any_level_is_refused_before_anything_is_written(level: str, tmp_path: Path, capsys: Capture) -> None:
    workspace, outside = Workspace(tmp_path), tmp_path / "outside"
    outside.mkdir()
    link = workspace.out / level
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    before = sorted(tmp_path.rglob("*"))
    enlarge = partial(SR.main, [*workspace.flags(), "--not_cuda"])  # the only one that writes there
    for call in (enlarge,) if level == "SR" else (workspace.train, workspace.sample):
        assert f"{link} leads out of {workspace.out}: put what it links to there" in refusal(capsys, call)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", mostly_slow(["0", "0/netG.pth", "manifest.json", "Zs.pth"], {"0", "0/netG.pth"}))
def test_a_link_in_a_model_may_not_lead_out_of_it(place: str, tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    workspace.train()
    (workspace.model() / place).rename(tmp_path / "outside")
    (workspace.model() / place).symlink_to(tmp_path / "outside")
    for call in (workspace.sample, partial(singan.main, ["export", str(workspace.model()), "--to", "torchscript"])):
        assert f"{workspace.model() / place} leads out of" in refusal(capsys, call)
    with pytest.raises(ValueError, match="leads out of"):
        load_model(workspace.model(), CPU)


def test_links_in_circles_are_one_line(tmp_path: Path, capsys: Capture) -> None:
    workspace = Workspace(tmp_path)
    for path in (workspace.out, workspace.inputs / "y.png"):
        path.symlink_to(path)
    assert f"{workspace.out} is a link that leads in circles" in refusal(capsys, workspace.train)
    workspace.out.unlink()
    assert "y.png is a link that leads in circles" in refusal(capsys, partial(workspace.train, name="y.png"))


def test_links_cannot_lead_out(ours: Workspace, tmp_path: Path, capsys: Capture) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (ours.inputs / "x.png").rename(outside / "x.png")
    (ours.inputs / "x.png").symlink_to(outside / "x.png")
    line = refusal(capsys, lambda: ours.train())
    assert "x.png leads out of" in line
    (ours.inputs / "x.png").unlink()
    (outside / "x.png").rename(ours.inputs / "other.png")
    (ours.inputs / "x.png").symlink_to("other.png")  # stays inside
    ours.model().rename(outside / "model")
    ours.model().symlink_to(outside / "model")
    before = {path: path.stat().st_mtime_ns for path in outside.rglob("*")}
    for call in (lambda: ours.train("--overwrite"), lambda: ours.sample("--overwrite")):
        assert f"{ours.model()} leads out of {ours.out}" in refusal(capsys, call)
    assert before == {path: path.stat().st_mtime_ns for path in outside.rglob("*")}
    ours.model().unlink()
    (outside / "model").rename(ours.model())
    ours.out.rename(tmp_path / "disk")
    ours.out.symlink_to(tmp_path / "disk")  # the user's own choice
    ours.sample("--overwrite")
