"""What the page does when somebody opens a picture, asks for work, or looks at the history."""

import asyncio
import html
import json
import secrets
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from SinGAN.options.applications import INSTANT
from SinGAN.pictures import images
from SinGAN.runs.progress import duration
from SinGAN.storage.escaping import escape_markdown
from SinGAN.studio import canvas
from SinGAN.studio.album import Album
from SinGAN.studio.errors import explain
from SinGAN.studio.history import History
from SinGAN.studio.making import Request, prepare
from SinGAN.studio.panels import titles_of
from SinGAN.studio.parts import split_maps
from SinGAN.studio.shared import message
from SinGAN.studio.tabs import task
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.work import CANCELLED, DONE, FAILED, WAITING, Piece, Worker
from SinGAN.studio.workspace import Chosen, Workspace

LOOK = 0.15  # seconds from one look at the work to the next


class Handlers:
    """What the page does at each event, and what its handlers share."""

    def __init__(self, workspace: Workspace, trainings: Trainings, temporary: Path) -> None:
        self.workspace, self.trainings, self.temporary = workspace, trainings, temporary
        self.history = History(workspace.users)
        self.album, self.worker = Album(workspace, self.history), Worker(explain)
        self.controls = dict[str, dict[str, Any]]()  # of each tool, by name
        workspace.views.mkdir(parents=True, exist_ok=True)
        workspace.pictures.mkdir(parents=True, exist_ok=True)
        workspace.users.mkdir(parents=True, exist_ok=True)
        gr.set_static_paths([workspace.views, workspace.pictures, workspace.users])  # results are not copied

    # Choosing a picture: every handler returns the values of ``opened``.

    def open(
        self, owner: str, session: str, pictures: list[Chosen], made_by: str = INSTANT, label_map: Path | None = None
    ) -> tuple[Any, ...]:
        """Show the first of ``pictures``, which may have a ``label_map``; work for another picture is cancelled."""
        self.worker.cancel(session)
        chosen = pictures[0]
        makers = self.workspace.makers(chosen)
        key = made_by if made_by in [key for _, key in makers] else INSTANT
        view, (height, width) = self.workspace.view(chosen), images.read_size(chosen.file)
        text = json.loads(canvas.describe(images.read_levels(view), self.url(view), view.stem, title=chosen.title))
        if label_map is not None:
            text["map"] = canvas.describe_map(label_map, (height, width))
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
        uploads, maps = split_maps([Path(file) for file in files])
        pictures, label_map = [self.workspace.take(file) for file in uploads], maps.get(uploads[0])
        return (*self.open(owner, str(request.session_hash), pictures, label_map=label_map), None)

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

    def repeat(self, request: gr.Request, owner: str, key: str) -> tuple[Any, ...]:
        """Set the page as it was for a result, and make it once more: also the tool, the seed and all controls."""
        run, _ = self.history.find(owner, key)
        picture = self.workspace.picture_at(run.picture, run.picture_title)
        result = self.open(owner, str(request.session_hash), [picture], run.made_by)
        self.submit(task.request_of(run, picture), owner, str(request.session_hash))
        settings = [
            gr.update(value=run.settings[name]) if tool == run.tool and name in run.settings else gr.skip()
            for tool, controls in self.controls.items()
            for name in controls
        ]
        return (*result, run.tool, f"{run.seed}", *settings)

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
