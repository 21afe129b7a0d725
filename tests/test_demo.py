"""The page that `make demo` leaves."""

import re
from pathlib import Path

import pytest

from examples import demo
from tests.workspace import Capture


@pytest.mark.slow
def test_the_demo_shows_each_part_on_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.setattr(demo, "OUT", tmp_path)
    demo.main()
    assert capfd.readouterr().out.splitlines()[-1] == str(tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert not re.search(r"(src|href)=.(?!data:)", page)  # nothing from elsewhere
    assert all(len(demo.pictures(part)) >= 2 for part in demo.PARTS)
    assert page.count("<img") == sum(len(demo.pictures(part)) for part in demo.PARTS)
    assert (tmp_path / "sheet.png").exists()


def test_a_part_that_fails_ends_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "OUT", tmp_path)
    with pytest.raises(SystemExit) as stop:
        demo.run(demo.Part("none", "retarget.py --input_name nowhere.png", ()))
    assert stop.value.code == 2
