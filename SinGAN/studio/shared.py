"""What the tabs share: the context of the page, controls that follow from options, and small helpers."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from SinGAN.options.option import Option
from SinGAN.studio.history import History
from SinGAN.studio.tools import label_of
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.work import Worker
from SinGAN.studio.workspace import Chosen, Workspace

GALLERY: dict[str, Any] = {
    "columns": 4, "object_fit": "contain", "format": "png", "height": "auto", "buttons": [], "elem_classes": "results",
    "interactive": False,
}  # fmt: skip
"""The arguments of a gallery."""
PRIVATE: dict[str, Any] = {"api_visibility": "private"}  # arguments of an event that only the page may trigger
QUIET: dict[str, Any] = {**PRIVATE, "show_progress": "hidden"}


@dataclass
class Shared:
    """The context of every tab."""

    workspace: Workspace
    trainings: Trainings
    history: History
    worker: Worker
    owner: gr.BrowserState  # a secret token, kept by the browser
    pictures: gr.State  # the pictures that were chosen: a list of Chosen, the shown one first
    made_by: gr.Dropdown  # the key of a trained model, or the instant engine
    size: gr.Dropdown  # the longer side of results, at most; 0: the picture's own
    seed: gr.Textbox
    controls: dict[str, dict[str, Any]]  # of each tool, by name
    follow: Callable[[Any], Any]  # chains what shows the work to an event


def first(pictures: list[Chosen]) -> Chosen:
    """The picture that is shown, or a ValueError if there is none."""
    if not pictures:
        raise ValueError("choose a picture first: open one of yours, or click an example")
    return pictures[0]


def seed_field(unset: str = "a new one each time") -> gr.Textbox:
    """A field for the seed; ``unset`` says what an empty field means."""
    return gr.Textbox(
        "", label="Seed", placeholder=unset, max_lines=1, max_length=18, elem_id="seed",
        info="the number that a result begins from: the same one gives the same picture",
    )  # fmt: skip


def parse_seed(text: str) -> int | None:
    """Parse the text of a seed field; None if it is empty."""
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdecimal()):
        raise ValueError(f"the seed must be a non-negative integer or empty, not {text.strip()}")
    return int(text)


def slider(name: str, entry: Option, prefix: str = "") -> gr.Slider:
    """The control of an option that has a slider."""
    assert entry.slider is not None
    least, most, value, step = entry.slider
    label, words = label_of(name, entry)
    return gr.Slider(least, most, value=value, step=step, label=label, info=words or None, elem_id=f"{prefix}{name}")


def channel(name: str, function: str) -> gr.Textbox:
    """A hidden field; the page's JavaScript ``function`` is called with each text that it gets."""
    text = gr.Textbox(visible="hidden", elem_id=f"{name}-text")
    text.change(None, text, None, js=f"(text) => {{ {function}(text); return []; }}", **QUIET)
    return text


def message(**values: Any) -> str:
    """JSON for a channel, which differs from all earlier ones."""
    return json.dumps({**values, "now": time.monotonic_ns()})


def canvas_of(mode: str, name: str, then: str = "", load: str = "") -> gr.Textbox:
    """A canvas called ``name``; a hidden field that carries its picture.

    When a drawing rests, the button with the id ``then`` is pressed. The JavaScript function ``load`` takes pictures.
    """
    attribute = f' data-whole data-then="{then}"' if then else ""
    gr.HTML(f'<singan-canvas id="{name}" mode="{mode}"{attribute}></singan-canvas>')
    return channel(name, load or f"((text) => singanLoad('{name}', text))")


def with_drawing(place: int, name: str = "canvas") -> str:
    """JavaScript that puts what was drawn on the canvas ``name`` in place of the input at ``place``."""
    return f"(...values) => {{ values[{place}] = singanValue('{name}'); return values; }}"
