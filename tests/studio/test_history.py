"""Results on disk: of each user their own, whole after a restart, with names that speak."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from SinGAN.pictures.images import Levels
from SinGAN.studio.history import History, Run


def levels(value: int = 90, size: tuple[int, int] = (30, 40)) -> Levels:
    return np.random.default_rng(value).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "Users")


def begin(history: History, **details: object) -> Run:
    given = {"tool": "variations", "title": "Variations", "picture": "/p/x.png", "picture_title": "my lake"}
    return history.begin(**{**given, "made_by": "instant", "seed": 7, "settings": {"count": 2}, **details})


def test_results_are_kept_over_a_restart(history: History) -> None:
    run = begin(history, drawing='{"size": [1, 1]}')
    run = history.add("me", run, levels(1), 1.5, "near", (0.1, 0.2, 0.3, 0.4))
    run = history.add("me", run, levels(2), 2.5)
    again = History(history.folder)
    assert again.runs("me") == history.runs("me")
    (known,) = again.runs("me")
    assert (known.tool, known.seed, known.settings, known.drawing) == ("variations", 7, {"count": 2}, run.drawing)
    newest, oldest = again.items("me")
    assert [oldest["caption"], newest["caption"]] == ["near", ""]
    with Image.open(newest["file"]) as picture:
        assert np.array_equal(np.asarray(picture), levels(2))


def test_each_user_sees_their_own(history: History) -> None:
    run = history.add("me", begin(history), levels(), 1)
    assert history.items("you") == []
    with pytest.raises(ValueError, match="no longer there"):
        history.find("you", run.key(run.results[0]))
    assert "me" not in str(history.home("me").name)
    with pytest.raises(ValueError, match="not ready"):
        history.home("")


def test_nothing_is_written_before_a_result(history: History) -> None:
    begin(history)
    assert not history.folder.exists()
    assert history.items("me") == []


def test_a_large_result_is_shown_smaller(history: History) -> None:
    history.add("me", begin(history), levels(size=(900, 2400)), 1)
    (item,) = history.items("me")
    with Image.open(item["view"]) as view, Image.open(item["thumb"]) as thumb:
        assert max(view.size) == 1600
        assert max(thumb.size) == 320
    assert (item["width"], item["height"]) == (2400, 900)


def test_one_of_several_is_removed(history: History) -> None:
    run = begin(history)
    for value in range(3):
        run = history.add("me", run, levels(value), 1)
    keys = [item["key"] for item in history.items("me")]
    history.delete("me", [keys[1]])
    assert [item["key"] for item in history.items("me")] == [keys[0], keys[2]]
    assert len(list(history.home("me").glob("*/1*"))) == 0
    run = history.add("me", history.runs("me")[0], levels(9), 1)
    assert run.results[-1].file == "3.png", "a number is not used twice"
    history.delete("me", [item["key"] for item in history.items("me")])
    assert history.items("me") == History(history.folder).items("me") == []
    assert not list(history.home("me").glob("*"))


@pytest.mark.parametrize("key", ["", "x/0", "/", "../../etc/passwd", "x"])
def test_keys_of_nothing_are_refused(history: History, key: str) -> None:
    history.add("me", begin(history), levels(), 1)
    for act in (lambda: history.find("me", key), lambda: history.delete("me", [key])):
        with pytest.raises(ValueError, match="no longer there"):
            act()
    assert len(history.items("me")) == 1


def test_names_speak_and_a_zip_has_them(history: History, tmp_path: Path) -> None:
    run = begin(history, picture_title="../Lac d'Été: <b>", title="Move & copy")
    for value in range(2):
        run = history.add("me", run, levels(value), 1)
    items = history.items("me")
    assert [item["name"] for item in items] == ["Lac-d-Été-b-Move-copy-7-2.png", "Lac-d-Été-b-Move-copy-7-1.png"]
    archive = history.zip("me", [item["key"] for item in items] + [items[0]["key"]], tmp_path / "results.zip")
    with zipfile.ZipFile(archive) as found:
        names = found.namelist()
        assert names == [
            "Lac-d-Été-b-Move-copy-7-2.png",
            "Lac-d-Été-b-Move-copy-7-1.png",
            "Lac-d-Été-b-Move-copy-7-2 (2).png",
        ]
        assert found.read(names[1]) == Path(items[1]["file"]).read_bytes()


def test_an_animation_is_a_result(history: History) -> None:
    history.add_file("me", begin(history), b"GIF89a", ".gif", levels(), 1)
    (item,) = History(history.folder).items("me")
    assert item["file"].endswith("0.gif")
    assert Path(item["file"]).read_bytes() == b"GIF89a"


@pytest.mark.parametrize(
    "change",
    [lambda entry: "no json", lambda entry: "[]", lambda entry: json.dumps({**entry, "results": 3}),
     lambda entry: json.dumps({**entry, "results": []}), lambda entry: json.dumps({"id": "x"}),
     lambda entry: json.dumps({**entry, "results": [{**entry["results"][0], "file": "../../secret.png"}]}),
     lambda entry: json.dumps({**entry, "results": [{**entry["results"][0], "file": "9.png"}]}),
     lambda entry: json.dumps({**entry, "results": [{"what": 1}]}), lambda entry: "[" * 100_000],
)  # fmt: skip
def test_a_damaged_record_is_left_out_and_the_others_stay(history: History, change: object) -> None:
    first = history.add("me", begin(history), levels(1), 1)
    other = history.add("me", begin(history), levels(2), 1)
    file = history.home("me") / first.id / "run.json"
    file.write_text(change(json.loads(file.read_text())))  # type: ignore[operator]
    assert [run.id for run in History(history.folder).runs("me")] == [other.id]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_nothing_is_written_through_a_link(history: History, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    history.folder.mkdir()
    history.home("me").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="leads out of"):
        history.add("me", begin(history), levels(), 1)
    assert not list((tmp_path / "elsewhere").iterdir())
