"""The page: one picture, one result area, one history; the tools are panels beside the picture."""

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image

from SinGAN.options.applications import INSTANT
from SinGAN.parallel.jobs import make_slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.studio.blocks import Blocks, application
from SinGAN.studio.handlers import Handlers
from SinGAN.studio.panels import panels, titles_of
from SinGAN.studio.server import listen, run
from SinGAN.studio.shared import PRIVATE, QUIET, Shared, canvas_of, channel, seed_field
from SinGAN.studio.tools import TOOLS
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.workspace import BYTES, PIXELS, UNTRAINED, Chosen, Workspace, device
from SinGAN.terminal.watchers import watched_environment

WEB = Path(__file__).parent / "web"
SCRIPTS = ("canvas.js", "viewer.js", "history.js", "page.js")
FONTS = ["system-ui", "sans-serif"]  # none from the internet
ACCENT, ACCENT_HOVER, FAINT, FAINT_DARK = "#c2410c", "#9a3412", "#52525b", "#c8c8d0"
COLOURS = {  # with enough contrast to be read
    "color_accent": ACCENT, "slider_color": ACCENT,
    "button_primary_background_fill": ACCENT, "button_primary_background_fill_hover": ACCENT_HOVER,
    "button_primary_background_fill_dark": ACCENT, "button_primary_background_fill_hover_dark": ACCENT_HOVER,
    "block_info_text_color": FAINT, "block_info_text_color_dark": FAINT_DARK,
    "body_text_color_subdued": FAINT, "body_text_color_subdued_dark": FAINT_DARK,
    "input_placeholder_color": FAINT, "input_placeholder_color_dark": FAINT_DARK,
    "block_label_text_color": FAINT, "block_label_text_color_dark": FAINT_DARK,
}  # fmt: skip
LARGE = 6  # examples that the first page shows
SIZES = [("the picture's own", 0), ("at most 2000 pixels", 2000), ("at most 1000", 1000), ("at most 500: fast", 500)]
NARROW = (
    "<style>@media (max-width: 800px) { .gradio-container { padding: 0 !important } "
    ".app { padding: 0 .7rem 5rem !important } }</style>"
)
"""Beyond what Gradio lets a style sheet reach: the margins of the page on a phone."""
SHOWN = "body[data-tool={0}] #panel-{0} {{ display: flex !important }}"  # only the chosen tool's panel is seen
UNMADE = (
    "body[data-tool={0}] .form:has(#made-by) {{ display: none !important }}"  # of tools that trained models don't do
)


def build(workspace: Workspace, trainings: Trainings, temporary: Path) -> Blocks:
    """Build the page, which shows files in the folder ``temporary``."""
    handlers = Handlers(workspace, trainings, temporary)
    offered = panels()
    blocks = Blocks(title="SinGAN studio", analytics_enabled=False, delete_cache=(3600, 86400))
    with blocks:
        owner = gr.BrowserState("", storage_key="singan-studio", secret="singan-studio")
        last_tool = gr.BrowserState("", storage_key="singan-tool", secret="singan-studio")
        pictures = gr.State(list[Chosen]())
        with gr.Row(elem_id="top"):
            gr.HTML("<h1>SinGAN studio</h1>", elem_id="title")
            another = gr.Button("Another picture", elem_id="another", size="sm")
            dark = gr.Button("Dark or light", elem_id="dark", size="sm")
        # The first page.
        with gr.Column(elem_id="landing"):
            gr.Markdown("## Make more of one picture")
            upload = gr.File(
                label="Open your own pictures: drop them here, paste one, or click", file_count="multiple", height=120,
                elem_id="upload",
            )  # fmt: skip
            examples = gr.Gallery(
                [(str(workspace.view(Chosen(path, path.stem))), path.stem) for path in workspace.examples()[:LARGE]],
                columns=3, height="auto", allow_preview=False, interactive=False, label="Or click one of these",
                elem_id="examples", elem_classes="results", buttons=[], object_fit="cover",
            )  # fmt: skip
            mine = gr.Gallery(
                [], columns=6, height="auto", allow_preview=False, interactive=False, label="Your pictures",
                elem_id="mine", elem_classes="results", buttons=[], visible=False,
            )  # fmt: skip
            trained = gr.Dropdown([], label="Or the picture of a trained model", elem_id="models")
        # The desk: the picture and its tools on the left, the results on the right.
        with gr.Column(elem_id="desk"):
            tool = gr.Radio(
                titles_of(workspace),
                value="variations",
                show_label=False,
                label="Tool",
                container=False,
                elem_id="tools",
            )
            with gr.Row(elem_id="sides"):
                with gr.Column(elem_id="left", min_width=320):
                    line = gr.Markdown(elem_id="chosen")
                    text = canvas_of("look", "canvas", load="singanOpened")
                    with gr.Column(elem_id="panels"):
                        made_by = gr.Dropdown(
                            [(UNTRAINED[INSTANT], INSTANT)], value=INSTANT, label="Made by", elem_id="made-by",
                            visible=False,
                        )  # fmt: skip
                        with gr.Accordion("Size and seed", open=False, elem_id="common", render=False) as common:
                            size = gr.Dropdown(SIZES, value=0, label="Longer side of the results", elem_id="size")
                            seed = seed_field()
                        outputs = list[Any]()

                        def follow(event: Any) -> Any:
                            return event.success(
                                handlers.follow, owner, outputs, trigger_mode="multiple", concurrency_limit=None,
                                **QUIET,
                            )  # fmt: skip

                        shared = Shared(
                            workspace, trainings, handlers.history, handlers.worker, owner, pictures, made_by, size,
                            seed, handlers.controls, follow,
                        )  # fmt: skip
                        with gr.Column(elem_id="result", min_width=320, render=False) as right:
                            gr.HTML('<singan-viewer id="viewer"></singan-viewer>')
                            with gr.Row(elem_id="progress"):
                                state = gr.HTML(elem_id="status")
                                cancel = gr.Button("Cancel", elem_id="cancel", visible=False, size="sm")
                            with gr.Row(elem_id="actions"):
                                download = gr.Button("Download", elem_id="download", size="sm")
                                use = gr.Button("Use as the picture", elem_id="use", size="sm")
                                again = gr.Button("Again with this seed", elem_id="again", size="sm")
                                pin = gr.Button("Pin to compare", elem_id="pin", size="sm")
                                zipped = gr.Button("Download ticked", elem_id="zip", size="sm")
                                delete = gr.Button("Delete", elem_id="delete", size="sm")
                            archive = gr.File(
                                label="Zip of results", visible=False, interactive=False, elem_id="archive"
                            )
                            gr.HTML('<singan-history id="history"></singan-history>')
                            live, listed = channel("live", "singanLive"), channel("listed", "singanHistory")
                            outputs += [state, cancel, live, listed]
                        for name, (_, _, make) in offered.items():
                            with gr.Column(elem_id=f"panel-{name}", elem_classes="tool-panel"):
                                make(shared)
                        common.render()
                right.render()

        # Events. JavaScript shows the tool at once; the server remembers it.
        modes = {name: mode for name, (_, mode, _) in offered.items()}
        tool.change(lambda name: name, tool, last_tool, js=f"(name) => singanTool(name, {json.dumps(modes)})", **QUIET)
        another.click(None, None, None, js="() => { singanPlace('landing'); return []; }", **QUIET)
        dark.click(None, None, None, js="() => { singanDark(); return []; }", **QUIET)
        opened = [pictures, text, line, made_by, mine]
        busy = "(...values) => { singanBusy('canvas'); return values; }"
        first = "async (owner, ...rest) => { singanBusy('canvas'); return [await singanOwner(), ...rest]; }"
        chosen = [
            upload.upload(handlers.upload, [owner, upload], [*opened, upload], js=first, **PRIVATE),
            examples.select(handlers.example, owner, opened, js=first, trigger_mode="multiple", **QUIET),
            mine.select(handlers.own, owner, opened, js=busy, trigger_mode="multiple", **QUIET),
            trained.input(handlers.of_model, [owner, trained], opened, js=busy, **QUIET),
            use.click(handlers.use, [owner, live], opened, js="(owner, key) => [owner, singanShown()]", **QUIET),
        ]
        chosen[0].failure(lambda: None, None, upload, **QUIET)  # the field is free for another file
        for event in chosen:
            follow(event)
        cancel.click(handlers.cancel, None, None, **QUIET)
        download.click(None, None, None, js="() => { singanDownload(); return []; }", **QUIET)
        pin.click(None, None, None, js="() => { singanPin(); return []; }", **QUIET)
        ticked = "(owner, keys) => [owner, singanTicked()]"
        chosen_ones = "(owner, keys) => [owner, singanDelete()]"
        delete.click(handlers.delete, [owner, live], listed, js=chosen_ones, **QUIET)
        made = zipped.click(handlers.zip, [owner, live], archive, js=ticked, **QUIET)
        made.success(lambda: gr.update(visible=True), None, archive, **QUIET)
        values = [control for controls in handlers.controls.values() for control in controls.values()]
        shown = "(owner, key) => [owner, singanShown()]"
        follow(again.click(handlers.repeat, [owner, live], [*opened, tool, seed, *values], js=shown, **QUIET))
        loaded = blocks.load(handlers.restore, [owner, last_tool], [owner, tool, trained, listed, *opened], **QUIET)
        loaded.then(None, owner, None, js="(owner) => { singanOwned(owner); return []; }", **QUIET)
        follow(loaded)
    return blocks


def look() -> dict[str, Any]:
    """The arguments of ``application`` for the look of the page."""
    scripts = "\n".join((WEB / name).read_text() for name in SCRIPTS)
    rules = [SHOWN.format(name) for name in panels()]
    rules += [UNMADE.format(name) for name in panels() if name not in TOOLS or not TOOLS[name].takes_models]
    return {
        "theme": gr.themes.Default(font=FONTS, font_mono=["ui-monospace", "monospace"]).set(**COLOURS),
        "head": f'<meta name="viewport" content="width=device-width">{NARROW}<script type="module">{scripts}</script>',
        "css": "\n".join([(WEB / "page.css").read_text(), *rules]),
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
        trainings = Trainings(LocalRunner(slots, watched_environment()), workspace.out)
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
