"""Random samples: without training, or from a trained model, at any size."""

import random
from collections.abc import Iterator
from typing import Any

import gradio as gr

from SinGAN.options.applications import VARIETIES
from SinGAN.storage.escaping import escape_markdown
from SinGAN.studio.shared import (
    BUTTONS,
    GALLERY,
    PRIVATE,
    Clock,
    Shared,
    parse_seed,
    require_picture,
    scale_slider,
    scale_updater,
    seed_field,
    show_errors,
    sliders,
    with_previews,
)
from SinGAN.studio.workspace import Chosen

SIZES = {"As it is": (1.0, 1.0), "Wider": (2.0, 1.0), "Taller": (1.0, 2.0), "2 x": (2.0, 2.0)}
start_range = scale_updater(0, lambda finest: 0)


def build(shared: Shared) -> None:
    """The tab."""

    def sample(
        chosen: Chosen | None, key: str, size: float, count: float, variety: float, start: float, wide: float,
        high: float, seed: str,
    ) -> Iterator[tuple[Any, str, Any]]:  # fmt: skip
        maker, clock = shared.maker(chosen, key, size, VARIETIES[int(variety)]), Clock()
        used = parse_seed(seed)
        used = random.SystemRandom().randrange(2**31) if used is None else used
        start = min(int(start), len(maker) - 1)

        def draw(maker: Any) -> Any:
            return maker.sample(int(count), start_scale=start, scale_h=wide, scale_v=high, seed=used)

        for pictures, is_done in with_previews(maker, draw):
            line = f"{len(pictures)} pictures in {clock}, seed {used}" if is_done else f"computing, {clock}"
            yield pictures, line, pictures if is_done else []

    def keep(chosen: Chosen | None, made: list[Any]) -> str:
        if not made:
            raise ValueError("there is nothing to keep yet: make samples first")
        return f"kept in {escape_markdown(str(shared.workspace.keep(require_picture(chosen).title, made)))}"

    def adapt(chosen: Chosen | None, key: str, size: float) -> tuple[Any, Any]:
        maker = shared.maker(chosen, key, size)
        return maker.picture, start_range(maker)

    with gr.Row():
        real = gr.Image(
            label="The real one", interactive=False, format="png", elem_id="real", elem_classes="large", buttons=BUTTONS
        )
        with gr.Column(scale=2):
            with gr.Row():
                wide, high, count = sliders("sample").values()
                start = scale_slider(0, "Start scale", "finer: nearer to the picture")
            with gr.Row():
                variety = gr.Slider(
                    0,
                    len(VARIETIES) - 1,
                    value=1,
                    step=1,
                    label="Variety, without training",
                    info="0: near the picture",
                )
                seed = seed_field()
    with gr.Row():
        make = gr.Button("Make samples", variant="primary", elem_id="make-samples")
        sizes = [(gr.Button(title), factors) for title, factors in SIZES.items()]
        kept = gr.Button("Keep these", elem_id="keep-samples")
    line, last = gr.Markdown(elem_id="samples-line"), gr.State([])
    gallery = gr.Gallery(label="Samples", elem_id="samples", **GALLERY)
    results = [gallery, line, last]
    kept.click(show_errors(keep), [shared.chosen, last], line, **PRIVATE)
    inputs = [*shared.source, count, variety, start, wide, high, seed]
    make.click(show_errors(sample), inputs, results, **PRIVATE)
    for button, factors in sizes:
        chosen_size = button.click(lambda factors=factors: factors, None, [wide, high], **PRIVATE)
        chosen_size.then(show_errors(sample), inputs, results, **PRIVATE)
    adapted = shared.on_choice(adapt, [real, start], **PRIVATE)
    adapted.success(show_errors(sample), inputs, results, **PRIVATE)
