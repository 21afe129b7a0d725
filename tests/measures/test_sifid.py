"""SIFID: the distance on known answers, the network against torchvision's own, pairing, the script."""

import csv
import hashlib
import importlib
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy.linalg import sqrtm
from torch import Tensor
from torchvision.models import inception_v3

from SIFID import fidelity
from SIFID.frechet import Moments, frechet_distance, moments
from SIFID.inception import LAYERS, SMALLEST, features, inception, moments_of, trained_inception
from SIFID.pairs import pairs, pictures
from SIFID.sifid_score import main
from SinGAN.pictures import images
from SinGAN.storage import pretrained as weights
from tests.workspace import Capture, refusal, stripes


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# the distance


def test_equal_covariances_leave_the_distance_of_the_means() -> None:
    one = moments(cloud(50, 4))
    assert frechet_distance(one, moments(cloud(50, 4) + torch.tensor([3, 0, 4, 0]))) == pytest.approx(25)


def test_one_dimension_is_the_distance_of_normal_distributions() -> None:
    one, other = Moments(torch.zeros(1), torch.tensor([[4.0]])), Moments(torch.ones(1), torch.tensor([[9.0]]))
    assert frechet_distance(one, other) == pytest.approx(1 + (2 - 3) ** 2)


def test_full_covariances_agree_with_the_matrix_square_root() -> None:
    one, other = cloud(90, 6) @ cloud(6, 6, seed=1), cloud(80, 6, seed=2) + 0.3
    c1, c2 = np.cov(one.numpy(), rowvar=False), np.cov(other.numpy(), rowvar=False)
    means = one.mean(0).numpy() - other.mean(0).numpy()
    expected = means @ means + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert frechet_distance(moments(one), moments(other)) == pytest.approx(expected, rel=1e-10)


def test_a_cloud_against_itself_is_at_zero_even_if_flat() -> None:
    for seen in (cloud(50, 8), cloud(5, 8), cloud(1, 8), torch.zeros(30, 8), cloud(50, 1)):
        assert frechet_distance(moments(seen), moments(seen)) == pytest.approx(0, abs=1e-12)


def test_singular_covariances_need_no_offset() -> None:
    thin, other = cloud(4, 8), cloud(3, 8, seed=1)
    distance = frechet_distance(moments(thin), moments(other))
    assert distance == pytest.approx(frechet_distance(moments(other), moments(thin)))
    single = frechet_distance(moments(thin[:1]), moments(other[:1]))
    assert single == pytest.approx(float((thin[0] - other[0]).square().sum()))
    assert math.isfinite(distance)
    with pytest.raises(ValueError, match="at least one feature vector"):
        moments(cloud(0, 8))


# the network


@pytest.fixture(scope="module")
def whole() -> torch.nn.Module:
    """The network of torchvision, with random weights."""
    torch.manual_seed(0)
    net: torch.nn.Module = inception_v3(weights=None, init_weights=False, transform_input=False)
    net.eval()
    for value in net.state_dict().values():
        if value.ndim == 1 and value.is_floating_point():
            value.copy_(0.5 + torch.rand(value.shape))  # running means and variances that matter
    return net


@pytest.mark.parametrize("dims", LAYERS)
def test_the_net_is_the_first_part_of_torchvisions(dims: int, whole: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    net = trained_inception(dims, tmp_path / "w.pth")
    assert {name: value.shape for name, value in net.state_dict().items()}.items() <= {
        name: value.shape for name, value in whole.state_dict().items()
    }.items()
    seen: list[Tensor] = []
    hook = getattr(whole, LAYERS[dims][-1]).register_forward_hook(lambda *call: seen.append(call[2]))
    image = stripes(80, 90)
    with torch.no_grad():
        whole(image)
    hook.remove()
    expected = seen[0].flatten(2).transpose(1, 2)
    assert expected.shape[2] == dims
    torch.testing.assert_close(features(net, image), expected)


@pytest.mark.parametrize("dims", LAYERS)
def test_the_smallest_picture_has_one_location(dims: int) -> None:
    size = SMALLEST[dims]
    assert features(inception(dims), torch.zeros(1, 3, size, size)).shape == (1, 1, dims)
    with pytest.raises(RuntimeError):
        features(inception(dims), torch.zeros(1, 3, size, size - 1))


def test_batches_change_nothing() -> None:
    net = inception()
    shown = [stripes(20, 30), -stripes(20, 30), stripes(25, 30)]
    for image, found in zip(shown, moments_of(net, shown), strict=True):
        alone = moments(features(net, image)[0])
        torch.testing.assert_close(found.mean, alone.mean)
        torch.testing.assert_close(found.covariance, alone.covariance)


def served(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, digest: str | None = None) -> str:
    """The address of a file with ``content``, its hash in its name; torch's cache is in ``folder``."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "cache"))
    name = f"w-{digest or hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    return (folder / name).as_uri()


def test_a_download_is_kept_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = served(tmp_path, monkeypatch, b"weights")
    file = weights.fetch(url)
    assert file.read_bytes() == b"weights"
    (tmp_path / file.name).unlink()
    assert weights.fetch(url) == file  # the second time from the cache
    file.write_bytes(b"weighty")
    with pytest.raises(ValueError, match=r"w-\w+\.pth is damaged or not the published file .*: remove it"):
        weights.fetch(url)
    monkeypatch.setitem(weights.SHA256, file.name, hashlib.sha256(b"weighty").hexdigest())  # all digits are compared
    assert weights.fetch(url) == file
    monkeypatch.setitem(weights.SHA256, file.name, hashlib.sha256(b"weighty").hexdigest()[:-1] + "x")
    with pytest.raises(ValueError, match="not the published file"):
        weights.fetch(url)


def test_the_whole_hash_of_every_download_is_known() -> None:
    models = importlib.import_module("torchvision.models")
    urls = [entry.IMAGENET1K_V1.url for entry in (models.VGG19_Weights, models.VGG16_Weights)]
    urls += [models.Inception_V3_Weights.IMAGENET1K_V1.url, *fidelity.lpips_urls()]
    urls.append(importlib.import_module("torch_fidelity.feature_extractor_inceptionv3").URL_INCEPTION_V3)
    for name in (url.rpartition("/")[2] for url in urls):
        digits, start = weights.SHA256[name], weights.HASH.search(name)
        assert re.fullmatch("[0-9a-f]{64}", digits)
        assert start is None or digits.startswith(start.group(1))
    with pytest.raises(ValueError, match="SHA-256 is unknown"):
        weights.fetch("https://host/weights.pth")


@pytest.mark.parametrize("broken", ["hash", "gone"])
def test_a_download_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    url = served(tmp_path, monkeypatch, b"weights", "0123abcd")
    if broken == "gone":
        (tmp_path / "w-0123abcd.pth").unlink()
    with pytest.raises(FileNotFoundError, match="put it at"):
        weights.fetch(url)
    assert not (tmp_path / "cache").exists()


# pairs


def put(folder: Path, **pictures: Tensor) -> Path:
    """A folder of ``pictures``; names end in their format."""
    folder.mkdir(exist_ok=True)
    for name, image in pictures.items():
        stem, _, suffix = name.rpartition("_")
        Image.fromarray(images.to_levels(image)).save(folder / f"{stem}.{suffix}")
    return folder


def test_pairs_go_by_stem_in_the_order_of_numbers(tmp_path: Path) -> None:
    real = put(tmp_path / "r", **{f"{n}_png": stripes() for n in (10, 9, 2)}, a_png=stripes())
    fake = put(tmp_path / "f", **{f"{n}_jpg": stripes() for n in (2, 9, 10)}, a_bmp=stripes())
    found = [(one.name, other.name) for one, other in pairs(real, fake)]
    assert found == [("2.png", "2.jpg"), ("9.png", "9.jpg"), ("10.png", "10.jpg"), ("a.png", "a.bmp")]


def test_the_contact_sheet_and_other_files_do_not_count(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", **{"0_png": stripes(), "1_png": stripes(), "grid_png": stripes()})
    (folder / "notes.txt").write_text("no picture")
    assert [file.name for file in pictures(folder)] == ["0.png", "1.png"]
    (folder / "._1.png").write_bytes(b"")
    assert [file.name for file in pictures(folder, "1.PNG")] == ["1.png"]
    (folder / "0.png").unlink()
    assert [file.name for file in pictures(folder)] == ["1.png", "grid.png"]  # then it is just a picture's name


def test_previews_count_and_not_the_data_beside_them(tmp_path: Path) -> None:
    for name in ("0.png", "1.png", "grid.png", "grid_labels.png"):
        (tmp_path / name).touch()
    for name in ("0.tif", "2.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((5, 8, 9), np.float32), photometric="minisblack")
    assert [file.name for file in pictures(tmp_path)] == ["0.png", "1.png", "2.tif"]


def test_what_has_no_partner_is_named(tmp_path: Path) -> None:
    real = put(tmp_path / "r", a_png=stripes(), b_png=stripes())
    fake = put(tmp_path / "f", a_png=stripes(), c_png=stripes(), d_png=stripes())
    with pytest.raises(ValueError, match=r"b only in .*r; c, d only in .*f"):
        pairs(real, fake)
    with pytest.raises(ValueError, match="same name but for the extension"):
        pairs(real, put(tmp_path / "f", a_jpg=stripes()))


# the script


@pytest.fixture
def measured(tmp_path: Path, stem_file: Path) -> Callable[..., np.ndarray]:
    """Runs the script with the golden weights, and gives what it leaves."""

    def run(real: Path, fake: Path, *more: str) -> np.ndarray:
        flags = ["--path2real", str(real), "--path2fake", str(fake), "--weights", str(stem_file)]
        main([*flags, "--out", str(tmp_path / "out"), *more])
        return np.asarray(np.load(tmp_path / "out" / "SIFID.npy"))

    return run


Measured = Callable[..., np.ndarray]


def test_a_row_for_each_pair(measured: Measured, tmp_path: Path, capsys: Capture) -> None:
    real = put(tmp_path / "r", a_png=stripes(40, 50), b_png=stripes(30, 30))
    fake = put(tmp_path / "f", b_png=-stripes(30, 40), a_png=-stripes(40, 50))
    found = measured(real, fake)
    with (tmp_path / "out" / "SIFID.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(Path(row["real"]).name, Path(row["fake"]).name) for row in rows] == [("a.png",) * 2, ("b.png",) * 2]
    assert [float(row["sifid"]) for row in rows] == list(found)
    assert f"SIFID: {found.mean():.6g}, standard deviation {found.std():.6g}, of 2 pairs" in capsys.readouterr().out


def test_one_real_picture_is_compared_with_all(measured: Measured, tmp_path: Path) -> None:
    real = put(tmp_path / "r", x_png=stripes(40, 50))
    fake = put(tmp_path / "f", **{"0_png": stripes(40, 50), "1_png": -stripes(40, 50), "2_png": -stripes(30, 50)})
    many = measured(real / "x.png", fake)
    alone = [measured(real / "x.png", fake / f"{n}.png")[0] for n in range(3)]
    assert many == pytest.approx(alone, rel=1e-6, abs=1e-9)
    assert many[0] == pytest.approx(0, abs=1e-9)
    assert many[1] > 1e-3


def test_the_kind_of_file_does_not_matter(measured: Measured, tmp_path: Path) -> None:
    shown = images.to_tensor(images.to_levels(-stripes(40, 50)))
    real = put(tmp_path / "r", x_png=stripes(40, 50))
    put(tmp_path / "f", x_png=shown, y_bmp=shown, z_jpg=shown)
    decoded = images.read(tmp_path / "f" / "z.jpg")  # what is left of it in a JPEG, as PNG
    fake = put(tmp_path / "f", w_png=decoded)
    w, x, y, z = measured(real / "x.png", fake)
    assert (w, x) == pytest.approx((z, y), rel=1e-6)


def test_constant_and_tiny_pictures_have_a_distance(measured: Measured, tmp_path: Path) -> None:
    flat = torch.zeros(1, 3, 7, 7)
    real = put(tmp_path / "r", x_png=flat)
    found = measured(real / "x.png", put(tmp_path / "f", a_png=flat, b_png=flat + 0.5, c_png=stripes(7, 30)))
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert (found[1:] > 0).all()


def test_bad_input_is_one_line_and_leaves_nothing(measured: Measured, tmp_path: Path, capsys: Capture) -> None:
    real, fake = put(tmp_path / "r", x_png=stripes()), put(tmp_path / "f", x_png=stripes())
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "x.png").write_bytes((real / "x.png").read_bytes()[:200])
    empty = tmp_path / "empty"
    empty.mkdir()
    small = put(tmp_path / "small", x_png=torch.zeros(1, 3, 6, 30))
    assert "x.png can't be read" in refusal(capsys, lambda: measured(real, damaged))
    assert "holds no picture" in refusal(capsys, lambda: measured(real, empty))
    assert "no folder or picture" in refusal(capsys, lambda: measured(real, tmp_path / "nowhere"))
    assert "--images_suffix" in refusal(capsys, lambda: measured(real, fake, "--images_suffix", "jpg"))
    assert "6 x 30 is too small for --dims 64" in refusal(capsys, lambda: measured(real, small))
    assert "lacks Conv2d_3b_1x1.conv.weight" in refusal(capsys, lambda: measured(real, fake, "--dims", "192"))
    assert "no weights file" in refusal(capsys, lambda: measured(real, fake, "--weights", "nowhere.pth"))
    assert "CUDA devices" in refusal(capsys, lambda: measured(real, fake, "--gpu", "99"))
    assert "must be cpu, cuda" in refusal(capsys, lambda: measured(real, fake, "-c", "first"))
    assert not (tmp_path / "out").exists()


def test_wrong_weights_are_named_with_their_shapes(measured: Measured, tmp_path: Path, capsys: Capture) -> None:
    real = put(tmp_path / "r", x_png=stripes())
    name = "Conv2d_2a_3x3.conv.weight"
    torch.save({**inception().state_dict(), name: torch.zeros(3, 4)}, tmp_path / "other.pth")
    line = refusal(capsys, lambda: measured(real, real, "--weights", str(tmp_path / "other.pth")))
    assert f"{name} has the shape (3, 4), not (32, 32, 3, 3)" in line
    for damaged in ("damaged.npz", "damaged.pth"):
        (tmp_path / damaged).write_bytes(b"no weights")
        flags = "--weights", str(tmp_path / damaged)
        assert "damaged" in refusal(capsys, partial(measured, real, real, *flags))
