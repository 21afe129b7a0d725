"""Errors in words for the page: one plain line, without paths of the server."""

import errno
import re

import pytest

from SinGAN.studio.errors import LONGEST, explain, plain


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("`niter` must be\n  1 or more"), "niter must be 1 or more"),
        (ValueError("/home/me/Output/x y.png can't be read"), "x y.png can't be read"),
        (ValueError("two: '/a/b/c.png', (/d/e) and /f"), "two: 'c.png', (e) and f"),
        (ValueError("C:\\Users\\me\\x.png is damaged"), "x.png is damaged"),
        (ValueError("1/2 of a/b, a picture and/or a mask"), "1/2 of a/b, a picture and/or a mask"),
        (OSError(errno.ENOSPC, "No space left on device", "/home/me/Output/x.png"), "No space left on device: x.png"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (FileNotFoundError("no picture /home/me/x.png: put it there"), "no picture x.png: put it there"),
        (MemoryError(), "there is not enough memory: choose a smaller size"),
        (RuntimeError("CUDA out of memory. Tried /x/y"), "there is not enough memory: choose a smaller size"),
        (ValueError("red \x1b[31m, back \u202egnp.exe, nul \0"), r"red \x1b[31m, back \u202egnp.exe, nul \x00"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_is_foreseen(error: Exception, words: str) -> None:
    assert explain(error) == words


@pytest.mark.parametrize(
    "error",
    [KeyError("/home/me"), RuntimeError("odd /home/me"), TypeError("x"), UnicodeDecodeError("utf-8", b"", 0, 1, "x")],
)
def test_what_is_not_foreseen_has_a_number_for_the_log(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise error
    except Exception as caught:
        words = explain(caught)
    found = re.fullmatch(r"something went wrong; the server's log explains it: error ([0-9a-f]{8})", words)
    assert found
    assert f"error {found[1]}: Traceback" in caplog.text
    assert f"{type(error).__name__}: {error}" in caplog.text


def test_long_lines_are_cut() -> None:
    assert len(plain("x" * 10_000)) == LONGEST


def test_the_page_shows_no_html() -> None:
    blocks = pytest.importorskip("SinGAN.studio.blocks", reason="the package gradio is not installed")
    shown = blocks.PlainError(explain(ValueError("<img src=x onerror=alert(1)>")))
    assert shown.message == "&lt;img src=x onerror=alert(1)&gt;"
