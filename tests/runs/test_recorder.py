"""What a run leaves behind, and what it cleans up."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from SinGAN.engines.compiled import Compiled
from SinGAN.engines.engine import EAGER, Engine
from SinGAN.engines.estimates import SAVED, bytes_needed, scale_costs
from SinGAN.losses.terms import loss_names
from SinGAN.losses.train_config import TrainConfig
from SinGAN.options.model import ModelOptions, legacy_defaults
from SinGAN.options.tasks import ANIMATION, TRAIN
from SinGAN.pictures import images
from SinGAN.planning import plan_scales
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.runs.events import NOBODY, Watcher, Watchers
from SinGAN.runs.loss_log import LossLog
from SinGAN.runs.pictures import PictureTraining
from SinGAN.runs.recorder import Recorder
from SinGAN.runs.results import write_samples
from SinGAN.runs.tensorboard import TensorBoard
from SinGAN.runs.training import estimate, load_or_train
from SinGAN.saved_models.manifest import Manifest
from SinGAN.saved_models.model_folder import ModelFolder
from SinGAN.storage.checkpoints import TrainingState
from SinGAN.storage.hashes import sha256
from SinGAN.storage.layout import work_folder
from tests.conftest import TINY, TINY_NET
from tests.storage.test_files import everything
from tests.workspace import load_model, stripes, whole_scales

Trained = Pyramid[TrainedScale]
CPU = torch.device("cpu")
PLAN = plan_scales(24, 32, TINY)
CONFIG = TrainConfig(niter=2)
LOSSES = loss_names(CONFIG)
STATE = TrainingState(1, torch.zeros(1), {"generator": {}})


@pytest.fixture
def manifest() -> Manifest:
    options = ModelOptions(niter=2).complete()
    picture = sha256(b"a picture")
    made = Manifest.of(picture="x.png", sha256=picture, options=options, seed=5, plan=PLAN, device=CPU, task=TRAIN)
    return replace(made.with_engine("eager"), options={"niter": 2, "alpha": 10.0, **legacy_defaults()})


def training(folder: Path, manifest: Manifest, seed_matters: bool = False) -> PictureTraining:
    return PictureTraining(
        manifest=manifest, image=stripes(), plan=PLAN, net=TINY_NET, config=CONFIG, folder=folder,
        seed_matters=seed_matters,
    )  # fmt: skip


def recorder(folder: Path, manifest: Manifest, watcher: Watcher = NOBODY) -> Recorder:
    asked = training(folder, manifest)
    log = LossLog(asked.columns, estimate(asked, EAGER, asked.wanted), watcher)
    return Recorder(asked, work_folder(folder) if folder.exists() else folder, manifest, log)


@pytest.mark.parametrize("can", [True, False])
def test_the_estimate_knows_which_scales_run_programs(
    can: bool, tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = training(tmp_path, manifest)
    needed = [bytes_needed(TINY_NET.at(index), size) for index, size in enumerate(PLAN.sizes)]
    monkeypatch.setattr("SinGAN.engines.estimates.COMPILING", SAVED * CONFIG.niter * (needed[0] + 1))
    monkeypatch.setattr("SinGAN.runs.pictures.can_compile", lambda: can)
    programmed = list(range(1, len(PLAN.sizes))) if can else []
    assert asked.costs(Engine(programs=Compiled())) == scale_costs(PLAN, TINY_NET, CPU, False, programmed)
    assert asked.costs(EAGER) == scale_costs(PLAN, TINY_NET, CPU)


def losses(values: torch.Tensor) -> dict[str, torch.Tensor]:
    """Losses by name, (7,) in the order of their columns."""
    return dict(zip(LOSSES, values.unbind(), strict=True))


def record(folder: Path, manifest: Manifest, pyramid: Trained, scales: int | None = None) -> None:
    """Record ``pyramid`` as if it were trained; of only some ``scales``, an interruption follows."""
    with recorder(folder, manifest) as keeper:
        for index in range(len(pyramid) if scales is None else scales):
            for iteration in range(2):
                keeper.watch(index, iteration, losses(torch.arange(7.0) + iteration), lambda: STATE)
            keeper.keep(pyramid.below(index + 1), index)
        if scales is not None:
            keeper.watch(scales, 0, losses(torch.zeros(7)), lambda: STATE)
            raise KeyboardInterrupt


def test_the_manifest_is_read_as_it_was_written(manifest: Manifest, tmp_path: Path) -> None:
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert manifest.factor == PLAN.factor
    assert manifest.sizes == [list(size) for size in PLAN.sizes]
    assert len(manifest.sha256) == 64
    assert set(manifest.versions) == {"SinGAN", "python", "torch", "engine"}


def test_a_damaged_manifest_is_named(manifest: Manifest, tmp_path: Path) -> None:
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    for content in ("", "{}", "[]", "3", path.read_text()[:50], path.read_text().replace('"seed"', '"sed"')):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
            Manifest.read(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"no manifest\.json"):
        Manifest.read(tmp_path)


@pytest.mark.usefixtures("whole_plots")
def test_a_recorded_training_has_all_its_files(manifest: Manifest, pyramid: Trained, tmp_path: Path) -> None:
    record(tmp_path / "m", manifest, pyramid)
    top = ["NoiseAmp.pth", "Zs.pth", "losses.png", "manifest.json", "reals.pth"]
    scale = ["netG.pth", "netD.pth", "z_opt.pth", "hashes.json", "losses.csv", "losses.png"]
    scale += ["real_scale.png", "fake_sample.png", "G(z_opt).png"]
    places = [str(index) for index in range(len(pyramid))]
    assert everything(tmp_path / "m") == sorted(
        [*top, *places, *(f"{place}/{name}" for place in places for name in scale)]
    )
    found, loaded = load_model(tmp_path / "m", CPU)
    assert found == manifest
    assert len(loaded) == len(pyramid)


@pytest.mark.usefixtures("whole_plots")
def test_losses_and_snapshots(manifest: Manifest, pyramid: Trained, tmp_path: Path) -> None:
    record(tmp_path / "m", manifest, pyramid)
    with (tmp_path / "m" / "1" / "losses.csv").open() as file:
        rows = list(csv.reader(file))
    weights = ["weight of gradient_penalty", "weight of reconstruction"]
    assert rows[0] == ["iteration", *LOSSES, *weights]
    assert rows[1] == ["0", "0", "1", "20", "3", "4", "0.5", "6", "0.1", "10"]  # 2 / 0.1, 5 / 10
    assert len(rows) == 3
    real = images.read(tmp_path / "m" / "1" / "real_scale.png")
    assert torch.allclose(real, pyramid.scales[1].real, atol=1 / 255)
    rebuilt = images.read(tmp_path / "m" / "1" / "G(z_opt).png")
    below = pyramid.below(2)
    assert torch.allclose(rebuilt, below.generate(below.z_rec()).clamp(-1, 1), atol=1.01 / 255)


def test_an_interrupted_training_leaves_whole_scales(manifest: Manifest, pyramid: Trained, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "out" / "m", manifest, pyramid, scales=2)
    assert whole_scales(tmp_path / "out" / "m") == 2
    assert not (tmp_path / "out" / "m" / "2").exists()
    with pytest.raises(ValueError, match=r"incomplete, 2 of \d scales"):
        load_model(tmp_path / "out" / "m", CPU)
    assert training(tmp_path / "out" / "m", manifest).find() == ModelFolder(tmp_path / "out" / "m", manifest)


def test_an_unfinished_training_resumes_with_the_next_scale(
    manifest: Manifest, pyramid: Trained, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "m", manifest, pyramid, scales=2)
    before = (tmp_path / "m" / "1" / "netG.pth").read_bytes()
    asked = training(tmp_path / "m", replace(manifest, seed=99))
    trained = load_or_train(asked)
    assert asked.is_done()
    assert len(trained) == len(PLAN.sizes)
    assert (tmp_path / "m" / "1" / "netG.pth").read_bytes() == before
    assert Manifest.read(tmp_path / "m").seed == manifest.seed
    again = load_or_train(asked)
    assert torch.equal(again.generate(again.z_rec()), trained.generate(trained.z_rec()))


@pytest.mark.slow
def test_a_training_started_again_from_nothing_keeps_its_seed(manifest: Manifest, tmp_path: Path) -> None:
    def trained(seed: int, folder: Path) -> torch.Tensor:
        pyramid = load_or_train(training(folder, replace(manifest, seed=seed)))
        return pyramid.generate(pyramid.z_rec())

    whole = trained(manifest.seed, tmp_path / "whole")
    manifest_of_killed = tmp_path / "killed"
    manifest_of_killed.mkdir()
    manifest.write(manifest_of_killed)
    assert torch.equal(trained(99, manifest_of_killed), whole)


def test_a_model_trained_for_another_task_is_named(manifest: Manifest, pyramid: Trained, tmp_path: Path) -> None:
    record(tmp_path / "m", replace(manifest, task="animation", noise_border=True), pyramid)
    with pytest.raises(ValueError, match="trained for animation, not for train"):
        load_model(tmp_path / "m", CPU)
    with pytest.raises(ValueError, match="trained for animation, not for train"):
        training(tmp_path / "m", manifest).find()
    _, loaded = load_model(tmp_path / "m", CPU, ANIMATION)
    assert loaded.noise_border


def test_a_training_interrupted_in_its_first_scale_leaves_nothing(
    manifest: Manifest, pyramid: Trained, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "out" / "deep" / "m", manifest, pyramid, scales=0)
    assert not (tmp_path / "out").exists()


class DeafWatcher(Watchers):
    """Its terminal is gone."""

    def close(self) -> None:
        raise OSError(5, "Input/output error")


def test_a_watcher_that_fails_at_the_end_keeps_no_folder(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), recorder(tmp_path / "out" / "m", manifest, DeafWatcher(())):
        raise KeyboardInterrupt
    assert not (tmp_path / "out").exists()


def test_a_scale_that_could_not_be_written_whole_is_removed(
    manifest: Manifest, pyramid: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = images.write

    def full(path: Path, image: torch.Tensor) -> None:
        if path.parent.name == "1":
            raise OSError(28, "No space left on device", str(path))
        write(path, image)

    monkeypatch.setattr(images, "write", full)
    with pytest.raises(OSError, match="No space left"):
        record(tmp_path / "m", manifest, pyramid)
    assert whole_scales(tmp_path / "m") == 1
    assert not (tmp_path / "m" / "1").exists()


def test_an_older_model_stays_until_the_new_one_is_whole(manifest: Manifest, pyramid: Trained, tmp_path: Path) -> None:
    record(tmp_path / "m", manifest, pyramid)
    newer = replace(manifest, seed=6)
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "m", newer, pyramid, scales=2)
    assert Manifest.read(tmp_path / "m").seed == 5
    record(tmp_path / "m", newer, pyramid)
    assert Manifest.read(tmp_path / "m").seed == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


def test_the_same_training_is_recognised_and_another_one_named(
    manifest: Manifest, pyramid: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    assert not training(folder, manifest).is_done()
    record(folder, manifest, pyramid)
    assert training(folder, manifest, seed_matters=True).is_done()
    other_seed = replace(manifest, seed=9)
    assert training(folder, other_seed).is_done()
    with pytest.raises(ValueError, match="`seed` is 5, not 9"):
        training(folder, other_seed, seed_matters=True).is_done()
    with pytest.raises(ValueError, match=r"`niter` is 2, not 4; `alpha` is 10, not 1"):
        training(folder, replace(manifest, options={"niter": 4, "alpha": 1.0})).is_done()
    with pytest.raises(ValueError, match=rf"its picture is x\.png \({manifest.sha256[:8]}\), not y\.png \(00000000\)"):
        training(folder, replace(manifest, picture="y.png", sha256="0" * 64)).is_done()


def test_no_model_yet(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train it first"):
        load_model(tmp_path / "none", CPU)


def test_tensorboard_events(manifest: Manifest, pyramid: Trained, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with recorder(tmp_path / "m", manifest, TensorBoard(tmp_path / "m" / "tensorboard")) as keeper:
        for iteration in range(3):
            keeper.watch(0, iteration, losses(torch.arange(7.0) * iteration), lambda: STATE)
        keeper.keep(pyramid.below(1), 0)
    events = accumulator.EventAccumulator(str(tmp_path / "m" / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == [f"scale_0/{name}" for name in LOSSES]
    assert [event.value for event in events.Scalars("scale_0/D_fake")] == [0, 1, 2]
    assert len(events.Tags()["images"]) == 3


def test_missing_tensorboard_is_said(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        load_or_train(training(tmp_path / "m", manifest), tensorboard=True)
    assert not (tmp_path / "m").exists()


def test_samples_are_written_with_their_sheet(tmp_path: Path) -> None:
    write_samples(tmp_path / "s", [stripes(), -stripes()], stripes())
    assert everything(tmp_path / "s") == ["0.png", "1.png", "grid.png"]
    assert images.read(tmp_path / "s" / "grid.png").shape[3] > 32


def test_the_manifest_is_plain_json(manifest: Manifest, tmp_path: Path) -> None:
    manifest.write(tmp_path)
    values = json.loads((tmp_path / "manifest.json").read_text())
    assert values["options"] == {"niter": 2, "alpha": 10.0, **legacy_defaults()}
    assert values["seed"] == 5


@pytest.mark.usefixtures("whole_plots")
def test_a_plot_that_a_killed_process_has_not_written_is_written(
    manifest: Manifest, pyramid: Trained, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "m", manifest, pyramid, scales=1)
    plot = tmp_path / "m" / "0" / "losses.png"
    before = plot.read_bytes()
    plot.unlink()
    resumed = recorder(tmp_path / "m", manifest)
    resumed.work = tmp_path / "m"
    with resumed:
        assert plot.read_bytes() == before


def test_a_plot_that_fails_ends_the_training(
    manifest: Manifest, pyramid: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(folder: Path, columns: object, config: object) -> None:
        raise OSError(28, "No space left on device", str(folder / "losses.png"))

    monkeypatch.setattr("SinGAN.runs.recorder.plot_losses", failing)
    with pytest.raises(OSError, match="No space left"):
        record(tmp_path / "m", manifest, pyramid)
