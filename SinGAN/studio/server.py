"""Serves a page on this machine until Ctrl-C; the folder of its temporary files."""

import logging
import os
import shutil
import socket
import tempfile
import threading
import time
import webbrowser
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from SinGAN.storage.locks import holding, is_abandoned

HEAD = 20.0  # seconds that the head of a request may take
GRACE = 3  # seconds that open connections get at the end
PREFIX = "singan-studio-"  # of the temporary folders


class Connection(H11Protocol):
    """A connection that is closed if the head of a request takes too long; the guard limits the body."""

    loop: AbstractEventLoop
    deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # always a Transport here
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.deadline = self.loop.call_later(HEAD, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        super().data_received(data)
        is_waiting = self.conn.their_state is h11.IDLE
        if self.deadline is not None and not is_waiting:
            self.deadline.cancel()
            self.deadline = None
        elif self.deadline is None and is_waiting:
            self.deadline = self.loop.call_later(HEAD, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self.deadline is not None:
            self.deadline.cancel()
        super().connection_lost(exc)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at ``host`` and ``port``; 0: a free port.

    Raises:
        ValueError: the address can't be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        if os.name == "posix":  # elsewhere it would share the port with another server
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen()
        except OSError:
            found.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"can't listen at {host}, port {port}: {reason}; choose another `port` or `host`") from None
    return found


@contextmanager
def serving(app: ASGIApp, found: socket.socket) -> Iterator[threading.Thread]:
    """Serve ``app`` at the socket ``found`` during the block; yield the thread that serves it.

    Raises:
        RuntimeError: the server could not start.
    """
    config = uvicorn.Config(
        app, http=Connection, ws="none", log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=GRACE,
    )  # fmt: skip
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # the guard logs errors
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [found]}, daemon=True)
    thread.start()
    try:
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        if not server.started:
            raise RuntimeError("the server could not start")
        yield thread
    finally:
        server.should_exit = True
        thread.join(GRACE + 2)
        found.close()


def run(app: ASGIApp, found: socket.socket, line: str, address: str = "") -> None:
    """Serve ``app`` at the socket ``found`` until Ctrl-C. Print ``line``, and open ``address`` in the browser.

    Raises:
        KeyboardInterrupt: the end.
    """
    with serving(app, found) as thread:
        print(line, flush=True)
        if address:
            webbrowser.open(address)
        while thread.is_alive():
            time.sleep(0.5)
    raise RuntimeError("the server has ended")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Use a new temporary folder for all temporary files of the block; those of servers that were killed are removed.

    Yields:
        The folder. A lock on it shows that it is in use.
    """
    before, base = tempfile.tempdir, Path(tempfile.gettempdir())
    for old in base.glob(f"{PREFIX}*"):
        if old.is_dir() and not old.is_symlink() and is_abandoned(old):
            shutil.rmtree(old, ignore_errors=True)
    name = ""
    with ExitStack() as stack:
        while not name or not stack.enter_context(holding(Path(name))):  # another server removed it before the lock
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True))
        try:
            tempfile.tempdir = name
            yield Path(name)
        finally:
            tempfile.tempdir = before
