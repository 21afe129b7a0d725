"""The page to draw on: what it gives, and to whom. The tests speak HTTP."""

import http.client
import io
import json
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

import translate_train

pytest.importorskip("uvicorn", reason="the package uvicorn, which comes with gradio, is not installed")

from Pix2Pix.pages.draw import PIXELS, application
from Pix2Pix.runs.testing import Translator
from SinGAN.studio.server import listen, serving
from tests.studio.browser import MISSING, Browser, until
from tests.translation.tiny import TINY, data_set, draw


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    home = tmp_path_factory.mktemp("draw")
    data = data_set(home / "squares")
    translate_train.main(["--dataroot", str(data), "--out", str(home / "out"), *TINY])
    place = home / "out" / "checkpoints" / "squares"
    translator = Translator.load(place, "latest", torch.device("cpu"), seed=0).set_up()
    found = listen("127.0.0.1", 0)
    with serving(application(translator, "squares"), found):
        yield int(found.getsockname()[1])


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def png(levels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(levels).save(content, "PNG")
    return content.getvalue()


def test_the_page_and_its_colours(port: int) -> None:
    status, page = ask(port, "GET", "/")
    assert status == 200
    assert b"http://" not in page
    assert b"https://" not in page
    assert ask(port, "GET", "/canvas.js")[1].startswith(b"/* The canvas")
    given = json.loads(ask(port, "GET", "/model.json")[1])
    assert given["palette"] == ["#1e3c78", "#dc1e1e"]
    assert given["ground"] == "#1e3c78"


def test_a_drawing_becomes_a_picture(port: int) -> None:
    status, made = ask(port, "POST", "/translate?seed=3", png(draw(3)[0]))
    assert status == 200
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.size == (32, 32)
    assert ask(port, "POST", "/translate?seed=3", png(draw(3)[0]))[1] == made
    assert ask(port, "POST", "/translate?seed=3", png(draw(4)[0]))[1] != made


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose header promises ``width`` x ``height`` pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_drawings_of_every_mode(port: int, mode: str) -> None:
    content = io.BytesIO()
    grey = Image.fromarray(draw(0)[0]).convert("L")
    (Image.new("I;16", (32, 32), 40_000) if mode == "I;16" else grey.convert(mode)).save(content, "PNG")
    status, made = ask(port, "POST", "/translate", content.getvalue())
    assert (status, made[:4]) == (200, b"\x89PNG")


def test_damaged_drawings(port: int) -> None:
    """Each is answered: with a picture, or with one line."""
    random, whole = np.random.default_rng(0), png(draw(0)[0])
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(8, len(whole), 3):
            damaged[place] = random.integers(256)
        status, told = ask(port, "POST", "/translate", bytes(damaged))
        assert status in (200, 400)
        assert status == 200 or (told.startswith(b"the drawing ") and b"\n" not in told)


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
        ("POST", "/translate", png(draw(0)[0]), {"Origin": "null"}, 403),
        ("POST", "/translate", b"", {"Content-Length": "9" * 5000}, 400),
        ("POST", "/translate", b"", {"Content-Length": "-1"}, 400),
        ("POST", f"/translate?seed={'9' * 5000}", png(draw(0)[0]), {}, 400),
        ("POST", "/translate?seed=-1", png(draw(0)[0]), {}, 400),
        ("POST", "/translate", bomb(10_000, 10_000), {}, 400),
        ("POST", "/translate", bomb(PIXELS, 2), {}, 400),
        ("POST", "/translate", bomb(2**31 - 1, 2**31 - 1), {}, 400),
        ("POST", "/translate", png(draw(0)[0])[:-60], {}, 400),
        ("GET", "/translate", None, {}, 405),
        ("DELETE", "/", None, {}, 405),
    ],
)
def test_invalid_input_is_refused(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    assert ask(port, method, path, body, headers)[0] == status
    assert ask(port, "GET", "/")[0] == 200  # it goes on


@pytest.mark.browser
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "all is there")
def test_the_page_works_under_its_policy(port: int) -> None:
    browser = Browser()
    try:
        browser.driver.get(f"http://127.0.0.1:{port}/")
        browser.drag("paint", (0.2, 0.2), (0.8, 0.8))
        until(lambda: browser.source("#result").startswith("blob:"), 30)
        until(lambda: browser.driver.execute_script("return document.getElementById('result').naturalWidth") == 32, 30)
        assert browser.text("#line").endswith(" s")
        log = browser.driver.get_log("browser")  # type: ignore[no-untyped-call]  # Selenium's method has no types
        assert [entry["message"] for entry in log if "Security Policy" in entry["message"]] == []
        taken = "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.taken = 1\">')"
        browser.driver.execute_script(taken)
        assert (
            browser.driver.execute_script("return new Promise((end) => setTimeout(() => end(window.taken), 500))")
            is None
        )
    finally:
        browser.close()
