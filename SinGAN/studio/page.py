"""The page: one picture, one result area, one history; the tools are panels beside the picture."""

import asyncio
import html
import importlib
import importlib.util
import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image

from SinGAN.options.applications import INSTANT
from SinGAN.parallel.jobs import make_slots
from SinGAN.parallel.local import LocalRunner
from SinGAN.pictures import images
from SinGAN.runs.progress import duration
from SinGAN.storage.escaping import escape_markdown
from SinGAN.studio import canvas
from SinGAN.studio.album import Album
from SinGAN.studio.blocks import Blocks, application
from SinGAN.studio.errors import explain
from SinGAN.studio.history import History
from SinGAN.studio.making import Request, prepare
from SinGAN.studio.server import listen, run
from SinGAN.studio.shared import (
    PRIVATE,
    QUIET,
    Shared,
    canvas_of,
    channel,
    message,
    seed_field,
)
from SinGAN.studio.tabs import compare, task, training
from SinGAN.studio.tools import TOOLS
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.work import CANCELLED, DONE, FAILED, WAITING, Piece, Worker
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
OTHERS = {"Labels": "Pix2Pix.pages.tab"}
"""The panels of packages that build on this one: by title, the module with the function ``build``."""
LOOK = 0.15  # seconds from one look at the work to the next
NARROW = (
    "<style>@media (max-width: 800px) { .gradio-container { padding: 0 !important } "
    ".app { padding: 0 .7rem 5rem !important } }</style>"
)
"""Beyond what Gradio lets a style sheet reach: the margins of the page on a phone."""
SHOWN = "body[data-tool={0}] #panel-{0} {{ display: flex !important }}"  # only the chosen tool's panel is seen


def panels() -> dict[str, tuple[str, str, Callable[[Shared], None]]]:
    """The panels by id: the title, what is done on the picture, and the function that builds it."""
    found: dict[str, tuple[str, str, Callable[[Shared], None]]] = {
        tool.id: (tool.title, tool.canvas, partial(task.build, tool=tool)) for tool in TOOLS.values()
    }
    found |= {"train": ("Train", "look", training.build), "compare": ("Compare", "look", compare.build)}
    for title, name in OTHERS.items():
        if importlib.util.find_spec(name.partition(".")[0]):
            found[title.lower()] = (title, "look", importlib.import_module(name).build)
    return found


def titles_of(workspace: Workspace) -> list[tuple[str, str]]:
    """The titles and ids of the panels; those of other packages only if they have models."""
    hidden = {
        title.lower()
        for title, name in OTHERS.items()
        if importlib.util.find_spec(name.partition(".")[0]) and not importlib.import_module(name).names(workspace)
    }
    return [(title, name) for name, (title, _, _) in panels().items() if name not in hidden]


class Page:
    """The handlers of the page, and what they share."""

    def __init__(self, workspace: Workspace, trainings: Trainings, temporary: Path) -> None:
        self.workspace, self.trainings, self.temporary = workspace, trainings, temporary
        self.history = History(workspace.users)
        self.album, self.worker = Album(workspace, self.history), Worker(explain)
        workspace.views.mkdir(parents=True, exist_ok=True)
        workspace.pictures.mkdir(parents=True, exist_ok=True)
        workspace.users.mkdir(parents=True, exist_ok=True)
        gr.set_static_paths([workspace.views, workspace.pictures, workspace.users])  # results are not copied

    # Choosing a picture: every handler returns the values of ``opened``.

    def open(self, owner: str, session: str, pictures: list[Chosen], made_by: str = INSTANT) -> tuple[Any, ...]:
        """Show the first of ``pictures``; work for another picture is cancelled."""
        self.worker.cancel(session)
        chosen = pictures[0]
        makers = self.workspace.makers(chosen)
        key = made_by if made_by in [key for _, key in makers] else INSTANT
        view, (height, width) = self.workspace.view(chosen), images.read_size(chosen.file)
        text = json.loads(canvas.describe(images.read_levels(view), self.url(view), view.stem, title=chosen.title))
        self.album.add(owner, pictures)
        line = f"**{escape_markdown(chosen.title)}** &nbsp; {width} \u00d7 {height} pixels"
        line += f", {chosen.note}" if chosen.note else ""
        line += f" (and {len(pictures) - 1} more)" if len(pictures) > 1 else ""
        made_by = gr.update(choices=makers, value=key, visible=len(makers) > 1)
        return pictures, message(**text, several=len(pictures) > 1), line, made_by, self.mine(owner)

    def upload(self, request: gr.Request, owner: str, files: list[str] | None) -> tuple[Any, ...]:
        """Open uploaded files."""
        if not files:
            return (*self.nothing(), gr.skip())
        pictures = [self.workspace.take(Path(file)) for file in files]
        return (*self.open(owner, str(request.session_hash), pictures), None)

    def example(self, request: gr.Request, event: gr.SelectData, owner: str) -> tuple[Any, ...]:
        """Open an example, and begin four variations of it."""
        chosen = self.workspace.example(self.workspace.examples()[int(event.index)].name)
        result = self.open(owner, str(request.session_hash), [chosen])
        self.submit(task.variations(chosen), owner, str(request.session_hash))
        return result

    def submit(self, asked: Request, owner: str, session: str) -> None:
        """Begin the work for a request."""
        self.worker.submit(prepare(asked, self.workspace, self.history, owner, session))

    def own(self, request: gr.Request, event: gr.SelectData, owner: str) -> tuple[Any, ...]:
        """Open a picture that the user has opened before."""
        known = self.album.of(owner)
        if not 0 <= int(event.index) < len(known):
            return self.nothing()
        return self.open(owner, str(request.session_hash), [known[int(event.index)]])

    def of_model(self, request: gr.Request, owner: str, key: str) -> tuple[Any, ...]:
        """Open the picture of a trained model."""
        return self.open(owner, str(request.session_hash), [self.workspace.picture_of(self.workspace.model(key))], key)

    def use(self, request: gr.Request, owner: str, key: str) -> tuple[Any, ...]:
        """Open a result."""
        run, file = self.history.find(owner, key)
        if file.suffix != ".png":
            raise ValueError("an animation can't be used as the picture: choose a still one")
        chosen = self.workspace.picture_at(str(file), f"{run.picture_title}, {run.title.lower()}")
        return self.open(owner, str(request.session_hash), [chosen])

    def restore(self, request: gr.Request, owner: str, tool: str) -> tuple[Any, ...]:
        """The page after it was loaded: the user's last picture, results and tool."""
        owner = owner or secrets.token_hex(16)
        self.worker.adopt(owner, str(request.session_hash))
        known, result = self.album.of(owner), self.nothing()
        if known:
            piece = self.worker.of(str(request.session_hash))
            result = self.open(owner, f"not {request.session_hash}" if piece else str(request.session_hash), known[:1])
        else:
            result = (*result[:4], self.mine(owner))
        models = [(model.title, model.key) for model in self.workspace.models()]
        titles = titles_of(self.workspace)
        shown = gr.update(choices=titles, value=tool if tool in [name for _, name in titles] else "variations")
        return (owner, shown, gr.update(choices=models, value=None), self.list(owner), *result)

    def nothing(self) -> tuple[Any, ...]:
        """The outputs of a handler that opens nothing."""
        return tuple(gr.skip() for _ in range(5))

    def mine(self, owner: str) -> Any:
        """The gallery of the user's pictures."""
        pictures = [(str(self.workspace.view(chosen)), chosen.title) for chosen in self.album.of(owner)]
        return gr.update(value=pictures, visible=bool(pictures))

    def url(self, file: Path) -> str:
        """The address of a file that the page may show."""
        return f"gradio_api/file={file}"

    # The work.

    async def follow(self, request: gr.Request, owner: str) -> AsyncIterator[tuple[Any, ...]]:
        """Show the newest work of the window until it ends, or newer work begins."""
        session = str(request.session_hash)
        piece, seen, done, looked = self.worker.of(session), -1, 0, 0.0
        if piece is None:
            yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
            return
        while self.worker.of(session) is piece:
            looked += LOOK
            if piece.version != seen or looked >= 1:
                looked, is_new = 0.0, piece.version != seen
                seen, is_active = piece.version, piece.is_active
                results = gr.skip()
                if piece.done != done or not is_active:
                    done, results = piece.done, await asyncio.to_thread(self.list, owner)
                live = (
                    message(piece=piece.id, preview=piece.preview, words=words_of(piece), active=is_active)
                    if is_new
                    else gr.skip()
                )
                yield status(piece), gr.update(visible=is_active), live, results
                if not is_active:
                    return
            await asyncio.sleep(LOOK)

    def cancel(self, request: gr.Request) -> None:
        """Cancel the work of the window."""
        self.worker.cancel(str(request.session_hash))

    # The history.

    def list(self, owner: str) -> str:
        """All results of ``owner``, for the page."""
        if not owner:
            return "[]"
        views = dict[str, str]()
        items = self.history.items(owner)
        for item in items:
            original = item.pop("original")
            if original not in views:
                views[original] = self.view_of(original)
            item |= {"originalView": views[original], "originalFile": original if self.is_shown(original) else ""}
        return json.dumps(items)

    def view_of(self, original: str) -> str:
        """The view of an original; "" if it is gone."""
        try:
            return str(self.workspace.view(self.workspace.picture_at(original, "")))
        except (OSError, ValueError):
            return ""

    def is_shown(self, original: str) -> bool:
        """Whether the page may show the file of an original."""
        folders = self.workspace.pictures, self.workspace.users
        return any(folder in Path(original).parents for folder in folders)

    def delete(self, owner: str, keys: str) -> str:
        """Remove the ticked results."""
        self.history.delete(owner, read_keys(keys))
        return self.list(owner)

    def zip(self, owner: str, keys: str) -> str:
        """An archive of the ticked results."""
        chosen = read_keys(keys)
        if not chosen:
            raise ValueError("there is no result yet")
        folder = Path(tempfile.mkdtemp(dir=self.temporary))
        return str(self.history.zip(owner, chosen, folder / "results.zip"))


def read_keys(text: str) -> list[str]:
    """The keys of results in ``text``, a JSON list."""
    try:
        keys = json.loads(text or "[]")
    except (ValueError, RecursionError):
        keys = None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("choose a result first")
    return keys


def words_of(piece: Piece) -> str:
    """What a piece of work is doing, in words."""
    number = min(piece.total, int(piece.done + piece.share) + 1)
    left = f", about {duration(piece.seconds_left)} left" if piece.seconds_left is not None else ""
    of = f": {number} of {piece.total}" if piece.total > 1 else ""
    return f"{piece.title}{of}{left}"


def status(piece: Piece) -> str:
    """The line under the result area, as HTML."""
    words = words_of(piece)
    if piece.state == WAITING:
        words = f"{piece.title}: waits for its turn"
    if piece.state == DONE:
        fewer = f": the picture allows no more than {piece.done}" if piece.done < piece.total else ""
        words = f"{piece.title}: {piece.done} in {piece.seconds:.1f} s{fewer}"
    if piece.state == CANCELLED:
        words = f"{piece.title}: cancelled" + (f", {piece.done} of {piece.total} are kept" if piece.done else "")
    shown = f"That can't be done: {piece.error}" if piece.state == FAILED else html.escape(words)
    bar = f'<progress max="1" value="{piece.part:.3f}" aria-label="part that is done"></progress>'
    return f'<div class="progress" data-state="{piece.state}">{bar if piece.is_active else ""}<b>{shown}</b></div>'


def build(workspace: Workspace, trainings: Trainings, temporary: Path) -> Blocks:
    """Build the page, which shows files in the folder ``temporary``."""
    handlers = Page(workspace, trainings, temporary)
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
                        shared = Shared(
                            workspace, trainings, handlers.history, handlers.album, handlers.worker, temporary, owner,
                            pictures, made_by, size, seed,
                        )  # fmt: skip
                        outputs = list[Any]()

                        def follow(event: Any) -> Any:
                            return event.success(
                                handlers.follow,
                                owner,
                                outputs,
                                trigger_mode="multiple",
                                concurrency_limit=None,
                                **QUIET,
                            )

                        shared.follow = follow
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
        for event in chosen:
            follow(event)
        cancel.click(handlers.cancel, None, None, **QUIET)
        download.click(None, None, None, js="() => { singanDownload(); return []; }", **QUIET)
        pin.click(None, None, None, js="() => { singanPin(); return []; }", **QUIET)
        ticked = "(owner, keys) => [owner, singanTicked()]"
        delete.click(handlers.delete, [owner, live], listed, js=ticked, **QUIET)
        made = zipped.click(handlers.zip, [owner, live], archive, js=ticked, **QUIET)
        made.success(lambda: gr.update(visible=True), None, archive, **QUIET)
        values = [control for controls in shared.controls.values() for control in controls.values()]

        def repeat(request: gr.Request, owner: str, key: str) -> tuple[Any, ...]:
            """Set the page as it was for a result, and make it once more."""
            run, _ = handlers.history.find(owner, key)
            picture = handlers.workspace.picture_at(run.picture, run.picture_title)
            result = handlers.open(owner, str(request.session_hash), [picture], run.made_by)
            handlers.submit(task.request_of(run, picture), owner, str(request.session_hash))
            settings = [
                gr.update(value=run.settings[name]) if tool_name == run.tool and name in run.settings else gr.skip()
                for tool_name, controls in shared.controls.items()
                for name in controls
            ]
            return (*result, run.tool, f"{run.seed}", *settings)

        shown = "(owner, key) => [owner, singanShown()]"
        follow(again.click(repeat, [owner, live], [*opened, tool, seed, *values], js=shown, **QUIET))
        loaded = blocks.load(handlers.restore, [owner, last_tool], [owner, tool, trained, listed, *opened], **QUIET)
        loaded.then(None, owner, None, js="(owner) => { singanOwned(owner); return []; }", **QUIET)
        follow(loaded)
    return blocks


def look() -> dict[str, Any]:
    """The arguments of ``application`` for the look of the page."""
    scripts = "\n".join((WEB / name).read_text() for name in SCRIPTS)
    return {
        "theme": gr.themes.Default(font=FONTS, font_mono=["ui-monospace", "monospace"]).set(**COLOURS),
        "head": f'<meta name="viewport" content="width=device-width">{NARROW}<script type="module">{scripts}</script>',
        "css": (WEB / "page.css").read_text() + "".join(f"\n{SHOWN.format(name)}" for name in panels()),
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
