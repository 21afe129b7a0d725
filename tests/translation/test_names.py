"""Names of pictures that are unusual: no two share a result, and pages show them as names."""

import html
import io
import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

import translate_test
import translate_train
from Pix2Pix.runs.folder import write_page
from Pix2Pix.runs.testing import result_names
from tests.translation.tiny import TINY, draw
from tests.workspace import Capture, refusal

NAMES = [
    b"a#b?c%20d &e\"f'<b>x",
    b"![x](http:",
    "é山\u202e".encode(),
    b"\xff\xfeno UTF-8",
    b"\x1b[31mred",
    b"two\nlines",
    b"sub/b",
    b"sub_b",
    b"other/sub/b",
    b"x" * 200 + b"/" + b"y" * 200,
]
IMAGE = re.compile(r'<img src="([^"]*)"')


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for phase in ("train", "test"):
        for index, name in enumerate(NAMES):
            content = io.BytesIO()
            Image.fromarray(np.concatenate(draw(2 * index), axis=1)).save(content, "PNG")
            path = root / phase / os.fsdecode(name + b".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.getvalue())
    return root


def test_every_picture_has_its_own_results_and_stands_on_the_page(data: Path, tmp_path: Path, capsys: Capture) -> None:
    flags = ["--dataroot", str(data), "--out", str(tmp_path / "out")]
    translate_train.main([*flags, *TINY])
    translate_test.main([*flags, "--not_cuda", "--num_samples", "2"])
    folder = tmp_path / "out" / "results" / "pictures" / "test_latest"
    pictures = {os.fsencode(path.relative_to(folder)) for path in (folder / "images").iterdir()}
    assert len(pictures) == len(NAMES) * 4
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert {unquote_to_bytes(html.unescape(link)) for link in IMAGE.findall(page)} == pictures
    assert "<b>" not in page
    assert "default-src 'none'" in page
    real = {path.read_bytes() for path in (folder / "images").glob("*_real_A.png")}
    assert len(real) == len(NAMES)
    assert "\x1b" not in capsys.readouterr().out


def test_names_of_results_are_those_of_the_files_unless_they_collide() -> None:
    assert result_names(["a", "b/c", "d_e"]) == ["a", "b_c", "d_e"]
    assert result_names([]) == []
    first, second, third, plain = result_names(["a/b_c", "a_b/c", "a/b/c", "a_b_c"])
    assert plain == "a_b_c"
    assert len({first, second, third, plain}) == 4
    assert all(re.fullmatch("a_b_c~[0-9a-f]{12}", name) for name in (first, second, third))
    assert result_names(["a_b_c", "a/b_c"]) == ["a_b_c", first]
    (long,) = result_names(["é" * 100 + "/" + "é" * 100])
    assert len(f"{long}_fake_B_999999.png".encode()) <= 255
    with pytest.raises(ValueError, match=r"the results of a/b_c and a_b_c~\w+ would have the same name"):
        result_names(["a_b_c", "a/b_c", first])


def test_a_page_escapes_its_title(tmp_path: Path) -> None:
    write_page(tmp_path, "</title><script>x</script>", [("</h2><script>", ["fake_B"])])
    page = (tmp_path / "index.html").read_text()
    assert "<script" not in page
    assert page.count("<img") == 1


def test_a_phase_must_be_utf_8(data: Path, tmp_path: Path, capsys: Capture) -> None:
    flags = ["--dataroot", str(data), "--out", str(tmp_path / "out"), "--phase", os.fsdecode(b"p\xff")]
    line = refusal(capsys, lambda: translate_train.main([*flags, *TINY]))
    assert "the name of a folder in the data set, not p\\udcff" in line
    assert not (tmp_path / "out").exists()


def test_a_folder_of_inputs_may_have_any_name(data: Path, tmp_path: Path) -> None:
    flags = ["--out", str(tmp_path / "out"), "--not_cuda"]
    translate_train.main(["--dataroot", str(data), *flags, *TINY])
    single = tmp_path / os.fsdecode(b"in \xff#")
    (data / "test").rename(single)
    translate_test.main(["--single", str(single), "--name", "pictures", *flags])
    folder = tmp_path / "out" / "results" / "pictures" / f"{single.name}_latest"
    assert len(list((folder / "images").iterdir())) == 2 * len(NAMES)
