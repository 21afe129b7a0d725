"""Paint: a few strokes in the picture's colours become a picture."""

from typing import Any

import gradio as gr

from SinGAN.studio import canvas
from SinGAN.studio.shared import (
    GALLERY,
    PRIVATE,
    Clock,
    Shared,
    parse_seed,
    scale_slider,
    scale_updater,
    seed_field,
    show_errors,
)
from SinGAN.studio.workspace import Chosen

start_range = scale_updater(1, lambda finest: (finest + 1) // 2)


def build(shared: Shared) -> None:
    """The tab."""

    def paint(
        chosen: Chosen | None, key: str, size: float, drawing: str, start: float, count: float, seed: str
    ) -> tuple[Any, str]:
        maker, strokes, clock = shared.maker(chosen, key, size), canvas.decode(drawing).picture, Clock()
        pictures = maker.paint(strokes, start_scale=int(start), count=int(count), seed=parse_seed(seed))
        return [(strokes, "what you drew"), *((picture, "") for picture in pictures)], f"made in {clock}"

    def adapt(chosen: Chosen | None, key: str, size: float) -> tuple[str, Any]:
        maker = shared.maker(chosen, key, size)
        return canvas.encode(maker.picture, palette=True), start_range(maker)

    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            text = canvas_of("paint", "paint-canvas")
        with gr.Column(scale=2, min_width=320):
            gallery = gr.Gallery(label="Pictures", elem_id="painted", **{**GALLERY, "columns": 2})
    with gr.Row():
        start = scale_slider(1, "Scale", "the coarser, the freer")
        count = gr.Slider(1, 9, value=3, step=1, label="How many", info="pictures of one drawing")
        seed = seed_field()
    make = gr.Button("Make a picture of it", variant="primary", elem_id="make-paint")
    line = gr.Markdown()
    shared.on_choice(adapt, [text, start], **PRIVATE)
    inputs = [*shared.source, text, start, count, seed]
    make.click(show_errors(paint), inputs, [gallery, line], js=with_drawing("paint-canvas", 3), **PRIVATE)


def canvas_of(mode: str, name: str, then: str = "") -> gr.Textbox:
    """A canvas called ``name``, to paint, edit or mark on; a hidden field that carries what it is given.

    When a drawing rests, the button with the id ``then`` is pressed.
    """
    gr.HTML(f'<singan-canvas id="{name}" mode="{mode}" data-then="{then}"></singan-canvas>')
    text = gr.Textbox(visible="hidden", elem_id=f"{name}-text")
    text.change(None, text, None, js=f"(text) => {{ singanLoad('{name}', text); return []; }}")
    return text


def with_drawing(name: str, place: int) -> str:
    """JavaScript that puts what was drawn on the canvas ``name`` in place of the input at ``place``."""
    return f"(...values) => {{ values[{place}] = singanValue('{name}'); return values; }}"
