"""From what was asked on the page to results in the history: one function that every tool runs through."""

import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from SinGAN.library.instant import InstantModel, instant
from SinGAN.library.model import Model
from SinGAN.options.applications import INSTANT
from SinGAN.pictures import animations, arrays, images
from SinGAN.pictures.images import Levels
from SinGAN.studio import canvas, parts
from SinGAN.studio.history import History, Place, Run
from SinGAN.studio.parts import Arrangement
from SinGAN.studio.tools import EACH, FREE, FREEDOMS, WALKS, Tool, scales_of, variety_of
from SinGAN.studio.work import Piece
from SinGAN.studio.workspace import UNTRAINED, Chosen, Workspace, device

START = 2.5  # megapixels whose lifting takes as long as the first level, roughly
DRAFT, DRAFTED = 320, 3_000_000  # pixels: the longer side of a draft, and of pictures that get one, at least
Maker = InstantModel | Model


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked on the page."""

    tool: Tool
    pictures: Sequence[Chosen]
    made_by: str = INSTANT  # the key of the maker
    size: int = 0  # the longer side of the results, in pixels, at most; 0: the picture's own
    drawing: str = ""  # as the canvas sent it
    values: Mapping[str, Any] = field(default_factory=dict)  # of the controls, by name
    seed: int | None = None  # None: a new one

    @property
    def words(self) -> list[str]:
        """Near, free or wild, as chosen; all three for one of each."""
        word = self.values.get("freedom", FREE)
        return list(FREEDOMS) if word == EACH else [word]

    @property
    def total(self) -> int:
        """The number of results."""
        count = int(self.values.get("count", 1)) if self.tool.has_count else 1
        return len(self.pictures) * (count if len(self.words) == 1 else len(self.words))

    def check(self) -> None:
        """Raise a ValueError if something is missing that can be said without computing."""
        if not self.pictures:
            raise ValueError("choose a picture first: open one of yours, or click an example")
        if self.tool.undrawn:
            drawn = canvas.decode(self.drawing)
            if drawn.is_empty:
                raise ValueError(f"nothing is drawn yet: {self.tool.undrawn}")
            if drawn.arrangement:
                drawn.arrangement.check()
        exact_scale(self.values)
        if self.tool.needs_model and self.made_by in UNTRAINED:
            raise ValueError(
                f"\u201c{self.tool.title}\u201d needs training: train this picture (\u201cTrain\u201d), and come back"
            )
        if self.tool.id == "extend" and not any(int(self.values[side]) for side in ("left", "right", "top", "bottom")):
            raise ValueError("nothing is to be added: move one of the sliders, Left, Right, Top or Bottom")


def prepare(request: Request, workspace: Workspace, history: History, owner: str, session: str) -> Piece:
    """The piece of work for ``request``.

    Raises:
        ValueError: something is missing.
    """
    if request.tool.needs_model and request.pictures:
        model = workspace.model_for(request.pictures[0], request.made_by, moves=request.tool.walk)
        request = replace(request, made_by=model)
    request.check()
    seed = random.SystemRandom().randrange(2**31) if request.seed is None else request.seed
    request = replace(request, seed=seed)

    def run(piece: Piece) -> None:
        for chosen in request.pictures:
            begun = history.begin(
                tool=request.tool.id, title=request.tool.title, picture=str(chosen.file), picture_title=chosen.title,
                made_by=request.made_by, seed=seed, drawing=request.drawing,
                settings={**request.values, "size": request.size},
            )  # fmt: skip
            make(request, chosen, workspace, piece, Recorder(history, owner, begun, piece))

    return Piece(owner=owner, session=session, title=request.tool.title, total=request.total, run=run)


class Recorder:
    """Writes the results of one run into the history as they come."""

    def __init__(self, history: History, owner: str, run: Run, piece: Piece) -> None:
        self.history, self.owner, self.run, self.piece = history, owner, run, piece
        self.clock = time.monotonic()

    def add(self, levels: Levels, caption: str = "", place: Place | None = None) -> None:
        """A picture is finished."""
        self.run = self.history.add(self.owner, self.run, levels, self._lap(), caption, place)
        self.piece.finish_one()

    def add_file(self, file: Path, poster: Levels) -> None:
        """An animation is finished."""
        self.run = self.history.add_file(self.owner, self.run, file.read_bytes(), file.suffix, poster, self._lap())
        self.piece.finish_one()

    def _lap(self) -> float:
        before, self.clock = self.clock, time.monotonic()
        return self.clock - before


def make(request: Request, chosen: Chosen, workspace: Workspace, piece: Piece, recorder: Recorder) -> None:
    """Compute the results for one picture, and record them."""
    words = request.words
    for word in words:
        values = {**request.values, "count": 1} if len(words) > 1 else request.values
        show_draft(request, chosen, workspace, word, piece)
        maker = open_maker(request, chosen, workspace, word)
        if request.tool.walk:
            animate(maker, request, word, piece, recorder)
            continue
        caption = word if len(words) > 1 else ""
        for levels in watched_pictures(maker, request, word, values, piece):
            recorder.add(levels, caption, place_of(request.tool, values))


def show_draft(request: Request, chosen: Chosen, workspace: Workspace, word: str, piece: Piece) -> None:
    """Show a small draft first, where the picture is so large that the first level of the result takes its time."""
    height, width = images.read_size(chosen.file)
    if height * width < DRAFTED or request.size or request.made_by != INSTANT or request.tool.walk:
        return
    variety, file = request.values.get("variety") or variety_of(word), workspace.view(chosen)
    if request.tool.canvas == "arrange":
        small = workspace.arranged(file, arrangement_of(request.drawing).now, DRAFT)
    else:
        small = instant(file, variety=variety, max_size=DRAFT, device=device())
    with suppress(ValueError):  # at this size something is too small: the result comes without a draft
        for levels in watched_pictures(small, request, word, {**request.values, "count": 1}, piece):
            piece.show(levels)


def open_maker(request: Request, chosen: Chosen, workspace: Workspace, word: str) -> Maker:
    """The maker of the pictures: a trained model at the picture's own size, or patches."""
    key, tool = request.made_by, request.tool
    if tool.canvas == "arrange":
        return workspace.arranged(chosen.file, arrangement_of(request.drawing).now, request.size)
    if key not in UNTRAINED and not tool.takes_models:
        key = INSTANT  # only patches do it
    if key in UNTRAINED:
        variety = request.values.get("variety") or variety_of(word)
        return workspace.maker(chosen, key, request.size, variety)
    model = workspace.trained(key)
    return model if tool.needs_model else workspace.refined(model, chosen, request.size)


def watched_pictures(
    maker: Maker, request: Request, word: str, values: Mapping[str, Any], piece: Piece
) -> Iterator[Levels]:
    """The pictures (H, W, C) one by one, while ``piece`` shows previews."""
    tool, seed = request.tool, request.seed
    assert seed is not None
    arguments = {**tool.arguments(values), **scale_argument(request, maker, word, values)}
    if not isinstance(maker, InstantModel) or maker.method != INSTANT:
        for levels in pictures_of(maker, tool, request.drawing, arguments, seed):
            piece.check()
            yield levels
        return
    watching = maker.watched(Watch(piece, maker.size))
    for levels in pictures_of(watching, tool, request.drawing, arguments, seed):
        piece.check()
        yield levels


def scale_argument(request: Request, maker: Maker, word: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The argument ``start_scale`` of the task's method: the exact one, where it is given, or that of ``word``."""
    tool, exact = request.tool, exact_scale(values)
    if not tool.freedom or tool.walk:
        return {}
    on_photo = tool.canvas == "paint" and canvas.decode(request.drawing).on_photo
    scale = scales_of(tool, maker, word, on_photo) if exact is None else exact
    return {} if scale is None else {"start_scale": scale}


def exact_scale(values: Mapping[str, Any]) -> int | None:
    """The exact start scale among the ``values`` of the controls; None: there is none.

    Raises:
        ValueError: it is not a number.
    """
    text = str(values.get("start_scale") or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"the start scale must be a whole number from 0 on, or empty, not {text}")
    return int(text)


def pictures_of(maker: Maker, tool: Tool, drawing: str, arguments: dict[str, Any], seed: int) -> Iterator[Levels]:
    """The pictures (H, W, C) that ``maker`` computes for ``arguments`` and what was drawn."""
    if tool.canvas == "edit":
        yield from edited(maker, canvas.decode(drawing), arguments, seed)
        return
    inputs: list[Any] = []
    if tool.canvas == "paint":
        drawn = canvas.decode(drawing)
        inputs = [drawn.add_noise(maker.picture, seed) if isinstance(maker, InstantModel) else drawn.picture]
    if tool.canvas == "mask":
        inputs = [canvas.decode(drawing).mask_for(maker.size)]
    if tool.canvas == "arrange":
        arguments = {**arguments, "guide": parts.resize(arrangement_of(drawing).wanted, maker.size)}
    method = tool.declared.method
    assert method is not None
    yield from maker.iterate(method.__name__, *inputs, **arguments, seed=seed)


def edited(maker: Maker, drawing: canvas.Drawing, arguments: dict[str, Any], seed: int) -> Iterator[Levels]:
    """The pictures (H, W, C) of an edit at the maker's own size.

    Where parts were moved, the instant engine first fills what they leave behind from the rest of the picture.
    """
    crude = drawing.compose(maker.picture)
    is_instant = isinstance(maker, InstantModel) and maker.method == INSTANT
    if crude.holes.any() and isinstance(maker, InstantModel) and is_instant:
        behind = next(maker.iterate("inpaint", crude.holes, seed=seed))
        watch = getattr(maker.engine, "watch", None)
        if not crude.pasted.any():
            yield behind
            return
        crude = drawing.compose(maker.picture, behind)
        maker = instant(behind, device=device())
        if isinstance(watch, Watch):
            maker = maker.watched(watch)
        mask = crude.pasted
    else:
        mask = np.maximum(crude.pasted, crude.holes)
    method = "harmonize" if drawing.has_objects else "edit"
    yield from maker.iterate(method, crude.picture, mask, **arguments, seed=seed)


def arrangement_of(drawing: str) -> Arrangement:
    """Which part is where, in a ``drawing`` that has been checked."""
    found = canvas.decode(drawing).arrangement
    assert found is not None
    return found


def place_of(tool: Tool, values: Mapping[str, Any]) -> Place | None:
    """Where the original lies in a result, as shares; None: it fills it, or is not in it."""
    if tool.id != "extend":
        return None
    left, top = (float(values[side]) / 100 for side in ("left", "top"))
    wide, high = (
        1 + float(values[one]) / 100 + float(values[two]) / 100 for one, two in (("left", "right"), ("top", "bottom"))
    )
    return left / wide, top / high, 1 / wide, 1 / high


def animate(maker: Maker, request: Request, word: str, piece: Piece, recorder: Recorder) -> None:
    """Compute an animation, and record it."""
    assert isinstance(maker, Model)
    kind = request.values.get("kind", "gif")
    animations.check_format(kind)
    start, alpha, beta = WALKS[word]
    named = request.tool.arguments(request.values)
    fps, frames = named.pop("fps"), list[Levels]()
    exact = exact_scale(request.values)
    start = min(start if exact is None else exact, len(maker) - 1)
    walk = maker.iterate("animate", **named, start_scale=start, alpha=alpha, beta=beta, seed=request.seed)
    for number, frame in enumerate(walk, start=1):
        frames.append(frame)
        piece.show(frame, number / named["frames"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"animation.{kind}"
        channels = frames[0].shape[-1]
        animations.write(file, (arrays.to_image(frame, channels) for frame in frames), fps)
        recorder.add_file(file, frames[0])


@dataclass
class Watch:
    """Shows the levels of the instant engine as previews, with the part of the work that is done."""

    piece: Piece
    size: tuple[int, int]  # of the results: height and width

    def __call__(self, levels: Levels) -> None:
        pixels, whole = levels.shape[0] * levels.shape[1], self.size[0] * self.size[1]
        done, all_levels = (START + 4 / 3 * min(part, whole) / 10**6 for part in (pixels, whole))
        self.piece.show(levels, min(0.95, done / all_levels))
