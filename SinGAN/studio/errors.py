"""Errors in words for the page: one plain line without paths of the server, or a number that the log explains."""

import logging
import re
import secrets
import traceback
from pathlib import PurePath

from SinGAN.parallel.jobs import describe_error
from SinGAN.storage.escaping import escape_controls
from SinGAN.terminal.messages import OPTION
from SinGAN.terminal.script import is_out_of_memory

LOG = logging.getLogger(__name__)
LONGEST = 400  # characters of a line
PATH = re.compile(r"(?<![^\s'\"(\[=`])(?:[A-Za-z]:)?[\\/](?:[^\s\\/'\"`:;,)\]]+[\\/])*([^\s\\/'\"`:;,)\]]+)")
"""An absolute path, and its last part."""


def explain(error: BaseException) -> str:
    """``error`` in one line for the page. An unforeseen one gets a number, under which it is logged."""
    if is_out_of_memory(error):
        words = "there is not enough memory: choose a smaller size"
    elif isinstance(error, OSError) and error.strerror:
        name = PurePath(error.filename).name if isinstance(error.filename, str) else ""
        words = f"{error.strerror}: {name}" if name else error.strerror
    elif type(error) is ValueError or isinstance(error, OSError):
        words = describe_error(error)
    else:
        words = f"something went wrong; the server's log explains it: error {record(error)}"
    return plain(words)


def plain(words: str) -> str:
    """``words`` as one line: options without backticks, paths by their last part, no control characters."""
    shown = escape_controls(PATH.sub(r"\1", OPTION.sub(r"\1", " ".join(words.split()))))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def record(error: BaseException) -> str:
    """Log ``error`` with its traceback under a new number, and return the number."""
    number = secrets.token_hex(4)
    LOG.error("error %s: %s", number, "".join(traceback.format_exception(error)).rstrip())
    return number
