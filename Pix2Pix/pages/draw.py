"""A page on this machine: draw labels, and see their translation."""

import io
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from Pix2Pix.runs.testing import Translator
from SinGAN.pictures import decoding
from SinGAN.studio import canvas

BYTES, PIXELS = 20 * 2**20, 16_000_000  # of a drawing, at most
FILES = {"/": (Path(__file__).with_name("draw.html"), "text/html"), "/canvas.js": (canvas.SCRIPT, "text/javascript")}


class Server(ThreadingHTTPServer):
    """Serves the page of ``translator``, and translates the drawings."""

    daemon_threads = True

    def __init__(self, port: int, translator: Translator, name: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.translator, self.lock = translator, Lock()
        palette, picture = translator.palette, canvas.encode_url(translator.blank())
        self.model = json.dumps({"name": name, "palette": palette, "ground": palette[0], "picture": picture}).encode()

    @property
    def hosts(self) -> set[str]:
        """What a browser on this machine calls the server."""
        return {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    def translate(self, content: bytes, seed: int) -> bytes:
        """The translation, as a PNG, of the drawing in ``content``, a PNG.

        Raises:
            ValueError: it is no PNG, or too large.
        """
        try:
            with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
                if picture.width * picture.height > PIXELS:
                    raise ValueError(f"the drawing has {picture.width} x {picture.height} pixels: that is too large")
                levels = np.asarray(Image.fromarray(decoding.levels_of(picture)[:, :, :3]).convert("RGB"))
        except (OSError, SyntaxError, IndexError) as error:
            raise ValueError("the drawing is no PNG that can be read") from error
        with self.lock:
            drawn = self.translator.draw(levels, seed)
        result = io.BytesIO()
        Image.fromarray(drawn[:, :, 0] if drawn.shape[2] == 1 else drawn).save(result, "PNG")
        return result.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers a browser on this machine."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page, its script, or the model's colours."""
        path = urlsplit(self.path).path
        if not self._is_known():
            return
        if path == "/model.json":
            self._answer(self.server.model, "application/json")
        elif path in FILES:
            file, kind = FILES[path]
            self._answer(file.read_bytes(), f"{kind}; charset=utf-8")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        """The translation of a drawing."""
        address = urlsplit(self.path)
        if not self._is_known():
            return
        length, seed = self.headers.get("Content-Length", ""), parse_qs(address.query).get("seed", ["0"])[0]
        if address.path != "/translate":
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
        elif not length.isdecimal() or int(length) > BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a drawing has at most {BYTES // 2**20} MB")
        elif not (seed.isascii() and seed.isdecimal() and len(seed) < 19):
            self._refuse(HTTPStatus.BAD_REQUEST, "the seed must be a whole number from 0 on")
        else:
            start, content = time.monotonic(), self.rfile.read(int(length))
            try:
                picture = self.server.translate(content, int(seed))
            except ValueError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            else:
                self._answer(picture, "image/png", {"X-Seconds": f"{time.monotonic() - start:.2f}"})

    def _is_known(self) -> bool:
        """Whether the browser means this server: other pages that lead here by a name of theirs are refused."""
        origin = urlsplit(self.headers.get("Origin", "")).netloc
        known = self.headers.get("Host") in self.server.hosts and (not origin or origin in self.server.hosts)
        if not known:
            self._refuse(HTTPStatus.FORBIDDEN, "this page serves its own machine alone")
        return known

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        self.close_connection = True
        self._answer(words.encode(), "text/plain; charset=utf-8", status=status)

    def _answer(
        self, content: bytes, kind: str, more: Mapping[str, str] = {}, status: HTTPStatus = HTTPStatus.OK
    ) -> None:  # fmt: skip
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **more}.items():
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""
