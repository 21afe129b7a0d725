"""The page: a picture on the left, what can be made of it in tabs."""

import importlib
import importlib.util
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from SinGAN.studio import canvas
from SinGAN.studio.shared import PRIVATE, Shared, told
from SinGAN.studio.tabs import compare, edit, more, paint, samples, training
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.workspace import SIZE, UNTRAINED, Chosen, Workspace

STYLE = Path(__file__).with_name("page.css")
FONTS = ["system-ui", "sans-serif"]  # none from elsewhere
TABS = {
    "Samples": samples.build,
    "Train": training.build,
    "Paint": paint.build,
    "Edit": edit.build,
    "Enlarge": more.enlarge,
    "Animate": more.animate,
    "Retarget": more.of_task(
        "retarget", "Change the proportions", "retargeted",
        "Other proportions, and nothing in the picture is stretched. Needs no training.",
    ),
    "Inpaint": more.of_task("inpaint", "Fill the hole", "inpainted", hint="draw over what is to go", columns=1),
    "Outpaint": more.of_task(
        "outpaint", "Extend the picture", "outpainted",
        "More of the scene beyond the picture's edges; the picture itself stays.",
    ),
    "Tile": more.of_task(
        "tile", "Make tiles", "tiles", "Pictures that can be laid side by side without a seam. Needs no training.",
        copies=2,
    ),
    "Compare": compare.build,
}  # fmt: skip
"""The tabs by title, each with what builds it."""
OTHERS = {"Translate": "Pix2Pix.pages.tab"}
"""The tabs of packages that stand on this one: by title, the module whose ``build`` builds it."""


def tabs() -> dict[str, Callable[[Shared], None]]:
    """All tabs, those of other packages where these are there."""
    there = {title: name for title, name in OTHERS.items() if importlib.util.find_spec(name.partition(".")[0])}
    return {**TABS, **{title: importlib.import_module(name).build for title, name in there.items()}}


def build(workspace: Workspace, trainings: Trainings, temporary: Path) -> gr.Blocks:
    """The page; files that it shows are made in the folder ``temporary``."""

    def take(file: str | None) -> Chosen | Any:
        return gr.skip() if file is None else workspace.take(Path(file))

    def example(event: gr.SelectData) -> Chosen:
        return workspace.example(workspace.examples()[int(event.index)].name)

    def of_model(key: str) -> Chosen:
        return workspace.picture_of(workspace.model(key))

    def makers(chosen: Chosen | None, key: str | None) -> Any:
        """The choices of what makes pictures of ``chosen``; ``key`` stays where it can."""
        if chosen is None:
            return gr.skip()
        known = [(title, method) for method, title in UNTRAINED.items()]
        known += [(model.title, model.key) for model in workspace.of_picture(chosen)]
        keys = [value for _, value in known]
        return gr.update(choices=known, value=key if key in keys else keys[0])

    def named(chosen: Chosen | None) -> Any:
        return gr.skip() if chosen is None else f"Chosen: **{chosen.title}**"

    def models() -> Any:
        return gr.update(choices=[(model.title, model.key) for model in workspace.models()], value=None)

    last: dict[str, Chosen] = {}  # what each owner chose last: a page that is loaded again goes on with it

    def greeted(owner: str) -> tuple[str, Any]:
        return owner or secrets.token_hex(16), last.get(owner, gr.skip())

    def another(number: int, chosen: Chosen | None) -> Any:
        return gr.skip() if chosen is None else number + 1

    def remember(owner: str, chosen: Chosen | None) -> None:
        if chosen is not None:
            last[owner] = chosen

    with gr.Blocks(title="SinGAN studio", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        owner = gr.BrowserState("", storage_key="singan-studio", secret="singan-studio")
        chosen, ready = gr.State(None), gr.State(0)
        title = "# SinGAN studio\nOne picture is enough: more of its kind, with or without training."
        gr.Markdown(title, elem_id="title")
        with gr.Row():
            with gr.Column(scale=1, min_width=270):
                upload = gr.Image(
                    type="filepath", image_mode=None, sources=["upload", "clipboard"], height=200,
                    label="Your picture", elem_id="upload", buttons=[],
                )  # fmt: skip
                examples = gr.Gallery(
                    [str(path) for path in workspace.examples()], columns=3, height="auto",
                    allow_preview=False, interactive=False, label="Or an example", elem_id="examples", buttons=[],
                )  # fmt: skip
                trained = gr.Dropdown([], label="Or a trained model", elem_id="models")
                line = gr.Markdown("Nothing is chosen yet.", elem_id="chosen")
                made_by = gr.Dropdown(
                    [(title, method) for method, title in UNTRAINED.items()], value=next(iter(UNTRAINED)),
                    label="Made by", elem_id="made-by",
                )  # fmt: skip
                size = gr.Slider(
                    64,
                    4000,
                    value=SIZE,
                    step=2,
                    label="Size, without training",
                    info="longer side in pixels, at most",
                    elem_id="size",
                )
            shared = Shared(workspace, trainings, owner, chosen, made_by, size, temporary, ready)
            with gr.Column(scale=4, min_width=320), gr.Tabs():
                for title, tab in tabs().items():
                    with gr.Tab(title, id=title, elem_id=f"tab-{title.lower()}"):
                        tab(shared)

        def follow(event: Any, key: Any = None) -> None:
            """After ``event``, which chose a picture: say so, offer what can make more of it, and tell the tabs."""
            said = event.success(named, chosen, line, **PRIVATE)
            offered = said.success(told(makers), [chosen, made_by if key is None else key], made_by, **PRIVATE)
            offered.success(another, [ready, chosen], ready, **PRIVATE)

        follow(upload.upload(told(take), upload, chosen, **PRIVATE))
        follow(examples.select(told(example), None, chosen, **PRIVATE))
        follow(trained.input(told(of_model), trained, chosen, **PRIVATE), trained)
        made_by.input(another, [ready, chosen], ready, **PRIVATE)
        size.release(another, [ready, chosen], ready, **PRIVATE)
        made_by.focus(told(makers), [chosen, made_by], made_by, **PRIVATE)
        ready.change(remember, [owner, chosen], None, show_progress="hidden", **PRIVATE)
        follow(page.load(greeted, owner, [owner, chosen], **PRIVATE))
        page.load(models, None, trained, **PRIVATE)
        trained.focus(models, None, trained, **PRIVATE)
    return page


def look() -> dict[str, Any]:
    """The arguments of ``launch`` that decide what the page looks like."""
    head = f'<script type="module">{canvas.SCRIPT.read_text()}</script>'
    return {
        "theme": gr.themes.Default(font=FONTS, font_mono=["ui-monospace", "monospace"]),
        "head": head,
        "css": STYLE.read_text(),
    }
