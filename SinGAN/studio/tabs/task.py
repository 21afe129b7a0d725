"""The panel of a tool: its controls follow from the declaration of its task."""

from pathlib import Path
from typing import Any

import gradio as gr

from SinGAN.options.applications import DENOISE, INSTANT, PATCHES, VARIETIES
from SinGAN.pictures import images
from SinGAN.studio import canvas
from SinGAN.studio.history import Run
from SinGAN.studio.making import Request, prepare
from SinGAN.studio.shared import PRIVATE, QUIET, Shared, channel, first, message, parse_seed, slider, with_drawing
from SinGAN.studio.tools import EACH, FREE, FREEDOMS, FREELY, TOOLS, Tool
from SinGAN.studio.workspace import Chosen

SHAPES = {"as it is": (1.0, 1.0), "wider": (2.0, 1.0), "taller": (1.0, 2.0), "twice as large": (2.0, 2.0)}
METHODS = [
    ("the instant engine", INSTANT),
    ("patch diffusion, as published", DENOISE),
    ("nearest patches, as published", PATCHES),
]
DRAWING = 4  # the place of the drawing among the inputs


def build(shared: Shared, tool: Tool) -> None:
    """The panel of ``tool``."""
    controls = shared.controls[tool.id] = dict[str, Any]()
    gr.Markdown(tool.words, elem_classes="words")
    if tool.freedom:
        words = [*FREEDOMS, ("one of each", EACH)]
        controls["freedom"] = gr.Radio(
            words,
            value=FREE,
            label="How freely",
            info=FREELY[tool.freedom],
            elem_id=f"{tool.id}-freedom",
        )
    if tool.id == "variations":
        shape = gr.Radio(list(SHAPES), value="as it is", label="Shape of the results", elem_id="shape")
    plain = [name for name in tool.plain if name in tool.options]
    with gr.Row(elem_classes="plain"):
        for name in plain:
            controls[name] = slider(name, tool.options[name], f"{tool.id}-")
        if tool.has_count and "count" not in tool.options:
            controls["count"] = gr.Slider(1, 6, value=2, step=1, label="How many", elem_id=f"{tool.id}-count")
        if tool.walk:
            kinds = [("GIF", "gif"), ("WebP", "webp"), ("MP4", "mp4")]
            controls["kind"] = gr.Radio(kinds, value="gif", label="File", elem_id="animate-kind")
    with gr.Accordion("Exact settings", open=False, elem_classes="exact"):
        for name, entry in tool.options.items():
            if name not in plain:
                controls[name] = slider(name, entry, f"{tool.id}-")
        if tool.freedom:
            add_exact(controls, tool)
        method = gr.Dropdown(
            METHODS, value=INSTANT, label="Method without training", elem_id=f"{tool.id}-method",
            info="the published methods are for comparison; they work at 250 pixels or less",
            visible=not tool.needs_model and tool.canvas != "arrange",
        )  # fmt: skip
    if tool.canvas == "arrange":
        add_label_map(shared)
    if tool.id == "variations":
        shape.input(lambda name: SHAPES[name], shape, [controls["scale_h"], controls["scale_v"]], **PRIVATE)
    every = gr.Checkbox(
        False, label="Do this to all pictures that I opened together", elem_id=f"{tool.id}-every", elem_classes="every",
        visible=tool.canvas == "look" and not tool.needs_model,
    )  # fmt: skip
    button = gr.Button(tool.button, variant="primary", elem_id=f"make-{tool.id}", elem_classes="main")

    def begin(
        request: gr.Request, owner: str, pictures: list[Chosen], made_by: str, size: int, drawing: str, seed: str,
        method: str, every: bool, *values: Any,
    ) -> None:  # fmt: skip
        asked = Request(
            tool=tool, pictures=pictures if every else pictures[:1], made_by=method if made_by == INSTANT else made_by,
            size=int(size), drawing=drawing, values=dict(zip(controls, values, strict=True)), seed=parse_seed(seed),
        )  # fmt: skip
        shared.worker.submit(prepare(asked, shared.workspace, shared.history, owner, str(request.session_hash)))

    drawing = gr.Textbox(visible="hidden")  # filled when the button is pressed
    inputs = [shared.owner, shared.pictures, shared.made_by, shared.size, drawing, shared.seed, method, every]
    begun = button.click(
        begin, [*inputs, *controls.values()], None, js=with_drawing(DRAWING), show_progress="hidden",
        trigger_mode="multiple", concurrency_limit=None, **PRIVATE,
    )  # fmt: skip
    shared.follow(begun)


def add_exact(controls: dict[str, Any], tool: Tool) -> None:
    """Add the exact controls in place of near, free and wild."""
    if tool.freedom == "variety":
        controls["variety"] = gr.Dropdown(
            [("as near, free or wild says", ""), *VARIETIES], value="", label="Variety", elem_id=f"{tool.id}-variety",
            info="without training: how far from the picture's layout",
        )  # fmt: skip
    words = "with a trained model: " if tool.freedom != "injection" else ""
    controls["start_scale"] = gr.Textbox(
        "", label="Start scale", placeholder="as near, free or wild says", max_lines=1, max_length=3,
        elem_id=f"{tool.id}-start_scale",
        info=f"{words}0 is the coarsest and freest; the finer, the nearer to the picture",
    )  # fmt: skip


def add_label_map(shared: Shared) -> None:
    """Add a button that opens the label map of the picture."""

    def show(pictures: list[Chosen], file: str) -> str:
        return message(**canvas.describe_map(Path(file), images.read_size(first(pictures).file)))

    text = channel("label-map", "((text) => singanMap('canvas', text))")
    button = gr.UploadButton("Open a label map of the photo", size="sm", elem_id="label-map", elem_classes="after")
    button.upload(show, [shared.pictures, button], text, **QUIET)


def variations(chosen: Chosen) -> Request:
    """The request for four variations of ``chosen``, as a click on an example makes it."""
    tool = TOOLS["variations"]
    values = {name: entry.slider[2] for name, entry in tool.options.items() if entry.slider} | {"freedom": FREE}
    return Request(tool=tool, pictures=[chosen], values=values)


def request_of(run: Run, picture: Chosen) -> Request:
    """What was asked for ``run``, of ``picture``, to ask for it again.

    Raises:
        ValueError: it can't be asked for again.
    """
    if run.tool not in TOOLS:
        raise ValueError(f"\u201c{run.title}\u201d can't be made again from here: open its own page")
    settings = dict(run.settings)
    size = int(settings.pop("size", 0))
    return Request(
        tool=TOOLS[run.tool], pictures=[picture], made_by=run.made_by, size=size, drawing=run.drawing,
        values=settings, seed=run.seed,
    )  # fmt: skip
