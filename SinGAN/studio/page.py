"""The page: the chosen picture on the left, the tasks in tabs; and the server of the page."""

import importlib
import importlib.util
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image

from SinGAN.parallel.jobs import make_slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.storage.escaping import escape_markdown
from SinGAN.studio import canvas
from SinGAN.studio.blocks import Blocks, application
from SinGAN.studio.server import listen, run
from SinGAN.studio.shared import PRIVATE, Shared, show_errors
from SinGAN.studio.tabs import compare, edit, more, paint, samples, training
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.workspace import BYTES, PIXELS, SIZE, UNTRAINED, Chosen, Workspace, device
from SinGAN.terminal.watchers import watched

STYLE = Path(__file__).with_name("page.css")
FONTS = ["system-ui", "sans-serif"]  # none from the internet
OWNERS = 1000  # whose last choice is remembered
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
"""The tabs by title, each with the function that builds it."""
OTHERS = {"Translate": "Pix2Pix.pages.tab"}
"""The tabs of packages that build on this one: by title, the module with the function ``build``."""


def tabs() -> dict[str, Callable[[Shared], None]]:
    """All tabs, including those of other packages that are installed."""
    installed = {title: name for title, name in OTHERS.items() if importlib.util.find_spec(name.partition(".")[0])}
    return {**TABS, **{title: importlib.import_module(name).build for title, name in installed.items()}}


def build(workspace: Workspace, trainings: Trainings, temporary: Path) -> Blocks:
    """Build the page, which shows files in the folder ``temporary``."""
    untrained = [(title, method) for method, title in UNTRAINED.items()]

    def take(file: str | None) -> Chosen | Any:
        return gr.skip() if file is None else workspace.take(Path(file))

    def example(event: gr.SelectData) -> Chosen:
        return workspace.example(workspace.examples()[int(event.index)].name)

    def of_model(key: str) -> Chosen:
        return workspace.picture_of(workspace.model(key))

    def makers(chosen: Chosen | None, key: str | None) -> Any:
        """The makers of pictures like ``chosen``; ``key`` remains chosen if possible."""
        if chosen is None:
            return gr.skip()
        known = [*untrained, *((model.title, model.key) for model in workspace.of_picture(chosen))]
        keys = [value for _, value in known]
        return gr.update(choices=known, value=key if key in keys else keys[0])

    def show_title(chosen: Chosen | None) -> Any:
        return gr.skip() if chosen is None else f"Chosen: **{escape_markdown(chosen.title)}**"

    def models() -> Any:
        return gr.update(choices=[(model.title, model.key) for model in workspace.models()], value=None)

    last: dict[str, Chosen] = {}  # the last choice of each owner, for a page that is loaded again

    def restore(owner: str) -> tuple[str, Any]:
        return owner or secrets.token_hex(16), last.get(owner, gr.skip())

    def count_up(number: int, chosen: Chosen | None) -> Any:
        return gr.skip() if chosen is None else number + 1

    def remember(owner: str, chosen: Chosen | None) -> None:
        if chosen is not None:
            last[owner] = chosen
            if len(last) > OWNERS:
                del last[next(iter(last))]

    page = Blocks(title="SinGAN studio", analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
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
                made_by = gr.Dropdown(untrained, value=untrained[0][1], label="Made by", elem_id="made-by")
                size = gr.Slider(
                    64, 4000, value=SIZE, step=2, label="Size, without training", elem_id="size",
                    info="longer side in pixels, at most",
                )  # fmt: skip
            shared = Shared(workspace, trainings, owner, chosen, made_by, size, temporary, ready)
            with gr.Column(scale=4, min_width=320), gr.Tabs():
                for title, tab in tabs().items():
                    with gr.Tab(title, id=title, elem_id=f"tab-{title.lower()}"):
                        tab(shared)

        def follow(event: Any, key: Any = None) -> None:
            """After ``event``, which chose a picture: show its title, offer its makers, and notify the tabs."""
            titled = event.success(show_title, chosen, line, **PRIVATE)
            offered = titled.success(show_errors(makers), [chosen, made_by if key is None else key], made_by, **PRIVATE)
            offered.success(count_up, [ready, chosen], ready, **PRIVATE)

        follow(upload.upload(show_errors(take), upload, chosen, **PRIVATE))
        follow(examples.select(show_errors(example), None, chosen, **PRIVATE))
        follow(trained.input(show_errors(of_model), trained, chosen, **PRIVATE), trained)
        made_by.input(count_up, [ready, chosen], ready, **PRIVATE)
        size.release(count_up, [ready, chosen], ready, **PRIVATE)
        made_by.focus(show_errors(makers), [chosen, made_by], made_by, **PRIVATE)
        ready.change(remember, [owner, chosen], None, show_progress="hidden", **PRIVATE)
        follow(page.load(restore, owner, [owner, chosen], **PRIVATE))
        page.load(models, None, trained, **PRIVATE)
        trained.focus(models, None, trained, **PRIVATE)
    return page


def look() -> dict[str, Any]:
    """The arguments of ``application`` for the look of the page."""
    head = f'<script type="module">{canvas.SCRIPT.read_text()}</script>'
    return {
        "theme": gr.themes.Default(font=FONTS, font_mono=["ui-monospace", "monospace"]),
        "head": head,
        "css": STYLE.read_text(),
    }


def serve(
    out: Path, inputs: Path, temporary: Path, host: str, port: int, auth: tuple[str, str] | None, browser: bool,
    names: Collection[str] = (),
) -> None:  # fmt: skip
    """Serve the page at ``host`` and ``port`` until Ctrl-C. Trainings that run then are stopped, and can be resumed.

    ``names`` are further host names of the server, as behind a reverse proxy.
    """
    Image.MAX_IMAGE_PIXELS = PIXELS  # Pillow refuses pictures of twice as many before it reads them
    with listen(host, port) as found:
        workspace = Workspace(out.absolute(), inputs.absolute())
        slots = make_slots(device(), 1, 1, torch.get_num_threads())
        trainings = Trainings(LocalRunner(slots, watched()), workspace.out)
        blocks = build(workspace, trainings, temporary)
        blocks.queue(default_concurrency_limit=1)
        app = application(blocks, host, names, auth, BYTES, **look())
        address = f"http://{host if ':' not in host else f'[{host}]'}:{port}"
        try:
            run(app, found, f"the studio: {address} (Ctrl-C ends it)", address if browser else "")
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal is gone
                print("the studio is closed", flush=True)
        finally:
            trainings.close()
