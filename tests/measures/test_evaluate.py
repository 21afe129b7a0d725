"""The measures of a model: on known answers, by the script on a tiny model, and torch-fidelity's on sets."""

import importlib
import io
import json
import math
import os
import pickle
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SIFID import fidelity, sifid_score
from SIFID.evaluate import main
from SIFID.evaluation import round_like_files
from SIFID.inception import inception
from SinGAN import manipulate
from SinGAN.pictures import images
from SinGAN.pyramid import Pyramid, TrainedScale
from SinGAN.storage import pretrained as weights
from tests.measures.learned import accept, inception_weights, lpips_cache
from tests.measures.test_sifid import put
from tests.workspace import Capture, Workspace, refusal, stripes

REAL = stripes(48, 64)


def test_samples_are_those_of_their_files(pyramid: Pyramid[TrainedScale], tmp_path: Path) -> None:
    drawn = manipulate.sample(pyramid, torch.Generator().manual_seed(3), 1, 0)
    (sample,) = round_like_files(drawn, torch.device("cpu")).split(1)
    images.write(tmp_path / "0.png", sample)
    assert torch.equal(images.read(tmp_path / "0.png"), sample)


# the script on a model


@pytest.fixture(scope="module")
def stem_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the first layers, with random numbers."""
    torch.manual_seed(0)
    path: Path = tmp_path_factory.mktemp("weights") / "stem.pth"
    torch.save(inception(64).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    workspace.train()
    workspace.draw("grey.png", mode="L")
    workspace.train("--nc_im", "1", name="grey.png")
    workspace.draw("clear.png", mode="RGBA")
    workspace.train("--nc_im", "4", name="clear.png")
    return workspace


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, and nothing to be had from elsewhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))

    def refused(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)


def evaluate(workspace: Workspace, *more: str, name: str = "x.png") -> dict[str, Any]:
    main([*workspace.flags(name), "--not_cuda", "--num_samples", "4", "--manualSeed", "1", *more])
    folder = workspace.out / "Evaluation" / Path(name).stem
    report: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return report


def rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = report["start_scales"]
    return found


@pytest.mark.usefixtures("whole_plots")
def test_all_measures_of_all_start_scales(trained: Workspace, stem_file: Path, capsys: Capture) -> None:
    report = evaluate(trained, "--gen_start_scale", "all", "--weights", str(stem_file))
    found = rows(report)
    assert [row["start_scale"] for row in found] == list(range(len(found)))
    assert len(found) > 2
    for row in found:
        assert row["sifid_mean"] > 0
        assert 0 <= row["copy_score"] <= 1
        assert row["lpips"] is None
        assert row["diversity"] > 0
    folder = trained.out / "Evaluation" / "x"
    expected = {f"start_scale={k}_{kind}.png" for k in range(len(found)) for kind in ("samples", "deviation")}
    assert {file.name for file in folder.iterdir()} == {"evaluation.json", *expected}
    out = capsys.readouterr().out
    assert "reconstruction: PSNR" in out
    assert "LPIPS is left out" in out


def test_its_sifid_is_that_of_the_saved_samples(trained: Workspace, stem_file: Path, tmp_path: Path) -> None:
    found = rows(evaluate(trained, "--gen_start_scale", "1", "--weights", str(stem_file)))
    trained.sample("--gen_start_scale", "1", "--manualSeed", "1", "--num_samples", "4", "--overwrite")
    random_samples_folder = trained.out / "RandomSamples" / "x" / "gen_start_scale=1"
    real = images.to_tensor(images.to_levels(torch.load(trained.model() / "reals.pth")[-1]))
    images.write(tmp_path / "real.png", real)
    flags = ["--path2real", str(tmp_path / "real.png"), "--path2fake", str(random_samples_folder)]
    sifid_score.main([*flags, "--weights", str(stem_file), "--out", str(tmp_path / "out")])
    assert np.load(tmp_path / "out" / "SIFID.npy").mean() == pytest.approx(found[0]["sifid_mean"], rel=1e-3)


@pytest.mark.parametrize("name", ["grey.png", "clear.png"])
def test_grey_and_transparent_models(trained: Workspace, stem_file: Path, name: str) -> None:
    (row,) = rows(evaluate(trained, "--weights", str(stem_file), name=name))
    assert all(math.isfinite(row[measure]) for measure in ("sifid_mean", "diversity", "copy_score"))


def test_without_weights_the_rest_is_measured(trained: Workspace, capsys: Capture) -> None:
    (row,) = rows(evaluate(trained))
    assert row["sifid_mean"] is None
    assert row["diversity"] > 0
    assert "SIFID is left out: no weights" in capsys.readouterr().out


def test_near_copies_are_called_so(trained: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("SinGAN.patches.makers.Trained.sample", lambda maker, *more: [maker.pyramid.scales[-1].real])
    (row,) = rows(evaluate(trained))
    assert row["copy_score"] == 1
    assert row["diversity"] == 0
    assert "near-copies" in capsys.readouterr().out


def test_bad_questions_are_one_line(trained: Workspace, capsys: Capture, tmp_path: Path) -> None:
    before = trained.results()
    assert "nothing to measure" in refusal(capsys, lambda: main([]))
    assert "must be 0 to" in refusal(capsys, lambda: evaluate(trained, "--gen_start_scale", "9"))
    assert "too small for --dims 2048" in refusal(capsys, lambda: evaluate(trained, "--dims", "2048"))
    assert "no weights file" in refusal(capsys, lambda: evaluate(trained, "--weights", "nowhere.pth"))
    assert "no trained model" in refusal(capsys, lambda: evaluate(trained, name="y.png"))
    assert "no weights: https" in refusal(capsys, lambda: evaluate(trained, "--lpips"))
    assert trained.results() == before


# torch-fidelity


@pytest.mark.slow
def test_lpips_is_measured_where_its_weights_are(
    trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lpips_cache(tmp_path / "cache" / "hub" / "checkpoints", monkeypatch)
    (row,) = rows(evaluate(trained))
    assert row["lpips"] > 0
    assert fidelity.lpips_diversity(REAL.repeat(3, 1, 1, 1)) == 0
    with pytest.raises(ValueError, match="two of them"):
        fidelity.lpips_diversity(REAL)
    assert row["lpips_pairs"] > 0


@pytest.mark.slow
def test_lpips_over_all_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two kinds of samples, two and two, 4 of 6 pairs differ; to the next one 2 of 4 do."""
    lpips_cache(tmp_path / "cache" / "hub" / "checkpoints", monkeypatch)
    assert fidelity.PAIRED == 20
    monkeypatch.setattr(fidelity, "PAIRED", 4)
    other = REAL.flip(-1)
    single = fidelity.lpips_diversity(torch.cat([REAL, other]))
    kinds = torch.cat([REAL, REAL, other, other, other])  # beyond PAIRED none counts
    assert fidelity.lpips_pairs(kinds) == pytest.approx(single * 4 / 6, rel=1e-4)
    assert fidelity.lpips_diversity(kinds[:4]) == pytest.approx(single * 2 / 4, rel=1e-4)
    with pytest.raises(ValueError, match="two of them"):
        fidelity.lpips_pairs(REAL)


@pytest.fixture(scope="module")
def fidelity_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = inception_weights(tmp_path_factory.mktemp("fidelity") / "inception.pth")
    yield path
    path.unlink()  # 100 MB


def compare(real: Path, fake: Path, out: Path, *more: str) -> dict[str, Any]:
    main(["--path2real", str(real), "--path2fake", str(fake), "--out", str(out), "--not_cuda", *more])
    found: dict[str, Any] = json.loads((out / "Evaluation" / "metrics.json").read_text())
    return found


@pytest.mark.slow
def test_sets_are_measured_by_torch_fidelity(fidelity_file: Path, tmp_path: Path, capsys: Capture) -> None:
    real = put(tmp_path / "r", **{f"{n}_png": stripes(24 + n, 32).roll(3 * n, 3) for n in range(4)})
    fake = put(tmp_path / "f", **{f"{n}_jpg": -stripes(24, 32).roll(5 * n, 2) for n in range(3)})
    flags = ["--weights", str(fidelity_file), "--metrics"]
    same = compare(real, real, tmp_path / "out", *flags, "fid", "kid")
    other = compare(real, fake, tmp_path / "out", *flags, "isc", "fid", "kid")
    assert "fewer than 2048" in capsys.readouterr().out
    assert same["frechet_inception_distance"] < 1e-3 * other["frechet_inception_distance"]
    assert same["kernel_inception_distance_mean"] < other["kernel_inception_distance_mean"]
    assert "inception_score_mean" not in same
    assert other["inception_score_mean"] >= 1
    assert other["fake"] == [str(fake), 3]


def test_bad_sets_are_one_line(stem_file: Path, tmp_path: Path, capsys: Capture) -> None:
    real, fake = put(tmp_path / "r", a_png=REAL, b_png=REAL), put(tmp_path / "f", a_png=REAL)
    out = tmp_path / "out"
    assert "at least 2 pictures" in refusal(capsys, lambda: compare(real, fake, out))
    assert "can't be downloaded" in refusal(capsys, lambda: compare(real, real, out))
    assert "torch-fidelity's Inception" in refusal(
        capsys, lambda: compare(real, real, out, "--weights", str(stem_file))
    )
    assert "name both" in refusal(capsys, lambda: main(["--path2fake", str(fake)]))
    (tmp_path / "results").mkdir()
    put(tmp_path / "results" / "images", a_real_B_png=REAL, a_fake_B_png=REAL, b_fake_B_png=REAL, a_real_A_png=REAL)
    results = ["--results", str(tmp_path / "results"), "--not_cuda", "--out", str(out)]
    assert "at least 2 pictures" in refusal(capsys, lambda: main(results))  # one real one, two fakes
    assert "--results names both sets" in refusal(capsys, lambda: main([*results, "--path2real", str(real)]))
    assert "--results names both sets" in refusal(capsys, lambda: main([*results, "--images_suffix", "png"]))
    assert not out.exists()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importlib.import_module("sys").modules, "torch_fidelity.metrics", None)
    with pytest.raises(ValueError, match="pip install torch-fidelity"):
        fidelity.set_metrics([], [], ["fid"], None, torch.device("cpu"))


class Runs:
    """Pickled code: makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def two_formats(file: Path, mark: Path) -> None:
    """Write a file that torch reads as empty weights with ``weights_only``, and as pickled code, in a tar, without."""
    magic, protocol = 0x1950A86A20F9469CFC6C, 1001
    values: list[object] = [magic, protocol, {}, {}, []]
    head = b"".join(pickle.dumps(value, protocol=2) for value in values)
    body, buffer = pickle.dumps(Runs(mark), protocol=2), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo(head.decode("latin-1")), io.BytesIO())
        entry = tarfile.TarInfo("storages")
        entry.size = len(body)
        archive.addfile(entry, io.BytesIO(body))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(buffer.getvalue())


def test_weights_that_are_two_formats_run_no_code(tmp_path: Path, capsys: Capture) -> None:
    evil, mark, real = tmp_path / "evil.pth", tmp_path / "ran", put(tmp_path / "r", a_png=REAL, b_png=REAL)
    two_formats(evil, mark)
    assert weights.read(evil) == {}  # harmless to our reader
    with pytest.raises(Exception, match=r".*"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 and later warn of the archive
        torch.load(evil, weights_only=False)
    assert mark.exists()  # and not to another one
    mark.rmdir()
    line = refusal(capsys, lambda: compare(real, real, tmp_path / "out", "--weights", str(evil)))
    assert "torch-fidelity's Inception" in line
    assert not mark.exists()


def test_lpips_weights_that_are_two_formats_run_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    for url in fidelity.lpips_urls():
        two_formats(weights.cache_path(url), mark)
    with pytest.raises(ValueError, match="not the published file"):
        fidelity.lpips_diversity(REAL.repeat(2, 1, 1, 1))
    for url in fidelity.lpips_urls():
        accept(url, monkeypatch)
    before = os.environ.get("TORCH_HOME")
    with pytest.raises(RuntimeError, match="state_dict"):
        fidelity.lpips_diversity(REAL.repeat(2, 1, 1, 1))
    assert not mark.exists()
    assert os.environ.get("TORCH_HOME") == before
