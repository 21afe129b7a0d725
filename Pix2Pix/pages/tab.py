"""The panel of the studio that translates: paint labels, and see the photo at each stroke."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from Pix2Pix.runs import folder as folders
from Pix2Pix.runs.testing import Translator
from SinGAN.storage.layout import guard
from SinGAN.studio import canvas
from SinGAN.studio.shared import GALLERY, PRIVATE, Shared, canvas_of, message, parse_seed, with_drawing
from SinGAN.studio.workspace import Workspace


def names(workspace: Workspace) -> list[str]:
    """The names of the trained translators; the page has the panel only if there are some."""
    return sorted(path.parent.name for path in (workspace.out / "checkpoints").glob("*/latest_net_G.pth"))


def build(shared: Shared) -> None:
    """The panel."""
    workspace = shared.workspace

    def listed(chosen: str | None) -> Any:
        known = names(workspace)
        return gr.update(choices=known, value=chosen if chosen in known else None)

    def place_of(name: str | None) -> Path:
        if name not in names(workspace):
            raise ValueError("choose a model first")
        folder = workspace.out / "checkpoints" / name
        guard(workspace.out, [folder])
        return folder

    def begin(name: str | None) -> str:
        place = place_of(name)
        translator = loaded(place, stamp(place))
        blank = translator.blank()
        shown = canvas.describe(blank, canvas.encode_url(blank), f"labels {name}", translator.palette, f"labels {name}")
        return message(**json.loads(shown))

    def translate(name: str | None, drawing: str, count: float, seed: str) -> list[Any]:
        place, levels = place_of(name), canvas.decode(drawing).picture
        translator = loaded(place, stamp(place))
        return [translator.draw(levels, parse_seed(seed) or 0, sample) for sample in range(int(count))]

    gr.Markdown(
        "Paint with labels: each colour stands for a thing, and the photo follows each stroke.", elem_classes="words"
    )
    with gr.Row():
        model = gr.Dropdown(
            names(workspace), value=None, label="Model", elem_id="translators", min_width=240,
            info="choose what the labels become: a model that was trained with translate_train.py",
        )  # fmt: skip
        count = gr.Slider(1, 4, value=1, step=1, label="How many", min_width=240)
    with gr.Row():
        with gr.Column(min_width=320):
            text = canvas_of("paint", "labels-canvas", then="make-labels")
        with gr.Column(min_width=320):
            look = {**GALLERY, "columns": 1, "buttons": ["download", "fullscreen"]}
            gallery = gr.Gallery(label="Photos", elem_id="translated", **look)
    now = gr.Button("Translate", variant="primary", elem_id="make-labels", elem_classes="main")
    model.focus(listed, model, model, **PRIVATE)
    model.input(begin, model, text, **PRIVATE)
    now.click(
        translate, [model, text, count, shared.seed], gallery, js=with_drawing(1, "labels-canvas"),
        show_progress="hidden", trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip


def stamp(place: Path) -> int:
    """A number that changes when the model in ``place`` does."""
    return folders.net_file(place, folders.LATEST, "G").stat().st_mtime_ns


@lru_cache(maxsize=2)
def loaded(place: Path, changed: int) -> Translator:
    """The model in ``place``, as it was when ``changed``."""
    return Translator.load(place, folders.LATEST, torch.device("cpu"), seed=0).set_up()
