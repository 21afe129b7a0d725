"""The page to draw on: what it gives, and to whom. The tests speak HTTP."""

import http.client
import io
import json
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

import translate_train
from Pix2Pix.pages.draw import Server
from Pix2Pix.runs.testing import Translator
from tests.translation.tiny import TINY, data_set, draw


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("draw")
    data = data_set(home / "squares")
    translate_train.main(["--dataroot", str(data), "--out", str(home / "out"), *TINY])
    place = home / "out" / "checkpoints" / "squares"
    translator = Translator.load(place, "latest", torch.device("cpu"), seed=0).set_up()
    made = Server(0, translator, "squares")
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def png(levels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "PNG")
    return content.getvalue()


def test_the_page_and_its_colours(server: Server) -> None:
    status, page = ask(server, "GET", "/")
    assert status == 200
    assert b"http://" not in page
    assert b"https://" not in page
    assert ask(server, "GET", "/canvas.js")[1].startswith(b"/* A small canvas")
    given = json.loads(ask(server, "GET", "/model.json")[1])
    assert given["palette"] == ["#1e3c78", "#dc1e1e"]
    assert given["ground"] == "#1e3c78"


def test_a_drawing_becomes_a_picture(server: Server) -> None:
    status, made = ask(server, "POST", "/translate?seed=3", png(draw(3)[0]))
    assert status == 200
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.size == (32, 32)
    assert ask(server, "POST", "/translate?seed=3", png(draw(3)[0]))[1] == made
    assert ask(server, "POST", "/translate?seed=3", png(draw(4)[0]))[1] != made


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/../translate_draw.py", None, {}, 404),
        ("GET", "/etc/passwd", None, {}, 404),
        ("POST", "/elsewhere", b"", {}, 404),
        ("POST", "/translate", b"no picture", {}, 400),
        ("POST", "/translate?seed=x", png(draw(0)[0]), {}, 400),
        ("POST", "/translate", b"", {"Content-Length": str(21 * 2**20)}, 413),
        ("GET", "/", None, {"Host": "elsewhere.example"}, 403),
        ("POST", "/translate", png(draw(0)[0]), {"Origin": "http://elsewhere.example"}, 403),
    ],
)
def test_what_is_refused(
    server: Server, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    assert ask(server, method, path, body, headers)[0] == status
    assert ask(server, "GET", "/")[0] == 200  # it goes on
