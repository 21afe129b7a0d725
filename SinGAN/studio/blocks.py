"""Gradio's blocks with the guards of the studio: errors in one line, no file that was not uploaded."""

import html
from collections.abc import Collection
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.types import ASGIApp

from SinGAN.studio.errors import explain, plain
from SinGAN.studio.guard import Guard

API = "/gradio_api"
PATHS = (
    "/", "/config", "/login", "/logout", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/assets/",
    "/static/", "/svelte/", f"{API}/theme.css", f"{API}/user", f"{API}/login_check", f"{API}/app_id",
    f"{API}/startup-events", f"{API}/queue/join", f"{API}/queue/data", f"{API}/cancel", f"{API}/reset",
    f"{API}/heartbeat/", f"{API}/upload", f"{API}/upload_progress", f"{API}/file=",
)  # fmt: skip
"""The paths that the page needs. Gradio has others, which call functions by name, record or connect elsewhere."""


class PlainError(gr.Error):  # type: ignore[misc]  # Gradio has no types
    """An error that the page shows in one line. Gradio takes it for HTML."""

    def __init__(self, words: str) -> None:
        super().__init__(html.escape(words, quote=False), title="That can't be done", print_exception=False)


class Blocks(gr.Blocks):  # type: ignore[misc]  # Gradio has no types
    """Blocks whose errors are shown in one line, wherever they arise."""

    async def process_api(self, block_fn: Any, inputs: list[Any], *values: Any, **named: Any) -> dict[str, Any]:
        """Call a function of the page.

        Raises:
            PlainError: any error.
        """
        try:
            check_files(inputs)
            result: dict[str, Any] = await super().process_api(block_fn, inputs, *values, **named)
            return result
        except PlainError:
            raise
        except gr.Error as error:
            raise PlainError(plain(error.message)) from error
        except Exception as error:
            raise PlainError(explain(error)) from error

    async def preprocess_data(self, *values: Any, **named: Any) -> list[Any]:
        """Check the values that a browser sent, and convert them for a function of the page.

        Raises:
            gr.Error: a value is out of range.
            ValueError: the page can't have sent a value.
        """
        try:
            result: list[Any] = await super().preprocess_data(*values, **named)
            return result
        except (gr.Error, OSError, MemoryError):
            raise
        except Exception as error:  # Gradio's components raise nearly anything for values of other types
            raise ValueError("a value can't be used that the browser sent: load the page again") from error


def check_files(inputs: Any) -> None:
    """Raise a ValueError if a file among ``inputs`` is a link: Gradio would ask another server for it."""
    rest = [inputs]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            if isinstance(path := value.get("path"), str) and "://" in path:
                raise ValueError("a file must be uploaded; an address can't be opened")
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)


def application(
    blocks: Blocks, host: str, names: Collection[str], auth: tuple[str, str] | None, largest: int, head: str,
    **look: Any,
) -> ASGIApp:  # fmt: skip
    """The guarded application that serves ``blocks`` at ``host``, which has ``names``, too.

    Arguments:
        blocks: the page.
        host: the address that the server listens at.
        names: further host names of the server.
        auth: user and password; None: nobody is asked.
        largest: bytes of an uploaded file, at most.
        head: HTML for the page's head, which may contain inline scripts.
        look: theme and style of the page, as for Gradio's ``launch``.
    """
    parent = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app = gr.mount_gradio_app(
        parent, blocks, "/", server_name=host, auth=auth, max_file_size=largest, show_error=False, footer_links=[],
        enable_monitoring=False, ssr_mode=False, run_history=False, head=head, **look,
    )  # fmt: skip
    blocks.has_launched = True  # else Gradio does not check which files the page may name
    return Guard(app, host, names, PATHS, head, evaluates=True)
