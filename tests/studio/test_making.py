"""From what was asked on the page to results in the history, without a browser."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import SinGAN
from SinGAN.options.applications import VARIETIES
from SinGAN.pictures.images import Levels
from SinGAN.studio import canvas, making
from SinGAN.studio.history import History, Run
from SinGAN.studio.making import Request, prepare
from SinGAN.studio.tools import FREEDOMS, TOOLS, Tool, scales_of, variety_of
from SinGAN.studio.work import CANCELLED, DONE, FAILED, Piece, Worker
from SinGAN.studio.workspace import Workspace
from SinGAN.tasks import tasks
from tests import workspace as scripts
from tests.cases import mostly_slow

SIZE = (96, 64)
ROCK = slice(80, 130), slice(200, 280)  # of the peaks at 400 x 300


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    (tmp_path / "in").mkdir()
    with Image.open(Path(__file__).parent.parent.parent / "Input" / "Images" / "mountains.png") as picture:
        picture.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS).save(tmp_path / "in" / "x.png")
    return Workspace(tmp_path / "out", tmp_path / "in")


@pytest.fixture
def history(place: Workspace) -> History:
    return History(place.users)


def usual(tool: Tool, **values: Any) -> dict[str, Any]:
    """The values of a tool's controls."""
    found = {name: entry.slider[2] for name, entry in tool.options.items() if entry.slider}
    return {**found, "count": 1, "freedom": "free", **values}


def drawing(tool: Tool) -> str:
    """Something drawn for ``tool``, on the canvas of the small picture."""
    width, height = SIZE
    levels = np.zeros((height, width, 3), np.uint8)
    levels[20:40, 30:60] = 255
    if tool.canvas == "paint":
        return json.dumps({"size": SIZE, "picture": canvas.encode_url(levels)})
    if tool.canvas == "arrange":
        urls = {"now": canvas.encode_url(levels), "wanted": canvas.encode_url(np.ascontiguousarray(levels[:, ::-1]))}
        return json.dumps({"size": SIZE, "colours": ["#000000", "#ffffff"], **urls})
    outline = [[30, 20], [60, 20], [60, 40], [30, 40]]
    part = {"object": "", "outline": outline, "x": 25, "y": 40, "w": 30, "h": 20, "angle": 0, "cut": True}
    levels[30:50, 10:40] = 255
    return json.dumps(
        {"size": SIZE, "mask": canvas.encode_url(levels), "parts": [part] if tool.canvas == "edit" else []}
    )


def done(request: Request, place: Workspace, history: History) -> Piece:
    """The piece of work for ``request``, after its end."""
    worker, piece = Worker(repr), prepare(request, place, history, "me", "window")
    worker.submit(piece)
    while piece.is_active:
        piece.wait(piece.version, 0.1)
    return piece


@pytest.mark.parametrize(
    "name",
    mostly_slow(
        [name for name, tool in TOOLS.items() if not tool.needs_model], ["tile", "remove", "extend", "arrange"]
    ),
)
def test_every_tool_makes_results_that_are_kept(name: str, place: Workspace, history: History) -> None:
    tool = TOOLS[name]
    request = Request(
        tool=tool, pictures=[place.example("x.png")], drawing=drawing(tool), values=usual(tool, count=2), seed=5
    )
    piece = done(request, place, history)
    assert (piece.state, piece.error, piece.done) == (DONE, "", 2)
    (run,) = history.runs("me")
    assert (run.tool, run.seed, run.picture_title, len(run.results)) == (tool.id, 5, "x", 2)
    assert run.settings["count"] == 2
    again = done(request, place, history)
    assert again.state == DONE
    files = [history.find("me", item["key"])[1].read_bytes() for item in history.items("me")]
    assert files[:2] == files[2:], "the same seed gives the same pictures"


def test_what_is_not_marked_stays_to_the_pixel(place: Workspace, history: History) -> None:
    with Image.open(place.inputs / "x.png") as picture:
        before = np.asarray(picture)
    for name in ("remove", "edit"):
        tool = TOOLS[name]
        done(
            Request(tool=tool, pictures=[place.example("x.png")], drawing=drawing(tool), values=usual(tool)),
            place,
            history,
        )
        with Image.open(history.items("me")[0]["file"]) as picture:
            changed = np.argwhere((np.asarray(picture) != before).any(axis=2))
        assert len(changed) > 300
        assert changed.min(axis=0) == pytest.approx([20, 10], abs=7)
        assert changed.max(axis=0) == pytest.approx([49, 59], abs=7)


@pytest.mark.slow
def test_one_of_each_gives_three_to_choose_from(place: Workspace, history: History) -> None:
    tool = TOOLS["variations"]
    piece = done(
        Request(tool=tool, pictures=[place.example("x.png")], values=usual(tool, freedom="each", count=4)),
        place,
        history,
    )
    assert (piece.state, piece.total, piece.done) == (DONE, 3, 3)
    assert [item["caption"] for item in history.items("me")] == ["wild", "free", "near"]


def test_parts_come_where_they_are_painted(place: Workspace, history: History) -> None:
    """A photo of two halves, and a new picture with them exchanged: at the photo's own size, not the canvas's."""
    levels, rng = np.zeros((90, 120, 3), np.uint8), np.random.default_rng(0)
    levels[:, :60], levels[:, 60:] = [200, 60, 40], [40, 80, 200]
    levels = np.clip(levels + rng.normal(0, 12, levels.shape), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(place.inputs / "halves.png")
    now = np.zeros((30, 40, 3), np.uint8)
    now[:, 20:] = 255
    urls = {"now": canvas.encode_url(now), "wanted": canvas.encode_url(np.ascontiguousarray(now[:, ::-1]))}
    drawn = json.dumps({"size": [40, 30], "colours": ["#000000", "#ffffff"], **urls})
    tool, chosen = TOOLS["arrange"], [place.example("halves.png")]
    assert done(Request(tool=tool, pictures=chosen, drawing=drawn, values=usual(tool)), place, history).state == DONE
    with Image.open(history.items("me")[0]["file"]) as picture:
        result = np.asarray(picture).astype(int)
    assert result.shape == levels.shape
    is_red = result[..., 0] > result[..., 2]
    assert not is_red[:, :55].any()
    assert is_red[:, 65:].all()


def test_several_pictures_are_runs_of_their_own(place: Workspace, history: History) -> None:
    Image.open(place.inputs / "x.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(place.inputs / "y.png")
    tool, chosen = TOOLS["tile"], [place.example("x.png"), place.example("y.png")]
    piece = done(Request(tool=tool, pictures=chosen, values=usual(tool)), place, history)
    assert (piece.total, piece.done) == (2, 2)
    assert [run.picture_title for run in history.runs("me")] == ["y", "x"]


def test_an_extension_knows_where_the_original_is(place: Workspace, history: History) -> None:
    tool = TOOLS["extend"]
    values = usual(tool, left=50, right=0, bottom=100)
    done(Request(tool=tool, pictures=[place.example("x.png")], values=values), place, history)
    (item,) = history.items("me")
    left, top, width, height = item["place"]
    with Image.open(item["file"]) as result, Image.open(place.inputs / "x.png") as picture:
        box = [round(side) for side in (left * result.width, top * result.height)]
        assert (round(width * result.width), round(height * result.height)) == picture.size
        part = result.crop((*box, box[0] + picture.width, box[1] + picture.height))
        assert np.array_equal(np.asarray(part), np.asarray(picture))


def test_a_large_picture_is_shown_as_a_draft_first(
    place: Workspace, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "DRAFTED", 1000)
    monkeypatch.setattr(making, "DRAFT", 48)
    shown = list[tuple[int, ...]]()
    monkeypatch.setattr(Piece, "show", lambda self, levels, share=0.0: shown.append(levels.shape))
    tool = TOOLS["remove"]
    request = Request(tool=tool, pictures=[place.example("x.png")], drawing=drawing(tool), values=usual(tool))
    assert done(request, place, history).state == DONE
    assert max(shown[0]) == 48
    assert max(shown[-1]) == 96
    assert len(history.items("me")) == 1, "a draft is no result"


@pytest.mark.parametrize(
    "name", mostly_slow([name for name, tool in TOOLS.items() if tool.has_count], ["tile", "paint", "edit"])
)
def test_results_come_one_by_one_and_a_cancel_keeps_them(
    name: str, place: Workspace, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = TOOLS[name]
    request = Request(
        tool=tool, pictures=[place.example("x.png")], drawing=drawing(tool), values=usual(tool, count=3), seed=1
    )
    whole = done(request, place, history)
    assert (whole.state, whole.done) == (DONE, 3)
    shown, finish = list[int](), Piece.finish_one

    def finish_and_cancel(piece: Piece) -> None:
        if piece.done:
            piece.cancel()
        finish(piece)

    monkeypatch.setattr(Piece, "finish_one", finish_and_cancel)
    monkeypatch.setattr(Piece, "show", lambda piece, levels, share=0.0: shown.append(piece.done))
    piece = done(request, place, history)
    assert (piece.state, piece.done) == (CANCELLED, 2)
    assert {*shown} == {0, 1}, "the third was not begun"
    new, old = ([pixels_of(run, history, name) for name in ("0.png", "1.png")] for run in history.runs("me"))
    assert new == old, "and they are the first two of three"


def pixels_of(run: Run, history: History, name: str) -> bytes:
    with Image.open(history.home("me") / run.id / name) as picture:
        return picture.tobytes()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("variations", {"pictures": []}, "choose a picture first"),
        ("paint", {"drawing": ""}, "no drawing yet"),
        (
            "arrange",
            {"drawing": '{"size": [9, 9], "colours": ["#000000"], "now": "", "wanted": ""}'},
            "colour the parts",
        ),
        ("remove", {"drawing": '{"size": [9, 9], "mask": "", "parts": []}'}, "nothing is drawn yet: brush over"),
        ("enlarge", {}, "needs training"),
        ("animate", {}, "needs training"),
        ("variations", {"values": {"count": 1, "scale_h": 1, "scale_v": 1, "start_scale": "x"}}, "start scale must be"),
        ("extend", {"values": {"left": 0, "right": 0, "top": 0, "bottom": 0, "count": 1}}, "nothing is to be added"),
    ],
)
def test_what_is_missing_is_said_before_any_work(
    name: str, changes: dict[str, Any], words: str, place: Workspace, history: History
) -> None:
    tool = TOOLS[name]
    request = Request(**{"tool": tool, "pictures": [place.example("x.png")], "values": usual(tool), **changes})
    with pytest.raises(ValueError, match=words):
        prepare(request, place, history, "me", "window")


def test_a_failure_is_told(place: Workspace, history: History) -> None:
    tool = TOOLS["variations"]
    request = Request(tool=tool, pictures=[place.example("x.png")], values=usual(tool, start_scale="3"))
    piece = done(request, place, history)
    assert piece.state == FAILED
    assert "start_scale" in piece.error
    assert history.items("me") == []


def test_a_trained_model_serves_where_it_can(place: Workspace, history: History, tmp_path: Path) -> None:
    made = scripts.Workspace(tmp_path)
    made.draw("x.png", 20, 28)
    made.train()
    chosen = place.example("x.png")
    key = place.of_picture(chosen)[0].key
    for name, size in (("variations", (28, 20)), ("enlarge", (96, 72)), ("animate", (24, 18)), ("remove", (28, 20))):
        tool = TOOLS[name]
        mask = np.zeros((20, 28, 3), np.uint8)
        mask[8:12, 8:14] = 255
        drawn = json.dumps({"size": [28, 20], "mask": canvas.encode_url(mask), "parts": []})
        values = usual(tool, kind="gif", frames=3)
        piece = done(Request(tool=tool, pictures=[chosen], made_by=key, drawing=drawn, values=values), place, history)
        assert (piece.state, piece.error) == (DONE, "")
        item = history.items("me")[0]
        assert (item["width"], item["height"]) == size, name
    assert history.runs("me")[0].made_by == key


def test_words_decide_how_freely(place: Workspace) -> None:
    maker = place.maker(place.example("x.png"), "instant")
    assert [variety_of(word) for word in FREEDOMS] == list(VARIETIES)
    assert [scales_of(TOOLS["variations"], maker, word) for word in FREEDOMS] == [None, None, None]
    near, free, wild = (scales_of(TOOLS["paint"], maker, word) for word in FREEDOMS)
    assert near is not None
    assert free is not None
    assert wild is not None
    assert maker.injection_scales[0] <= wild <= free <= near <= maker.injection_scales[-1]
    assert wild < near
    assert free == maker.injection_scale
    assert scales_of(TOOLS["paint"], maker, "free", on_photo=True) == min(free + 3, maker.injection_scales[-1])


def test_every_option_with_a_slider_has_a_control_and_a_label() -> None:
    for tool in TOOLS.values():
        assert tool.task in tasks()
        assert set(tool.plain) <= {*tool.options, "count"}, tool.id
        assert all(name == name.strip() for name in tool.options)


@pytest.mark.parametrize("grey", ["#6d6464", "#898587"])
@pytest.mark.parametrize("word", ["free", "near"])
def test_a_mountain_that_is_painted_on_the_photo_is_there(
    word: str, grey: str, history: History, tmp_path: Path
) -> None:
    """Not the cloud of the photo: the painted place is as dark as rock; near to the drawing it is as rough, too."""
    place = Workspace(tmp_path / "out", tmp_path / "peaks")
    place.inputs.mkdir()
    with Image.open(Path(__file__).parent.parent.parent / "Input" / "Images" / "peaks.jpg") as picture:
        photo = picture.convert("RGB").resize((400, 300), Image.Resampling.LANCZOS)
    photo.save(place.inputs / "peaks.png")
    painted = photo.copy()
    ImageDraw.Draw(painted).polygon([(0, 126), (76, 9), (160, 126)], fill=grey)
    drawn = json.dumps({"size": [400, 300], "on": "photo", "picture": canvas.encode_url(np.asarray(painted))})
    tool = TOOLS["paint"]
    values = usual(tool, freedom=word)
    request = Request(tool=tool, pictures=[place.example("peaks.png")], drawing=drawn, values=values, seed=1)
    assert done(request, place, history).state == DONE
    with Image.open(history.items("me")[0]["file"]) as result:
        before, after = (np.asarray(one.convert("L")).astype(int) for one in (photo, result))
    top = slice(40, 110), slice(60, 100)
    assert before[top].mean() > 170
    assert after[top].mean() < 140
    if word == "near":
        roughness = [np.abs(np.diff(levels[place])).mean() for levels, place in ((after, top), (before, ROCK))]
        assert roughness[0] > 0.4 * roughness[1], "a flat stroke gives the photo's flattest patches"


def test_pictures_come_one_by_one() -> None:
    levels: Levels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    maker, watched = SinGAN.instant(levels, device="cpu"), threading.Event()
    model = maker.watched(lambda level: watched.set())
    pictures = model.iterate("sample", 2, seed=3)
    first = next(pictures)
    assert watched.is_set()
    watched.clear()
    assert np.array_equal(np.stack([first, *pictures]), maker.sample(2, seed=3))
    assert watched.is_set(), "the second was computed later"
    with pytest.raises(ValueError, match="no task 'fly' here"):
        maker.iterate("fly")
    with pytest.raises(ValueError, match="`count`"):
        maker.iterate("sample", 0)
