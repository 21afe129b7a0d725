"""Hostile manifests, links out of the folders, and data sets with odd files: one line, nothing written."""

import contextlib
import copy
import json
import math
import random
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import translate_study
import translate_test
import translate_train
from Pix2Pix.data.layouts import find_pairs, find_pictures
from Pix2Pix.runs.folder import Manifest
from Pix2Pix.runs.testing import Translator
from SinGAN.storage.hashes import digest
from tests.translation.tiny import TINY, data_set, draw, side_by_side
from tests.workspace import Capture, refusal

OPTIONS: dict[str, Any] = {
    "dropout": [float("nan"), 1.0, -0.5, "0.5"],
    "weight_noise": [1e308, float("inf"), -1.0],
    "load_size": [10**9, 1e9, 0],
    "crop_size": [100_000, 33, 64, True],  # too large, no multiple of 32, above load_size
    "preprocess": ["magic", None],
    "direction": ["sideways", 1],
    "phase": ["../../../x", "/x", "", ".."],
    "input_nc": [2, "3"],
    "netG": ["unet_3", "resnet_99999blocks"],
    "norm": ["layer"],
    "ngf": [0, 10**12, 4.5],
    "lr": [float("nan"), 0.0],
    "batch_size": [0],
    "unheard_of": [1],
}
FIELDS: dict[str, Any] = {
    "palette": [
        ["red"],
        ["#12345"],
        ["#gggggg"],
        ["#1e3c78<b>"],
        [5],
        [None],
        "#1e3c78",
        {"#1e3c78": 1},
        ["#1e3c78"] * 999,
    ],
    "seed": [-1, 2**63, True, 1.5],
    "kind": ["singan", 7],
    "options": [[], None, {}],
    "versions": [[], {"torch": 2}],
    "threads": ["4", 0],
    "one_pair": [1],
    "name": [None],
    "pairs": ["6", -1],
    "unheard_of": [1],
}
CASES = [
    *((f"options.{name}", value) for name, values in OPTIONS.items() for value in values),
    *((name, value) for name, values in FIELDS.items() for value in values),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set, and a model of it in ``out``."""
    home = tmp_path_factory.mktemp("trained")
    translate_train.main(["--dataroot", str(data_set(home / "squares")), "--out", str(home / "out"), *TINY])
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "home"))


def model(home: Path) -> Path:
    return home / "out" / "checkpoints" / "squares"


def tamper(place: Path, name: str, value: object) -> None:
    """Put ``value`` into the manifest in ``place``, with the checksum that it would have."""
    content = json.loads((place / "manifest.json").read_text())
    del content["checksum"]
    inner, key = (content["options"], name.partition(".")[2]) if name.startswith("options.") else (content, name)
    inner[key] = value
    (place / "manifest.json").write_text(json.dumps({**content, "checksum": digest(content)}))


def flags(home: Path, *more: str) -> list[str]:
    return ["--dataroot", str(home / "squares"), "--out", str(home / "out"), "--not_cuda", *more]


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={value!r:.20}" for name, value in CASES])
def test_a_manifest_that_was_tampered_with_is_refused(trained: Path, tmp_path: Path, name: str, value: object) -> None:
    shutil.copy(model(trained) / "manifest.json", tmp_path)
    tamper(tmp_path, name, value)
    with pytest.raises(ValueError, match=r"^\S*manifest.json is damaged or not a checkpoint \([^\n]+\)$"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, '{"name": "x"}', "\x00"])
def test_a_file_that_is_not_a_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest.json is damaged"):
        Manifest.read(tmp_path)


def test_a_manifest_is_read_as_it_was_written(trained: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(model(trained))
    assert manifest.palette == ["#1e3c78", "#dc1e1e"]
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    tamper(tmp_path, "options.lambda_L1", 3)  # whole numbers serve as floats
    assert Manifest.read(tmp_path).model_options.lambda_L1 == 3.0


def test_commands_refuse_a_hostile_manifest_before_they_take_memory(home: Path, capsys: Capture) -> None:
    tamper(model(home), "options.crop_size", 102_400)
    for main in (translate_test.main, translate_train.main):
        words = [*flags(home), *(TINY if main is translate_train.main else [])]
        line = refusal(capsys, partial(main, words))
        assert "manifest.json is damaged" in line
        assert "`crop_size`" in line or "--crop_size" in line
    assert not (home / "out" / "results").exists()
    with pytest.raises(ValueError, match="crop_size"):
        Translator.load(model(home), "latest", torch.device("cpu"), seed=0)


ANYTHING: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, -0.5, 1e308, -1e308, float("nan"), float("inf"), "", "1",
    "AtoB", "../../x", "/etc/passwd", "x" * 10_000, "\x1b[2J\u202e", "\ud800", "a\x00b", "=1+1", "<script>",
    "url(http://host/x)", [], [[]], [1], ["#000000"], {}, {"a": 1}, {"": None},
]  # fmt: skip
LARGEST = {
    "crop_size": 8192,
    "load_size": 32768,
    "ngf": 4096,
    "ndf": 4096,
    "n_layers_D": 8,
    "num_D": 8,
    "weight_noise": 100,
}


def hostile(content: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """``content``, of a manifest, with one to three fields changed, removed or added, and a new checksum."""
    del content["checksum"]
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        part = content["options"] if isinstance(content.get("options"), dict) and dice.random() < 0.7 else content
        name = dice.choice([*part, dice.choice(list(content)), "unheard_of"])
        if dice.random() < 0.1:
            part.pop(name, None)
        elif isinstance(part.get(name), list | str | int) and dice.random() < 0.2:
            part[name] = [part[name], dice.choice(ANYTHING)]
        else:
            part[name] = (
                dice.choice(ANYTHING) if dice.random() < 0.8 else dice.uniform(-1, 1) * 10 ** dice.randrange(40)
            )
    return {**content, "checksum": digest(content)}


def is_harmless(manifest: Manifest) -> bool:
    """Whether ``manifest`` holds only values that a training can have, by a list of this test's own."""
    options = manifest.model_options
    numbers = [value for value in vars(options).values() if isinstance(value, int | float)]
    texts = [value for value in vars(options).values() if isinstance(value, str)]
    return (
        all(map(math.isfinite, numbers))
        and all((getattr(options, name) or 0) <= most for name, most in LARGEST.items())
        and min(options.crop_size, options.load_size, options.ngf, options.ndf, options.batch_size) >= 1
        and 0 <= (options.dropout or 0) < 1
        and not any(re.search(r"\.\.|^/|\\|[\x00-\x1f\ud800-\udfff]", text) for text in texts)
        and len(manifest.palette) <= 256
        and all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in manifest.palette)
        and 0 <= manifest.seed < 2**63
        and manifest.kind == "pix2pix"
    )


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_generated_manifests_are_refused_or_harmless(trained: Path, tmp_path: Path, count: int) -> None:
    whole, accepted = json.loads((model(trained) / "manifest.json").read_text()), 0
    (tmp_path / "latest_net_G.pth").write_bytes((model(trained) / "latest_net_G.pth").read_bytes())
    for number in range(count):
        content = hostile(copy.deepcopy(whole), random.Random(number))
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        line = ""
        try:
            manifest = Manifest.read(tmp_path)
        except ValueError as error:
            line = str(error)
        if line:
            assert re.fullmatch(r"\S*manifest.json is damaged or not a checkpoint \(.{1,300}\)", line), number
        else:
            accepted += 1
            assert is_harmless(manifest), (number, manifest)
        with pytest.raises(ValueError, match=r"manifest.json is damaged") if line else contextlib.suppress(ValueError):
            Translator.load(tmp_path, "latest", torch.device("cpu"), seed=0)  # else the weights may be of another net
    print(f"{count} hostile manifests, {accepted} of them harmless")
    assert 0 < accepted < count / 2


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def link(place: Path, target: Path) -> None:
    """Put a link to ``target``, a new folder with a file, in ``place``."""
    target.mkdir(parents=True)
    (target / "precious.txt").write_text("keep")
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize(
    ("place", "main", "more"),
    [
        ("checkpoints/squares", translate_train.main, TINY),
        ("checkpoints/squares/web", translate_train.main, [*TINY, "--overwrite"]),
        ("checkpoints/.squares.new", translate_train.main, [*TINY, "--overwrite"]),
        ("results", translate_test.main, []),
        ("results/squares", translate_test.main, []),
        ("results/squares/test_latest", translate_test.main, []),
        ("studies/squares/ngf=4", translate_study.main, [*TINY, "--vary", "ngf=4"]),
        ("studies/squares/ngf=4/trainings", translate_study.main, [*TINY, "--vary", "ngf=4"]),
    ],
)
def test_links_out_of_the_folders_are_not_followed(
    home: Path, capsys: Capture, place: str, main: Callable[[list[str]], None], more: list[str]
) -> None:
    link(home / "out" / place, home / "elsewhere")
    line = refusal(capsys, lambda: main([*flags(home), *more]))
    assert "leads out of" in line
    assert contents(home / "elsewhere") == {"precious.txt": b"keep"}


def test_the_output_folder_may_be_a_link(home: Path) -> None:
    (home / "out").rename(home / "disk")
    (home / "out").symlink_to(home / "disk")
    translate_test.main(flags(home))
    assert (home / "disk" / "results" / "squares" / "test_latest" / "index.html").exists()


@pytest.mark.parametrize("phase", ["../../../x", "/x", "..", ".hidden", "test/../../x", "a\\b"])
def test_a_phase_can_t_leave_the_folder_of_results(home: Path, capsys: Capture, phase: str) -> None:
    side_by_side(home / "x", 1)
    before = contents(home)
    line = refusal(capsys, lambda: translate_test.main(flags(home, "--phase", phase)))
    assert "--phase: must be the name of a folder in the data set" in line
    assert contents(home) == before


def test_sizes_of_a_side_are_limited(home: Path, capsys: Capture) -> None:
    line = refusal(capsys, lambda: translate_train.main(flags(home, "--crop_size", "100000")))
    assert "--crop_size: must be at least 1 and at most 8192, not 100000" in line


def pair(path: Path, height: int, width: int) -> None:
    Image.fromarray(np.zeros((height, 2 * width, 3), np.uint8)).save(path)


def test_batches_of_several_sizes_need_whole_rounds(home: Path, capsys: Capture) -> None:
    data = side_by_side(home / "sizes" / "train", 2)
    pair(data / "wide.png", 40, 90)
    for preprocess, sizes in (("none", "32 x 32 pixels, {} 96 x 32"), ("scale_width", "32 x 32 pixels, {} 32 x 64")):
        if preprocess == "scale_width":
            pair(data / "wide.png", 90, 45)
        more = ["--dataroot", str(data.parent), "--out", str(home / "made"), *TINY, "--preprocess", preprocess]
        more += ["--batch_size", "2"]
        line = refusal(capsys, partial(translate_train.main, [*more, "--epoch_size", "4"]))
        assert f"{data / '0.png'} becomes {sizes.format(data / 'wide.png')}" in line
        assert "--epoch_size must be a multiple of the number of pairs, 3" in line
    assert not (home / "made").exists()
    translate_train.main([*more, "--epoch_size", "6"])
    assert (home / "made" / "checkpoints" / "sizes" / "latest_net_G.pth").exists()


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    data = side_by_side(tmp_path / "train", 2)
    for name in ("._0.png", ".hidden.png", "Thumbs.db", ".DS_Store", ".cache/0.png", "notes.txt"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes(b"\x00\x05\x16\x07")
    assert [file.name for file in find_pairs(tmp_path, "train")] == ["0", "1"]
    assert [path.name for path in find_pictures(data)] == ["0.png", "1.png"]


@pytest.mark.parametrize("content", ["no picture", "cut off"])
def test_a_picture_that_can_t_be_read_is_named(home: Path, capsys: Capture, content: str) -> None:
    for phase, name in (("train", "3.png"), ("test", "11.png")):
        path = home / "squares" / phase / name
        path.write_bytes(b"no picture" if content == "no picture" else path.read_bytes()[:-300])
    before = contents(home / "out")
    line = refusal(capsys, lambda: translate_train.main(flags(home, *TINY, "--name", "other")))
    assert f"{home / 'squares' / 'train' / '3.png'} can't be read as a picture" in line
    line = refusal(capsys, lambda: translate_test.main(flags(home)))
    assert f"{home / 'squares' / 'test' / '11.png'} can't be read as a picture" in line
    single = ["--single", str(home / "squares" / "test"), "--name", "squares", "--out", str(home / "out"), "--not_cuda"]
    assert "11.png can't be read as a picture" in refusal(capsys, lambda: translate_test.main(single))
    assert contents(home / "out") == before
    translate_train.main(flags(home, *TINY, "--name", "other", "--skip_unreadable"))
    out = capsys.readouterr().out
    assert f"left out: {home / 'squares' / 'train' / '3.png'} can't be read as a picture" in out
    assert "5 pairs: 3 epochs" in out
    (home / "squares" / "train" / "3.png").unlink()
    translate_train.main(flags(home, *TINY, "--name", "without"))
    nets = [(home / "out" / "checkpoints" / name / "latest_net_G.pth") for name in ("other", "without")]
    assert contents_of_net(nets[0]) == contents_of_net(nets[1])


def contents_of_net(path: Path) -> dict[str, bytes]:
    """The bytes of each tensor in ``path``."""
    state = torch.load(path, weights_only=True)
    return {name: value.numpy().tobytes() for name, value in state.items()}


def test_a_data_set_that_can_t_be_read_at_all(home: Path, capsys: Capture) -> None:
    for path in (home / "squares" / "train").iterdir():
        path.write_bytes(b"no picture")
    line = refusal(capsys, lambda: translate_train.main(flags(home, *TINY, "--name", "other", "--skip_unreadable")))
    assert "none of the 6 pairs can be read" in line
    assert not (home / "out" / "checkpoints" / "other").exists()


def test_flags_that_contradict_the_model_are_reported(home: Path, capsys: Capture) -> None:
    before = contents(home / "out")
    for more, words in (
        (["--direction", "BtoA"], "was trained with --direction AtoB, not BtoA: leave --direction out"),
        (["--no_dropout"], "was trained with dropout: leave --no_dropout out; --eval switches it off"),
        (["--netG", "unet_64"], "it is unet_32, not unet_64"),
    ):
        assert words in refusal(capsys, partial(translate_test.main, [*flags(home), *more]))
    assert contents(home / "out") == before
    translate_test.main([*flags(home), "--direction", "AtoB"])


def test_the_test_speaks_of_the_batches_that_there_were(home: Path, capsys: Capture) -> None:
    photo = [str(home / "squares" / "train" / "0.png")]
    one = ["--dataroot", *photo, "--out", str(home / "one"), *TINY, "--batch_size", "4"]
    for size, words in (("1", ""), ("2", "with batches of 2"), ("8", "with batches of 4")):
        translate_train.main([*one, "--epoch_size", size, "--name", f"of_{size}"])
        capsys.readouterr()
        translate_test.main(flags(home, "--name", f"of_{size}", "--checkpoints_dir", str(home / "one" / "checkpoints")))
        out = capsys.readouterr().out
        assert words in out
        assert bool(words) == ("was trained with batches" in out)


def test_a_drawing_begins_with_the_first_colour(trained: Path) -> None:
    translator = Translator.load(model(trained), "latest", torch.device("cpu"), seed=0)
    assert translator.blank().shape == draw(0, 32)[0].shape
    assert np.array_equal(np.unique(translator.blank().reshape(-1, 3), axis=0), [[0x1E, 0x3C, 0x78]])
