"""One tab each: enlarge, animate, retarget, inpaint, outpaint, tile."""

import tempfile
from collections.abc import Iterator
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
    picked,
    previewed,
    scale_slider,
    seed_field,
    seed_of,
    told,
)
from SinGAN.studio.tabs.paint import canvas_of, with_drawing
from SinGAN.studio.workspace import UNTRAINED, Chosen
from SinGAN.tasks.super_resolve import BACK_PROJECTION

MOVING = 100  # frames at most


def enlarge(shared: Shared) -> None:
    """The tab that enlarges."""

    def made(chosen: Chosen | None, key: str, factor: float, rounds: float, seed: str) -> tuple[Any, str]:
        picked(chosen)
        model, clock = shared.workspace.trained(key), Clock()
        large = model.super_resolve(factor=factor, back_projection=int(rounds), seed=seed_of(seed))
        plain = arrays.from_image(bicubic(arrays.to_image(model.picture), factor))
        return (plain, large), f"{large.shape[1]} x {large.shape[0]} pixels in {clock}"

    gr.Markdown("A trained model adds detail that fits. Left of the line: plain bicubic enlargement.")
    with gr.Row():
        factor = gr.Slider(1.5, 8, value=4, step=0.5, label="Times")
        rounds = gr.Slider(0, 20, value=BACK_PROJECTION, step=1, label="Rounds that keep it near to the picture")
        seed = seed_field()
    make, line = gr.Button("Enlarge", variant="primary", elem_id="make-enlarged"), gr.Markdown()
    slider = gr.ImageSlider(
        label="Bicubic, and with the model's detail", interactive=False, format="png", elem_classes="large",
        buttons=BUTTONS, elem_id="enlarged",
    )  # fmt: skip
    make.click(told(made), [shared.chosen, shared.made_by, factor, rounds, seed], [slider, line], **PRIVATE)


def animate(shared: Shared) -> None:
    """The tab that animates."""

    def models(chosen: Chosen | None, key: str, size: float) -> Any:
        moving = shared.workspace.of_picture(picked(chosen), ANIMATION.name)
        choices = [(model.title, model.key) for model in moving]
        choices += [] if key in UNTRAINED else [("the chosen one", key)]
        return gr.update(choices=choices, value=choices[0][1] if choices else None)

    def made(
        chosen: Chosen | None, key: str | None, start: float, alpha: float, beta: float, frames: float, fps: float,
        kind: str, seed: str,
    ) -> tuple[Any, Any, str]:  # fmt: skip
        picked(chosen)
        model, clock = shared.workspace.trained(key or ""), Clock()
        animations.check_format(kind)
        start = min(int(start), len(model) - 1)
        walk = model.animate(int(frames), start_scale=start, alpha=alpha, beta=beta, seed=seed_of(seed))
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
        alpha = gr.Slider(0, 1, value=0.1, step=0.05, label="Pull to the picture")
        beta = gr.Slider(0, 1, value=0.9, step=0.05, label="Smoothness")
        frames = gr.Slider(2, MOVING, value=40, step=1, label="Frames")
        fps = gr.Slider(1, 30, value=10, step=1, label="Frames a second")
        seed = seed_field()
    make, line = gr.Button("Animate", variant="primary", elem_id="make-animation"), gr.Markdown()
    moving = gr.Image(
        label="Animation", interactive=False, type="filepath", elem_id="animation", elem_classes="large",
        buttons=BUTTONS,
    )  # fmt: skip
    video = gr.Video(label="Animation", interactive=False, autoplay=True, loop=True, visible=False, elem_id="video")
    inputs = [shared.chosen, model, start, alpha, beta, frames, fps, kind, seed]
    make.click(told(made), inputs, [moving, video, line], **PRIVATE)
    shared.on_choice(models, model, **PRIVATE)


def retarget(shared: Shared) -> None:
    """The tab that gives other proportions."""

    def made(
        chosen: Chosen | None, key: str, size: float, wide: float, high: float, count: float, seed: str
    ) -> Iterator[tuple[Any, str]]:
        engine, clock = shared.patches(chosen, key, size), Clock()

        def change(engine: Any) -> Any:
            return engine.retarget(int(count), scale_h=wide, scale_v=high, seed=seed_of(seed))

        for pictures, is_done in previewed(engine, change):
            yield pictures, f"{'made in' if is_done else 'computing,'} {clock}"

    gr.Markdown("Other proportions, and nothing in the picture is stretched. Needs no training.")
    with gr.Row():
        wide = gr.Slider(0.4, 3, value=1.6, step=0.1, label="Width, in pictures")
        high = gr.Slider(0.4, 3, value=1, step=0.1, label="Height, in pictures")
        count = gr.Slider(1, 6, value=2, step=1, label="How many")
        seed = seed_field()
    make, line = gr.Button("Change the proportions", variant="primary", elem_id="make-retarget"), gr.Markdown()
    gallery = gr.Gallery(label="Pictures", elem_id="retargeted", **{**GALLERY, "columns": 2})
    make.click(told(made), [*shared.source, wide, high, count, seed], [gallery, line], **PRIVATE)


def inpaint(shared: Shared) -> None:
    """The tab that fills holes."""

    def made(
        chosen: Chosen | None, key: str, size: float, drawing: str, count: float, seed: str
    ) -> Iterator[tuple[Any, str]]:
        engine, clock = shared.patches(chosen, key, size), Clock()
        mask = canvas.taken(drawing).marked("draw over what is to go")
        for pictures, is_done in previewed(engine, lambda engine: engine.inpaint(mask, int(count), seed=seed_of(seed))):
            yield pictures, f"{'made in' if is_done else 'computing,'} {clock}"

    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            text = canvas_of("mask", "mask-canvas")
        with gr.Column(scale=2, min_width=320):
            gallery = gr.Gallery(label="Pictures", elem_id="inpainted", **{**GALLERY, "columns": 1})
    with gr.Row():
        count = gr.Slider(1, 6, value=2, step=1, label="How many")
        seed = seed_field()
    make, line = gr.Button("Fill the hole", variant="primary", elem_id="make-inpaint"), gr.Markdown()
    shared.on_choice(lambda *source: canvas.given(shared.patches(*source).picture), text, **PRIVATE)
    js = with_drawing("mask-canvas", 3)
    make.click(told(made), [*shared.source, text, count, seed], [gallery, line], js=js, **PRIVATE)


def outpaint(shared: Shared) -> None:
    """The tab that extends the picture beyond its edges."""

    def made(
        chosen: Chosen | None, key: str, size: float, left: float, right: float, top: float, bottom: float,
        count: float, seed: str,
    ) -> Iterator[tuple[Any, str]]:  # fmt: skip
        engine, clock = shared.patches(chosen, key, size), Clock()
        sides = {"left": left, "right": right, "top": top, "bottom": bottom}
        margins = {side: f"{int(percent)}%" for side, percent in sides.items()}

        def extend(engine: Any) -> Any:
            return engine.outpaint(int(count), **margins, seed=seed_of(seed))

        for pictures, is_done in previewed(engine, extend):
            yield pictures, f"{'made in' if is_done else 'computing,'} {clock}"

    gr.Markdown("More of the scene beyond the picture's edges; the picture itself stays. Needs no training.")
    with gr.Row():
        left, right, top, bottom = (
            gr.Slider(0, 100, value=value, step=5, label=f"{side}, percent")
            for side, value in (("Left", 0), ("Right", 50), ("Top", 0), ("Bottom", 0))
        )
        count = gr.Slider(1, 6, value=2, step=1, label="How many")
        seed = seed_field()
    make, line = gr.Button("Extend the picture", variant="primary", elem_id="make-outpaint"), gr.Markdown()
    gallery = gr.Gallery(label="Pictures", elem_id="outpainted", **{**GALLERY, "columns": 2})
    make.click(told(made), [*shared.source, left, right, top, bottom, count, seed], [gallery, line], **PRIVATE)


def tile(shared: Shared) -> None:
    """The tab that makes seamless tiles."""

    def made(chosen: Chosen | None, key: str, size: float, count: float, seed: str) -> tuple[Any, str]:
        engine, clock = shared.patches(chosen, key, size), Clock()
        tiles = engine.tile(int(count), seed=seed_of(seed))
        both = [((one, "a tile"), (np.tile(one, (2, 2, 1)), "four of it")) for one in tiles]
        return [picture for pair in both for picture in pair], f"made in {clock}"

    gr.Markdown("Pictures that can be laid side by side without a seam. Needs no training.")
    with gr.Row():
        count = gr.Slider(1, 4, value=1, step=1, label="How many")
        seed = seed_field()
    make, line = gr.Button("Make tiles", variant="primary", elem_id="make-tile"), gr.Markdown()
    gallery = gr.Gallery(label="Tiles", elem_id="tiles", **{**GALLERY, "columns": 2})
    make.click(told(made), [*shared.source, count, seed], [gallery, line], **PRIVATE)
