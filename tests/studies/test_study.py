"""Studies: their combinations, their options from training to sampling, their tables and figures."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import study
from SinGAN.options.measures import STUDIES
from SinGAN.options.model import ModelOptions
from SinGAN.pictures import images
from SinGAN.planning import PyramidConfig, plan_scales
from SinGAN.saved_models.manifest import Manifest
from SinGAN.studies import command as studies
from SinGAN.studies.combinations import changed_options, shorten, varied_options
from SinGAN.terminal.flags import make_parser
from SinGAN.terminal.parse import parse
from tests.workspace import SMALL, Capture, Workspace, refusal


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(studies, "sifid_net", lambda dims, file: None)  # it would download
    return Workspace(tmp_path)


def run(workspace: Workspace, *more: str) -> None:
    study.main([*workspace.flags(), *SMALL, "--num_samples", "3", *more])


def results_of(workspace: Workspace) -> list[Path]:
    """The folders of tables and figures of all studies of x.png."""
    return sorted(place for place in (workspace.out / "Studies" / "x").iterdir() if place.name != "trainings")


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "table.csv").read_text().splitlines()))


@pytest.mark.slow
@pytest.mark.usefixtures("whole_plots")
def test_combinations_are_trained_once_measured_and_shown(workspace: Workspace, capsys: Capture) -> None:
    vary = ["--vary", "alpha=0,10", "--vary", "no_residual=False,True", "--jobs", "2", "--gen_start_scale", "1"]
    run(workspace, *vary, "--dry_run")
    out = capsys.readouterr().out
    assert "4 trainings, 4 of them not trained yet, about" in out
    assert not workspace.out.exists()
    run(workspace, *vary)
    (folder,) = results_of(workspace)
    assert folder.name.startswith("alpha=0,10+no_residual=False,True+nfc=4+min_nfc=4")
    trainings = folder.parent / "trainings"
    one = "nfc=4,min_nfc=4,no_residual=True,min_size=12,max_size=24,niter=2,alpha=0,seed=1"
    model = trainings / one / "TrainedModels" / "x" / "scale_factor=0.750000,alpha=0"
    assert Manifest.read(model).options["no_residual"] is True
    for name in ("samples", "losses", "variation", "scatter"):
        assert images.read(folder / f"{name}.png").shape[2] > 100
    rows = table(folder)
    assert [(row["alpha"], row["no_residual"]) for row in rows] == [
        ("0", "False"), ("0", "True"), ("10", "False"), ("10", "True"),
    ]  # fmt: skip
    assert all(float(row["SWD"]) > 0 and float(row["diversity"]) >= 0 for row in rows)
    assert (folder / "table.md").read_text().count("\n") == 6
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in trainings.rglob("*.pth")}
    assert before
    run(workspace, *vary)
    assert before == {path: path.stat().st_mtime_ns for path in trainings.rglob("*.pth")}
    assert "scale 0" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("whole_plots")
def test_seeds_are_trainings_of_their_own_and_a_failure_is_reported(workspace: Workspace, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        run(workspace, "--vary", "num_layer=5,9", "--seeds", "2", "--jobs", "2")
    assert stop.value.code == 1
    out = capsys.readouterr().out
    assert "smaller than the receptive field" in out
    assert "/TrainedModels/" not in out[out.rindex("training ") :]  # no wall of paths
    (folder,) = results_of(workspace)
    names = {path.name.rpartition(",")[2] for path in (folder.parent / "trainings").iterdir()}
    assert names == {"seed=1", "seed=2"}
    assert "±" in (folder / "table.md").read_text()
    assert [row["seed"] for row in table(folder)] == ["1", "2"]


@pytest.mark.slow
def test_a_later_larger_study_reuses_what_is_trained(workspace: Workspace, capsys: Capture) -> None:
    run(workspace, "--vary", "alpha=0,10")
    (first,) = results_of(workspace)
    before = {path: path.stat().st_mtime_ns for path in workspace.out.rglob("*") if path.is_file()}
    run(workspace, "--vary", "alpha=0,1,10", "--dry_run")
    assert "3 trainings, 1 of them not trained yet" in capsys.readouterr().out
    run(workspace, "--vary", "alpha=0,1,10")
    run(workspace, "--vary", "alpha=10", "--niter", "3")  # another setting: a folder, and a training, of its own
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    assert [[row["alpha"] for row in table(folder)] for folder in results_of(workspace) if folder != first] == [
        ["0", "1", "10"], ["10"],
    ]  # fmt: skip
    assert [row["alpha"] for row in table(first)] == ["0", "10"]
    workspace.draw("x.png", 24, 28)
    with pytest.raises(SystemExit):
        run(workspace, "--vary", "alpha=10", "--niter", "3")
    assert "holds another model: its picture is x.png" in capsys.readouterr().out


def test_equal_plans_are_trained_once_and_reported(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 48, 36)
    vary = ["--vary", "scale_factor=0.2,0.3,0.75", "--max_size", "48", "--niter", "1"]
    run(workspace, *vary, "--dry_run")
    out = capsys.readouterr().out
    assert "2 trainings, 2 of them not trained yet" in out
    assert "--scale_factor 0.2 and 0.3 give the picture the same 3 scales (factor 0.577): trained once" in out


@pytest.mark.slow
def test_equal_plans_are_one_row(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 48, 36)
    vary = ["--vary", "scale_factor=0.2,0.3,0.75", "--max_size", "48", "--niter", "1"]
    run(workspace, "--vary", "scale_factor=0.3", "--max_size", "48", "--niter", "1")
    capsys.readouterr()
    run(workspace, *vary)
    out = capsys.readouterr().out
    assert [(row["scale_factor"], row["scales"], row["factor"]) for row in table(results_of(workspace)[0])] == [
        ("0.2/0.3", "3", "0.57735"), ("0.75", "6", "0.802742"),
    ]  # fmt: skip
    assert "| 0.2/0.3 | 3 | 0.5774 |" in out
    assert len(list((workspace.out / "Studies" / "x" / "trainings").iterdir())) == 2  # that of 0.3 served


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (100, 100), (250, 188)])
def test_the_ready_scale_factors_give_different_numbers_of_scales(workspace: Workspace, size: tuple[int, int]) -> None:
    workspace.draw("x.png", *size)
    flags = [*workspace.flags(), "--not_cuda"]
    (asked,) = parse(make_parser("study"), flags).runs
    values = varied_options(asked, "scale_factor", ())["scale_factor"]
    plans = [plan_scales(*size, PyramidConfig(scale_factor=float(value))) for value in values]
    assert len({len(plan.sizes) for plan in plans}) == len(values) >= 3
    assert "0.75" in values


def test_a_ready_study_leaves_out_what_the_picture_does_not_allow(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 36, 48)
    flags = [*workspace.flags(), "--not_cuda", "--niter", "1", "--dry_run", "--min_size", "30"]
    study.main([*flags, "--study", "sketch", "--max_size", "48"])
    out = capsys.readouterr().out
    assert "--sketch_scales 3 is left out: --sketch_scales 3 is above 2" in out
    assert "3 trainings" in out
    line = refusal(capsys, lambda: study.main([*flags, "--vary", "sketch_scales=0,3"]))
    assert "--sketch_scales 3 is above" in line


def test_equal_plans_are_reported_once_for_all_seeds(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 48, 36)
    run(workspace, "--vary", "scale_factor=0.2,0.3", "--max_size", "48", "--seeds", "3", "--dry_run")
    out = capsys.readouterr().out
    assert "3 trainings" in out
    assert out.count("trained once") == 1


def test_patches_are_measured_of_a_picture_that_is_too_small_to_train_on(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 16, 20)
    study.main([*workspace.flags(), "--not_cuda", "--method", "patches", "--num_samples", "2"])
    assert "| patches |" in capsys.readouterr().out


def test_what_a_study_needs_is_checked_before_it_starts(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ["--vgg_weights", str(workspace.out / "none.pth")]
    line = refusal(capsys, lambda: run(workspace, "--study", "texture", *missing))
    assert "no weights file" in line
    assert "--vgg_weights" in line
    assert not workspace.out.exists()
    monkeypatch.setattr(studies, "sifid_net", lambda dims, file: torch.nn.Identity())
    line = refusal(capsys, lambda: run(workspace, "--vary", "alpha=1", "--dims", "768"))
    assert "too small for --dims 768" in line
    monkeypatch.undo()
    monkeypatch.setattr(studies, "sifid_net", lambda dims, file: None)
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=1000))
    for call in (lambda: run(workspace, "--vary", "alpha=1"), workspace.train):
        assert "has 1.0 KB free: free some, or name another --out" in refusal(capsys, call)
    assert not workspace.out.exists()


def test_long_and_odd_settings_have_short_names() -> None:
    assert shorten("alpha=1,seed=2") == "alpha=1,seed=2"
    long, other = (shorten(f"{'niter=1,' * 30}seed={seed}") for seed in (1, 2))
    assert len(long) < 100
    assert long != other
    assert "/" not in shorten("netG=a/b.pth,seed=1")
    assert changed_options(ModelOptions(alpha=0.5, niter=20).complete()) == {"niter": "20", "alpha": "0.5"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "nothing to study: name flags with --vary, or one of --study layers"),
        (["--vary", "alpha"], "must be a flag of the model and its values"),
        (["--vary", "out=a,b"], "must be a flag of the model and its values"),
        (["--vary", "alpha=1,-3"], "--alpha: must be at least 0, not -3"),
        (
            ["--vary", "gan_mode=wgan-gp,magic"],
            "--gan_mode: must be one of wgan-gp, wgan, vanilla, lsgan, hinge, not magic",
        ),
        (["--study", "everything"], "--study: invalid choice"),
        (["--vary", "alpha=False,1"], "must have values of --alpha, not False,1"),
        (["--vary", "no_residual=1"], "must have values of --no_residual, not 1"),
        (["--vary", "netD=patch,file.pth"], "must have values of patch, multiscale, sesame, not patch,file.pth"),
        (["--vary", "stochastic=noise,weights", "--dropout", "0.1"], "--dropout is for --stochastic dropout"),
        (["--vary", "alpha=1,1"], "names a value twice"),
        (["--vary", "alpha=1", "--vary", "alpha=2"], "name a flag twice: alpha, alpha"),
        (["--vary", "alpha=1,2", "--gen_start_scale", "9"], "--gen_start_scale"),
        (["--vary", "min_size=12,500"], "--min_size 500"),
    ],
)
def test_bad_studies_are_one_line(workspace: Workspace, capsys: Capture, flags: list[str], words: str) -> None:
    assert words in refusal(capsys, lambda: run(workspace, *flags))
    assert not workspace.out.exists()


@pytest.mark.slow
def test_every_ready_study_can_be_planned(workspace: Workspace, capsys: Capture) -> None:
    counts = {
        "layers": 3,
        "scale_factor": 4,
        "alpha": 5,
        "niter": 4,
        "residual": 2,
        "texture": 5,
        "sizes": 5,
        "gan_mode": 5,
        "critic": 3,
        "stochastic": 3,
        "sketch": 4,
        "z_rec": 2,
        "train_mode": 3,
    }
    workspace.draw("x.png", 60, 80)
    assert counts.keys() == STUDIES.keys()
    for name, count in counts.items():
        run(workspace, "--study", name, "--niter", "80", "--max_size", "80", "--dry_run")
        assert f"{count} trainings" in capsys.readouterr().out


def test_a_dry_run_needs_no_vgg(workspace: Workspace, capsys: Capture) -> None:
    run(workspace, "--vary", "alpha=0,10", "--texture_weight", "1", "--dry_run")
    assert "2 trainings" in capsys.readouterr().out


def test_the_niter_study_takes_parts_of_niter(workspace: Workspace) -> None:
    (asked,) = parse(make_parser("study"), [*workspace.flags(), "--not_cuda"]).runs
    assert varied_options(asked, "niter", ()) == {"niter": ["250", "500", "1000", "2000"]}


@pytest.mark.slow
@pytest.mark.usefixtures("whole_plots")
def test_the_sizes_study_varies_one_size_at_a_time(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 60, 80)
    run(workspace, "--study", "sizes", "--max_size", "80", "--min_size", "18", "--niter", "1", "--jobs", "2")
    (folder,) = results_of(workspace)
    assert [(row["min_size"], row["max_size"]) for row in table(folder)] == [
        ("12", "80"), ("18", "60"), ("18", "80"), ("25", "80"), ("35", "80"),
    ]  # fmt: skip
    assert (folder / "samples.png").exists()  # of pictures of several sizes
