"""Names in texts: escaped for the language that reads the text, so that they stay names.

A name is that of a file or a folder, or an option's value. It can hold all characters, and can come with a model of a
stranger. For HTML, ``html.escape`` and ``urllib.parse.quote`` do the same. This module imports nothing slow.
"""

import re

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that control a terminal, change the direction of the text around them, or can't be encoded."""
MARKDOWN = re.compile(r"[\\`*\[\]<>|&$~]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word is only itself
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def escape_controls(text: str) -> str:
    """Replace control characters, other than tabs and ends of lines, and bidirectional marks in ``text`` by codes."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_markdown(text: str) -> str:
    """Return ``text`` for a line of Markdown or a cell of its tables: it can be no link, picture, HTML or formula."""
    return MARKDOWN.sub(r"\\\g<0>", escape_controls(" ".join(text.split())))


def escape_cell(text: str) -> str:
    """Return ``text`` for a cell of a CSV file: an apostrophe precedes what a spreadsheet would compute."""
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
