"""A page on this machine: draw labels, and see their translation."""

import io
import json
import time
from pathlib import Path
from threading import Lock

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from Pix2Pix.runs.testing import Translator
from SinGAN.pictures import images
from SinGAN.studio import canvas
from SinGAN.studio.errors import explain
from SinGAN.studio.guard import Guard
from SinGAN.studio.server import listen, run

HOST = "127.0.0.1"
BYTES, PIXELS = 20 * 2**20, 16_000_000  # of a drawing, at most
PAGE = Path(__file__).with_name("draw.html")


def application(translator: Translator, name: str) -> ASGIApp:
    """The page of ``translator``, called ``name``, for the browsers of this machine; it translates drawings."""
    palette, blank, lock = translator.palette, canvas.encode_url(translator.blank()), Lock()
    model = json.dumps({"name": name, "palette": palette, "ground": palette[0], "picture": blank})

    def translate(content: bytes, seed: int) -> bytes:
        levels = images.from_png(content, PIXELS)
        with lock:
            drawn = translator.draw(levels, seed)
        result = io.BytesIO()
        Image.fromarray(drawn[:, :, 0] if drawn.shape[2] == 1 else drawn).save(result, "PNG")
        return result.getvalue()

    async def answer(request: Request) -> Response:
        """The translation, a PNG, of the drawing in the request, a PNG."""
        seed = request.query_params.get("seed", "0")
        if not (seed.isascii() and seed.isdecimal() and len(seed) < 19):
            return PlainTextResponse("the seed must be an integer from 0 on, of at most 18 digits", 400)
        start, content = time.monotonic(), await request.body()
        try:
            picture = await run_in_threadpool(translate, content, int(seed))
        except (ValueError, MemoryError, RuntimeError) as error:
            return PlainTextResponse(explain(error), 400 if isinstance(error, ValueError) else 500)
        return Response(picture, media_type="image/png", headers={"X-Seconds": f"{time.monotonic() - start:.2f}"})

    routes = [
        Route("/", lambda request: FileResponse(PAGE)),
        Route("/canvas.js", lambda request: FileResponse(canvas.SCRIPT)),
        Route("/model.json", lambda request: Response(model, media_type="application/json")),
        Route("/translate", answer, methods=["POST"]),
    ]
    return Guard(Starlette(routes=routes), HOST, (), [route.path for route in routes], largest=BYTES)


def serve(translator: Translator, name: str, port: int) -> None:
    """Serve the page at ``port`` until Ctrl-C; 0: a free port.

    Raises:
        ValueError: the port can't be used.
        KeyboardInterrupt: the end.
    """
    with listen(HOST, port) as found:
        line = f"draw at http://{HOST}:{found.getsockname()[1]} (Ctrl-C ends it)"
        run(application(translator, name), found, line)
