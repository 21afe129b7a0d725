"""One tab each: enlarge, animate; and the tasks whose tab follows from their options."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from SinGAN.manipulate import bicubic
from SinGAN.options.tasks import ANIMATION
from SinGAN.pictures import animations, arrays
from SinGAN.studio import canvas
from SinGAN.studio.shared import (
    BUTTONS,
    GALLERY,
    PRIVATE,
    Clock,
    Shared,
    arguments,
    parse_seed,
    require_picture,
    scale_slider,
    seed_field,
    show_errors,
    sliders,
    with_previews,
)
from SinGAN.studio.tabs.paint import canvas_of, with_drawing
from SinGAN.studio.workspace import UNTRAINED, Chosen
from SinGAN.tasks import tasks


def enlarge(shared: Shared) -> None:
    """The tab that enlarges."""

    def made(chosen: Chosen | None, key: str, factor: float, rounds: float, seed: str) -> tuple[Any, str]:
        require_picture(chosen)
        model, clock = shared.workspace.trained(key), Clock()
        large = model.super_resolve(**arguments("super-resolve", (factor, rounds)), seed=parse_seed(seed))
        plain = arrays.from_image(bicubic(arrays.to_image(model.picture), factor))
        return (plain, large), f"{large.shape[1]} x {large.shape[0]} pixels in {clock}"

    gr.Markdown("A trained model adds detail that fits. Left of the line: plain bicubic enlargement.")
    with gr.Row():
        controls = [*sliders("super-resolve").values(), seed_field()]
    make, line = gr.Button("Enlarge", variant="primary", elem_id="make-enlarged"), gr.Markdown()
    slider = gr.ImageSlider(
        label="Bicubic, and with the model's detail", interactive=False, format="png", elem_classes="large",
        buttons=BUTTONS, elem_id="enlarged",
    )  # fmt: skip
    make.click(show_errors(made), [shared.chosen, shared.made_by, *controls], [slider, line], **PRIVATE)


def animate(shared: Shared) -> None:
    """The tab that animates."""

    def models(chosen: Chosen | None, key: str, size: float) -> Any:
        moving = shared.workspace.of_picture(require_picture(chosen), ANIMATION.name)
        choices = [(model.title, model.key) for model in moving]
        choices += [] if key in UNTRAINED else [("the chosen one", key)]
        return gr.update(choices=choices, value=choices[0][1] if choices else None)

    def made(chosen: Chosen | None, key: str | None, start: float, kind: str, *values: Any) -> tuple[Any, Any, str]:
        require_picture(chosen)
        model, clock = shared.workspace.trained(key or ""), Clock()
        animations.check_format(kind)
        named = arguments("animate", values[:-1])
        fps, start = named.pop("fps"), min(int(start), len(model) - 1)
        walk = model.animate(**named, start_scale=start, seed=parse_seed(values[-1]))
        file = Path(tempfile.mkdtemp(dir=shared.temporary)) / f"animation.{kind}"
        channels = walk.shape[-1]
        animations.write(file, (arrays.to_image(frame, channels) for frame in walk), fps)
        moving, video = (None, str(file)) if kind == "mp4" else (str(file), None)
        return gr.update(value=moving, visible=kind != "mp4"), gr.update(value=video, visible=kind == "mp4"), f"{clock}"

    gr.Markdown("A walk through pictures near yours. Models that are trained for animations move at the borders, too.")
    with gr.Row():
        model = gr.Dropdown([], label="Model", elem_id="moving-model")
        start = scale_slider(2, "Start scale", "the first that moves")
        kind = gr.Radio(["gif", "mp4"], value="gif", label="File", elem_id="moving-kind")
    with gr.Row():
        controls = [*sliders("animate").values(), seed_field()]
    make, line = gr.Button("Animate", variant="primary", elem_id="make-animation"), gr.Markdown()
    moving = gr.Image(
        label="Animation", interactive=False, type="filepath", elem_id="animation", elem_classes="large",
        buttons=BUTTONS,
    )  # fmt: skip
    video = gr.Video(label="Animation", interactive=False, autoplay=True, loop=True, visible=False, elem_id="video")
    inputs = [shared.chosen, model, start, kind, *controls]
    make.click(show_errors(made), inputs, [moving, video, line], **PRIVATE)
    shared.on_choice(models, model, **PRIVATE)


def of_task(
    name: str, button: str, gallery: str, words: str = "", *, hint: str = "", columns: int = 2, copies: int = 1
) -> Callable[[Shared], None]:
    """The function that builds the tab of a task; its controls are the options that have a slider.

    Arguments:
        name: of the task.
        button: its label.
        gallery: the id of the results.
        words: above the controls.
        hint: what to mark on a canvas, whose mask is given to the task; "": there is no canvas.
        columns: of the gallery.
        copies: above 1: also show so many rows and columns of each result.
    """
    task = tasks()[name]

    def build(shared: Shared) -> None:
        def maker_of(chosen: Chosen | None, key: str, size: float) -> Any:
            return shared.maker(chosen, key, size) if "trained" in task.models else shared.patches(chosen, key, size)

        def made(chosen: Chosen | None, key: str, size: float, *values: Any) -> Iterator[tuple[Any, str]]:
            maker, clock, (*numbers, seed) = maker_of(chosen, key, size), Clock(), values
            inputs = [canvas.decode(numbers.pop(0)).marked(hint)] if hint else []
            named = arguments(name, numbers)
            for pictures, is_done in with_previews(
                maker, lambda maker: getattr(maker, name)(*inputs, **named, seed=parse_seed(seed))
            ):
                shown: list[Any] = list(pictures)
                if copies > 1:
                    repeated = [np.tile(one, (copies, copies, 1)) for one in pictures]
                    pairs = zip(pictures, repeated, strict=True)
                    shown = [
                        each for one, many in pairs for each in ((one, "one"), (many, f"{copies} x {copies} of it"))
                    ]
                yield shown, f"{'made in' if is_done else 'computing,'} {clock}"

        if words:
            gr.Markdown(words)
        drawing, look = [], {**GALLERY, "columns": columns}
        if hint:
            with gr.Row():
                with gr.Column(scale=3, min_width=320):
                    drawing = [canvas_of("mask", "mask-canvas")]
                with gr.Column(scale=2, min_width=320):
                    results = gr.Gallery(label="Pictures", elem_id=gallery, **look)
            shared.on_choice(lambda *source: canvas.encode(maker_of(*source).picture), drawing, **PRIVATE)
        with gr.Row():
            controls = [*sliders(name).values(), seed_field()]
        make, line = gr.Button(button, variant="primary", elem_id=f"make-{name}"), gr.Markdown()
        if not hint:
            results = gr.Gallery(label="Pictures", elem_id=gallery, **look)
        js = with_drawing("mask-canvas", 3) if hint else None
        make.click(show_errors(made), [*shared.source, *drawing, *controls], [results, line], js=js, **PRIVATE)

    return build
