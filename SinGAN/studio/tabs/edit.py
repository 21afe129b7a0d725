"""Edit and harmonize: a part that is copied, moved or stretched, or an object of another picture, is made to fit."""

from typing import Any

import gradio as gr

from SinGAN.studio import canvas
from SinGAN.studio.shared import (
    BUTTONS,
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
from SinGAN.studio.tabs.paint import canvas_of, with_drawing
from SinGAN.studio.workspace import Chosen

WAYS = [("an edit: parts of this picture", "edit"), ("a foreign object: harmonize", "harmonize")]
start_range = scale_updater(1, lambda finest: (finest + 1) // 2)


def build(shared: Shared) -> None:
    """The tab."""

    def made(
        chosen: Chosen | None, key: str, size: float, drawing: str, way: str, scales: list[int], seed: str
    ) -> tuple[Any, list[Any]]:
        maker, drawn = shared.maker(chosen, key, size), canvas.decode(drawing)
        mask = drawn.marked("copy or move a part of the picture, or put an object in")
        fit = maker.harmonize if way == "harmonize" else maker.edit
        results = (fit(drawn.picture, mask, start_scale=scale, seed=parse_seed(seed)) for scale in scales)
        return drawn.picture, [pictures[0] for pictures in results]

    def one(
        chosen: Chosen | None, key: str, size: float, drawing: str, way: str, start: float, seed: str
    ) -> tuple[Any, str]:
        clock = Clock()
        before, (after,) = made(chosen, key, size, drawing, way, [int(start)], seed)
        return (before, after), f"made in {clock}"

    def every(
        chosen: Chosen | None, key: str, size: float, drawing: str, way: str, start: float, seed: str
    ) -> tuple[Any, str]:
        clock, scales = Clock(), list(shared.maker(chosen, key, size).injection_scales)
        _, pictures = made(chosen, key, size, drawing, way, scales, seed)
        return [(picture, f"scale {scale}") for picture, scale in zip(pictures, scales, strict=True)], f"{clock}"

    def adapt(chosen: Chosen | None, key: str, size: float) -> tuple[str, Any]:
        maker = shared.maker(chosen, key, size)
        return canvas.encode(maker.picture), start_range(maker)

    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            text = canvas_of("edit", "edit-canvas")
        with gr.Column(scale=2, min_width=320):
            slider = gr.ImageSlider(
                label="Before and after", interactive=False, format="png", elem_id="edited", elem_classes="large",
                buttons=BUTTONS,
            )  # fmt: skip
    with gr.Row():
        way = gr.Radio(WAYS, value="edit", label="What it is", elem_id="way")
        start = scale_slider(1, "Scale", "the coarser, the freer")
        seed = seed_field()
    with gr.Row():
        make = gr.Button("Make it fit", variant="primary", elem_id="make-edit")
        sheet = gr.Button("All scales, to choose from", elem_id="every-scale")
    line = gr.Markdown()
    gallery = gr.Gallery(label="All scales", elem_id="all-scales", **GALLERY)
    shared.on_choice(adapt, [text, start], **PRIVATE)
    inputs, js = [*shared.source, text, way, start, seed], with_drawing("edit-canvas", 3)
    make.click(show_errors(one), inputs, [slider, line], js=js, **PRIVATE)
    sheet.click(show_errors(every), inputs, [gallery, line], js=js, **PRIVATE)
