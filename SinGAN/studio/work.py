"""The work of the page: one piece after the other; of each window only the newest piece counts."""

import base64
import io
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from SinGAN.pictures.images import Levels
from SinGAN.studio.history import reduced

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
PREVIEW = 640  # pixels: the longer side of a preview
KEPT = 1000  # pieces of work that are remembered, at most
WORKING: set[int] = set()
"""The threads that compute something for the page."""


class CancelledError(Exception):
    """The work is no longer wanted."""


@dataclass(eq=False, kw_only=True)
class Piece:
    """A piece of work: some pictures for one window of the page.

    The function that does it calls ``show`` for each preview, and ``finish_one`` for each result; both raise
    ``CancelledError`` when the piece is no longer wanted.
    """

    owner: str
    session: str  # the window
    title: str
    total: int  # of pictures
    run: Callable[["Piece"], None]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = WAITING
    error: str = ""
    done: int = 0  # pictures that are finished
    preview: str = ""  # a data URL
    version: int = 0  # changes with all that follows
    is_cancelled: bool = False
    started: float = 0.0
    share: float = 0.0  # of a picture, or some, that is done besides
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def is_active(self) -> bool:
        """Whether the piece waits or runs."""
        return self.state in (WAITING, RUNNING)

    @property
    def seconds(self) -> float:
        """The seconds since it started."""
        return time.monotonic() - self.started if self.started else 0.0

    @property
    def part(self) -> float:
        """The part of the work that is done, 0 to 1."""
        return min(1.0, (self.done + self.share) / max(1, self.total))

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the part that is done; None: it is too early."""
        enough = self.part >= 0.04 and self.seconds > 0.5
        return self.seconds * (1 - self.part) / self.part if enough and self.state == RUNNING else None

    def check(self) -> None:
        """Raise a CancelledError if the piece is no longer wanted."""
        if self.is_cancelled:
            raise CancelledError

    def show(self, levels: Levels, share: float = 0.0) -> None:
        """Show the preview ``levels`` (H, W, C); ``share`` pictures are done, besides those that are finished."""
        self.check()
        url = data_url(levels)
        with self.changed:
            self.preview, self.share = url, share
            self._tell()

    def finish_one(self) -> None:
        """A result is finished."""
        with self.changed:
            self.done, self.share, self.preview = self.done + 1, 0.0, ""
            self._tell()
        self.check()

    def cancel(self) -> None:
        """Cancel the piece: it ends at its next preview or result."""
        with self.changed:
            if self.is_active:
                self.is_cancelled = True
                if self.state == WAITING:
                    self.state = CANCELLED
                self._tell()

    def set_state(self, state: str, error: str = "") -> None:
        """Set the ``state``, and why it failed."""
        with self.changed:
            self.state, self.error = state, error
            self.started = self.started or time.monotonic()
            self.preview = self.preview if state == RUNNING else ""
            self._tell()

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until the version is not ``seen``, for ``seconds`` at most; return the version."""
        with self.changed:
            self.changed.wait_for(lambda: self.version != seen, seconds)
            return self.version

    def _tell(self) -> None:
        self.version += 1
        self.changed.notify_all()


class Worker:
    """Does pieces of work in a thread of its own, in their order.

    Arguments:
        explain: words for an error that a piece raises.
    """

    def __init__(self, explain: Callable[[Exception], str]) -> None:
        self.explain = explain
        self.lock = threading.Condition()  # guards what follows
        self.waiting: list[Piece] = []
        self.newest: dict[str, Piece] = {}  # of each window
        self.thread: threading.Thread | None = None

    def submit(self, piece: Piece) -> None:
        """Append ``piece``; older work of its window is cancelled."""
        with self.lock:
            self.cancel(piece.session)
            self._remember(piece)
            self.waiting.append(piece)
            if self.thread is None:
                self.thread = threading.Thread(target=self._work, name="studio", daemon=True)
                self.thread.start()
            self.lock.notify_all()

    def cancel(self, session: str) -> None:
        """Cancel the work of a window."""
        with self.lock:
            if session in self.newest:
                self.newest[session].cancel()
            self.waiting = [piece for piece in self.waiting if piece.is_active]

    def of(self, session: str) -> Piece | None:
        """The newest work of a window."""
        with self.lock:
            return self.newest.get(session)

    def adopt(self, owner: str, session: str) -> Piece | None:
        """Give the active work of ``owner``, of a window that was loaded again, to the window ``session``."""
        with self.lock:
            mine = [piece for piece in self.newest.values() if piece.owner == owner and piece.is_active]
            if not mine or session in self.newest:
                return None
            piece = mine[-1]
            del self.newest[piece.session]
            piece.session = session
            self._remember(piece)
            return piece

    def close(self) -> None:
        """Cancel all work; what can't be interrupted goes on until its next preview or result."""
        with self.lock:
            for session in list(self.newest):
                self.cancel(session)

    def _remember(self, piece: Piece) -> None:
        self.newest.pop(piece.session, None)
        self.newest[piece.session] = piece
        for session in [key for key, old in self.newest.items() if not old.is_active][: -KEPT or None]:
            if len(self.newest) > KEPT:
                del self.newest[session]

    def _work(self) -> None:
        WORKING.add(threading.get_ident())
        while True:
            with self.lock:
                WORKING.discard(threading.get_ident())
                self.lock.wait_for(lambda: bool(self.waiting))
                piece = self.waiting.pop(0)
                WORKING.add(threading.get_ident())
            self._do(piece)

    def _do(self, piece: Piece) -> None:
        """Do ``piece``; no error ends the thread."""
        piece.set_state(RUNNING)
        try:
            piece.check()
            piece.run(piece)
            piece.set_state(DONE)
        except CancelledError:
            piece.set_state(CANCELLED)
        except Exception as error:
            words = self.explain(error)
            piece.set_state(CANCELLED if piece.is_cancelled else FAILED, words)


def data_url(levels: Levels) -> str:
    """``levels`` (H, W, C), reduced, as the data URL of a JPEG."""
    content = io.BytesIO()
    reduced(levels, PREVIEW).save(content, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
