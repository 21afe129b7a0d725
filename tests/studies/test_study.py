"""Studies: their combinations, their options from training to sampling, their tables and figures."""

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import editing
import study
from SinGAN.functions import rmse
from SinGAN.losses.train_config import TrainConfig
from SinGAN.models import Generator, NetConfig
from SinGAN.options.model import legacy_defaults
from SinGAN.pictures import images
from SinGAN.planning import plan_scales
from SinGAN.saved_models.manifest import Manifest
from SinGAN.studies import combinations
from SinGAN.studies import command as studies
from SinGAN.training import train
from tests.conftest import TINY, stripes
from tests.workspace import SMALL, Capture, Workspace, refusal


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(studies, "sifid_net", lambda dims, file: None)  # it would download
    return Workspace(tmp_path)


def run(workspace: Workspace, *more: str) -> None:
    study.main([*workspace.flags(), *SMALL, "--num_samples", "3", *more])


def test_a_generator_without_residual_makes_the_image_itself(rng: torch.Generator) -> None:
    plain, residual = (Generator(NetConfig(filters=4, min_filters=4, residual=value)) for value in (False, True))
    plain.load_state_dict(residual.state_dict())
    z, previous = (torch.randn(1, 3, 20, 24, generator=rng) for _ in range(2))
    torch.testing.assert_close(residual(z, previous) - plain(z, previous), previous[..., 5:-5, 5:-5])
    assert torch.equal(plain(z, previous), plain(z, previous + 1))


def test_neutral_options_leave_the_bits(workspace: Workspace) -> None:
    workspace.train()
    before = workspace.results()
    workspace.train("--overwrite", "--gan_mode", "wgan-gp", "--lambda_grad", "0.1")
    assert workspace.results() == before
    workspace.train("--overwrite", "--gan_mode", "hinge")
    assert workspace.results() != before


def test_no_residual_holds_in_every_later_use(
    workspace: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.train("--no_residual")
    assert Manifest.read(workspace.model()).options["no_residual"] is True
    made: list[bool] = []
    forward = Generator.forward

    def spy(net: Generator, *inputs: torch.Tensor) -> torch.Tensor:
        made.append(net.config.residual)
        image: torch.Tensor = forward(net, *inputs)
        return image

    monkeypatch.setattr(Generator, "forward", spy)
    workspace.sample("--gen_start_scale", "1")
    workspace.draw("edited.png", mode="L")
    mask = Image.new("L", (28, 20))
    mask.paste(255, (8, 6, 16, 12))
    mask.save(workspace.inputs / "edited_mask.png")
    flags = [*workspace.flags(), "--not_cuda", "--ref_dir", str(workspace.inputs), "--ref_name", "edited.png"]
    editing.main([*flags, "--editing_start_scale", "1"])
    assert made
    assert not any(made)
    line = refusal(capsys, lambda: workspace.train("--alpha", "10"))
    assert "--no_residual True there, False asked" in line


def test_a_model_of_before_these_options_is_kept(workspace: Workspace, capsys: Capture) -> None:
    workspace.train()
    options = json.loads((workspace.model() / "manifest.json").read_text())["options"]
    older = {name: value for name, value in options.items() if name not in legacy_defaults()}
    workspace.changed_manifest(options={**older, "netD": None})
    workspace.train()
    assert "already exist" in capsys.readouterr().out


@pytest.mark.usefixtures("whole_plots")
def test_combinations_are_trained_once_measured_and_shown(workspace: Workspace, capsys: Capture) -> None:
    vary = ["--vary", "alpha=0,10", "--vary", "no_residual=False,True", "--jobs", "2", "--gen_start_scale", "1"]
    run(workspace, *vary, "--dry_run")
    out = capsys.readouterr().out
    assert "4 trainings, 4 of them to be done, about" in out
    assert not workspace.out.exists()
    run(workspace, *vary)
    folder = workspace.out / "Studies" / "x" / "alpha_no_residual"
    model = folder / "alpha=0,no_residual=True,seed=1" / "TrainedModels" / "x" / "scale_factor=0.750000,alpha=0"
    assert Manifest.read(model).options["no_residual"] is True
    for name in ("samples", "losses", "variation", "scatter"):
        assert images.read(folder / f"{name}.png").shape[2] > 100
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    assert [(row["alpha"], row["no_residual"]) for row in rows] == [
        ("0", "False"), ("0", "True"), ("10", "False"), ("10", "True"),
    ]  # fmt: skip
    assert all(float(row["SWD"]) > 0 and float(row["diversity"]) >= 0 for row in rows)
    assert (folder / "table.md").read_text().count("\n") == 6
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.pth")}
    run(workspace, *vary)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.pth")}
    assert "scale 0" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("whole_plots")
def test_seeds_are_trainings_of_their_own_and_a_failure_is_told(workspace: Workspace, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        run(workspace, "--vary", "num_layer=5,9", "--seeds", "2", "--jobs", "2")
    assert stop.value.code == 1
    out = capsys.readouterr().out
    assert "smaller than the receptive field" in out
    folder = workspace.out / "Studies" / "x" / "num_layer"
    assert sorted(path.name for path in folder.glob("num_layer=5*")) == ["num_layer=5,seed=1", "num_layer=5,seed=2"]
    table = (folder / "table.md").read_text()
    assert "±" in table
    assert len((folder / "table.csv").read_text().splitlines()) == 3


@pytest.mark.slow
def test_another_seed_picture_or_option_is_another_training(workspace: Workspace, capsys: Capture) -> None:
    study_of = ["--vary", "no_residual=False", "--jobs", "2"]
    run(workspace, *study_of)
    folder = workspace.out / "Studies" / "x" / "no_residual"
    run(workspace, *study_of, "--manualSeed", "7")
    assert {row["seed"] for row in csv.DictReader((folder / "table.csv").read_text().splitlines())} == {"7"}
    assert Manifest.read(next(folder.glob("*seed=7/TrainedModels/x/*"))).seed == 7
    with pytest.raises(SystemExit) as stop:
        run(workspace, *study_of, "--manualSeed", "7", "--niter", "3")
    assert stop.value.code != 0
    assert "--overwrite" in capsys.readouterr().out
    run(workspace, *study_of, "--manualSeed", "7", "--niter", "3", "--overwrite")
    workspace.draw("x.png", 24, 28)
    with pytest.raises(SystemExit):
        run(workspace, *study_of, "--manualSeed", "7", "--niter", "3")
    assert "holds another model: picture x.png" in capsys.readouterr().out


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
    }
    workspace.draw("x.png", 60, 80)
    assert counts.keys() == combinations.STUDIES.keys()
    for name, count in counts.items():
        run(workspace, "--study", name, "--niter", "80", "--max_size", "80", "--dry_run")
        assert f"{count} trainings" in capsys.readouterr().out


def test_a_dry_run_needs_no_vgg(workspace: Workspace, capsys: Capture) -> None:
    run(workspace, "--vary", "alpha=0,10", "--texture_weight", "1", "--dry_run")
    assert "2 trainings" in capsys.readouterr().out


def test_the_niter_study_takes_parts_of_niter() -> None:
    assert combinations.variations("niter", [], 2000, 250) == {"niter": ["250", "500", "1000", "2000"]}


@pytest.mark.slow
@pytest.mark.usefixtures("whole_plots")
def test_the_sizes_study_varies_one_size_at_a_time(workspace: Workspace, capsys: Capture) -> None:
    workspace.draw("x.png", 60, 80)
    run(workspace, "--study", "sizes", "--max_size", "80", "--min_size", "18", "--niter", "1", "--jobs", "2")
    folder = workspace.out / "Studies" / "x" / "sizes"
    sizes = [(12, 80), (18, 60), (18, 80), (25, 80), (35, 80)]
    assert sorted(path.name for path in folder.glob("min*")) == sorted(
        f"min_size={low},max_size={high},seed=1" for low, high in sizes
    )
    assert (folder / "samples.png").exists()  # of pictures of several sizes


def test_a_training_without_residual_gives_the_picture_back_too(rng: torch.Generator) -> None:
    net = NetConfig(3, 4, 4, residual=False)
    *_, pyramid = train(stripes(), plan_scales(24, 32, TINY), net, TrainConfig(niter=30), rng)
    assert float(rmse(pyramid.generate(pyramid.z_rec()), pyramid.scales[-1].real)) < 0.5
