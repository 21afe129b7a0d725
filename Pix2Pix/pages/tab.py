"""The tab of the studio that translates: paint labels, and see the photo at each stroke."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from Pix2Pix.runs import folder as folders
from Pix2Pix.runs.testing import Translator
from SinGAN.storage.layout import guard
from SinGAN.studio import canvas
from SinGAN.studio.shared import GALLERY, PRIVATE, Clock, Shared, parse_seed, seed_field, show_errors
from SinGAN.studio.tabs.paint import canvas_of, with_drawing


def build(shared: Shared) -> None:
    """The tab."""
    folder = shared.workspace.out / "checkpoints"

    def models() -> list[str]:
        return sorted(path.parent.name for path in folder.glob("*/latest_net_G.pth"))

    def listed(chosen: str | None) -> Any:
        return gr.update(choices=models(), value=chosen if chosen in models() else None)

    def place_of(name: str | None) -> Path:
        if name not in models():
            raise ValueError("choose a model: translate_train.py makes one")
        guard(shared.workspace.out, [folder / name])
        return folder / name

    def begin(name: str | None) -> str:
        place = place_of(name)
        translator = loaded(place, stamp(place))
        return canvas.encode(translator.blank(), colours=translator.palette)

    def translate(name: str | None, drawing: str, count: float, seed: str) -> tuple[Any, str]:
        place, levels, clock = place_of(name), canvas.decode(drawing).picture, Clock()
        translator = loaded(place, stamp(place))
        drawn = [translator.draw(levels, parse_seed(seed) or 0, sample) for sample in range(int(count))]
        return drawn, f"{clock}"

    gr.Markdown(
        "Nets that have learned from pairs, as labels and photos: paint labels, and the photo follows each stroke. "
        "`translate_train.py` trains them."
    )
    with gr.Row():
        model = gr.Dropdown(models(), value=None, label="Model", elem_id="translators")
        count = gr.Slider(1, 4, value=1, step=1, label="How many")
        seed = seed_field("0")
    with gr.Row():
        with gr.Column(scale=1, min_width=320):
            text = canvas_of("paint", "labels-canvas", then="translate-now")
        with gr.Column(scale=1, min_width=320):
            gallery = gr.Gallery(label="Photos", elem_id="translated", **{**GALLERY, "columns": 1})
            line = gr.Markdown()
    now = gr.Button("Translate", elem_id="translate-now")
    model.focus(listed, model, model, **PRIVATE)
    model.input(show_errors(begin), model, text, **PRIVATE)
    now.click(
        show_errors(translate), [model, text, count, seed], [gallery, line], js=with_drawing("labels-canvas", 1),
        show_progress="hidden", trigger_mode="always_last", **PRIVATE,
    )  # fmt: skip


def stamp(place: Path) -> int:
    """A number that changes when the model in ``place`` does."""
    return folders.net_file(place, folders.LATEST, "G").stat().st_mtime_ns


@lru_cache(maxsize=2)
def loaded(place: Path, changed: int) -> Translator:
    """The model in ``place``, as it was when ``changed``."""
    return Translator.load(place, folders.LATEST, torch.device("cpu"), seed=0).set_up()
