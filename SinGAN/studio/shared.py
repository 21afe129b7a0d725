"""Shared by the tabs: the owner of the page, the chosen picture, common controls, and messages for errors."""

import functools
import inspect
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import gradio as gr

from SinGAN.library.instant import InstantModel
from SinGAN.library.model import Model
from SinGAN.library.pictures import Pictures
from SinGAN.options.applications import INSTANT
from SinGAN.options.option import get_options
from SinGAN.pictures.images import Levels
from SinGAN.studio.blocks import PlainError
from SinGAN.studio.errors import explain
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.workspace import UNTRAINED, Chosen, Workspace
from SinGAN.tasks import tasks

Values = ParamSpec("Values")
Result = TypeVar("Result")
BUTTONS = ["download", "fullscreen"]
GALLERY: dict[str, Any] = {
    "columns": 4,
    "object_fit": "contain",
    "format": "png",
    "height": "auto",
    "buttons": ["download", "download_all", "fullscreen"],
    "elem_classes": "results",
    "interactive": False,
}
"""The arguments of a gallery of results."""
PREVIEW = 600  # pixels: larger previews are not shown
WORKING: set[int] = set()
"""The threads that compute something for the page."""
PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # arguments of an event that only the page may trigger


@dataclass
class Shared:
    """The context of every tab."""

    workspace: Workspace
    trainings: Trainings
    owner: gr.BrowserState  # a secret token, kept by the browser
    chosen: gr.State  # a Chosen, or None
    made_by: gr.Dropdown  # a method without a model, or a model's key
    size: gr.Slider  # the longer side of training-free results
    temporary: Path  # the folder of files for the page
    ready: gr.State  # a number that changes with the chosen picture, the maker and the size

    @property
    def source(self) -> list[Any]:
        """The inputs of ``maker``."""
        return [self.chosen, self.made_by, self.size]

    def maker(self, chosen: Chosen | None, key: str, size: float, variety: str = "medium") -> InstantModel | Model:
        """The maker of pictures like the ``chosen`` one: a trained model, or patches."""
        return self.workspace.maker(require_picture(chosen), key, int(size), variety)

    def patches(self, chosen: Chosen | None, key: str, size: float) -> InstantModel:
        """The training-free maker of pictures like the ``chosen`` one."""
        maker = self.maker(chosen, key if key in UNTRAINED else INSTANT, size)
        assert isinstance(maker, InstantModel)
        return maker

    def on_choice(self, handler: Callable[..., Any], outputs: Any, **details: Any) -> Any:
        """Call ``handler`` with the inputs of ``maker`` when another picture, maker or size is chosen.

        While no picture is chosen, nothing changes.
        """

        @functools.wraps(handler)
        def guarded(chosen: Chosen | None, *values: Any) -> Any:
            return gr.skip() if chosen is None else show_errors(handler)(chosen, *values)

        return self.ready.change(
            guarded, self.source, outputs, show_progress="hidden", trigger_mode="always_last", **details
        )


def require_picture(chosen: Chosen | None) -> Chosen:
    """Return ``chosen``, or raise a ValueError if no picture is chosen."""
    if chosen is None:
        raise ValueError("choose a picture first: drop one on the left, or click an example")
    return chosen


def show_errors(handler: Callable[Values, Result]) -> Callable[Values, Result]:
    """Wrap ``handler``, a function or a generator, so that the page shows its errors in one line."""
    if not inspect.isgeneratorfunction(handler):
        return _errors_shown()(handler)

    @functools.wraps(handler)
    def generate(*values: Values.args, **named: Values.kwargs) -> Iterator[Any]:
        with _errors_shown():
            yield from handler(*values, **named)

    return cast(Callable[Values, Result], generate)


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Show an error of the block on the page."""
    thread = threading.get_ident()
    WORKING.add(thread)
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise PlainError(explain(error)) from error
    finally:
        WORKING.discard(thread)


def with_previews(maker: InstantModel | Model, work: Callable[[Any], Pictures]) -> Iterator[tuple[list[Levels], bool]]:
    """Yield previews of ``work(maker)`` with False while the instant engine computes, then the pictures with True."""
    if not isinstance(maker, InstantModel) or maker.method != INSTANT:
        yield list(work(maker)), True
        return
    levels = queue.SimpleQueue[Levels]()
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(work, maker.watched(levels.put))
        while not made.done():
            with suppress(queue.Empty):
                level = levels.get(timeout=0.1)
                while not levels.empty():  # only the newest
                    level = levels.get()
                if max(level.shape[:2]) <= PREVIEW:
                    yield [level], False
        yield list(made.result()), True


def seed_field(unset: str = "a new one") -> gr.Textbox:
    """A field for the seed; ``unset`` says what an empty field means."""
    return gr.Textbox(label="Seed", placeholder=unset, max_lines=1, max_length=18)


def parse_seed(text: str) -> int | None:
    """Parse the text of a seed field; None if it is empty."""
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdecimal()):
        raise ValueError(f"the seed must be a non-negative integer or empty, not {text.strip()}")
    return int(text)


class Clock:
    """The seconds since the clock was created."""

    def __init__(self) -> None:
        self.start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The elapsed seconds."""
        return time.monotonic() - self.start

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s"


def scale_slider(first: int, label: str, info: str) -> gr.Slider:
    """A slider for a start scale."""
    return gr.Slider(first, first + 1, value=first, step=1, label=label, info=info)


def scale_updater(first: int, value: Callable[[int], int]) -> Callable[[InstantModel | Model], Any]:
    """A function that fits a scale slider to the range of a maker; ``value`` maps the finest scale to the default."""

    def update(maker: InstantModel | Model) -> Any:
        scales = maker.injection_scales if first else maker.start_scales
        return gr.update(
            minimum=scales[0],
            maximum=max(scales[-1], scales[0] + 1),
            value=min(scales[-1], max(scales[0], value(scales[-1]))),
            interactive=len(scales) > 1,
        )

    return update


def sliders(task: str) -> dict[str, gr.Slider]:
    """The default controls of a task, by the argument of its method: those of its options that have a slider."""
    found = {}
    for entry in get_options(tasks()[task].options or type(None)).values():
        if entry.slider is not None:
            least, most, value, step = entry.slider
            words = f"{entry.name}, percent" if entry.unit else re.sub(r"^with [^:]*: |;.*$", "", entry.help)
            label = "How many" if entry.argument == "count" else words[0].upper() + words[1:]
            found[entry.argument or entry.name] = gr.Slider(least, most, value=value, step=step, label=label)
    return found


def arguments(task: str, values: Sequence[float]) -> dict[str, Any]:
    """The arguments of a task's method for the ``values`` of its sliders."""
    entries = [entry for entry in get_options(tasks()[task].options or type(None)).values() if entry.slider]
    whole = (
        (entry, int(value) if entry.kind is int or entry.unit else value)
        for entry, value in zip(entries, values, strict=True)
    )
    return {entry.argument or entry.name: f"{value}{entry.unit}" if entry.unit else value for entry, value in whole}
