"""Names in texts stay names, whatever language reads them."""

import csv
import io
import re

import pytest

from SinGAN.storage.escaping import escape_cell, escape_controls, escape_markdown
from SinGAN.studies.study import as_csv, as_markdown
from SinGAN.terminal.messages import fail, say
from SinGAN.terminal.script import printing_notes
from SinGAN.terminal.watchers import ParentProcess, Terminal
from tests.workspace import Capture

ODD = "a\x1b[2Jb\u202ec\x9b31md\u2066e\rf\x07g\udcff"
NAME = "\\x1b[2Jb\\u202ec\\x9b31md\\u2066e"


def test_control_characters_and_bidirectional_marks_become_codes() -> None:
    assert escape_controls(ODD) == f"a{NAME}\\rf\\x07g\\udcff"
    for kept in ("é山 \u202f\u200c\u200d\U0001f468", "two\nlines", "a\tb", "\\x1b"):
        assert escape_controls(kept) == kept


def test_whatever_the_terminal_shows_is_escaped(capsys: Capture) -> None:
    say(ODD)
    Terminal().note(ODD)
    ParentProcess().note(ODD)
    with printing_notes():
        from SinGAN.runs.run import LOG

        LOG.info(ODD[:-1])  # pytest's workers can't report a log with lone surrogates
        LOG.warning(ODD[:-1])
    with pytest.raises(SystemExit):
        fail(f"no picture {ODD}")
    out, err = capsys.readouterr()
    assert out.count(NAME) == 3
    assert err.count(NAME) == 2
    assert re.fullmatch(r"[\x20-\x7e\n]*", out + err)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("![x](http://host/y.png)", "!\\[x\\](http://host/y.png)"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)\\>"),
        ("a|b", "a\\|b"),
        ("`x` *y* _z_ ~w~ $v$ &lt;", "\\`x\\` \\*y\\* \\_z\\_ \\~w\\~ \\$v\\$ \\&lt;"),
        ("a\\[b", "a\\\\\\[b"),
        ("two\nlines\x1b", "two lines\\\\x1b"),
        ("scale_factor=0.75,alpha=-1", "scale_factor=0.75,alpha=-1"),
    ],
)
def test_markdown_takes_a_name_for_words(name: str, shown: str) -> None:
    assert escape_markdown(name) == shown


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+cmd", "'+1+cmd"),
        ("-x", "'-x"),
        ("@sum", "'@sum"),
        ("\t=1", "'\t=1"),
        ("-0.5", "-0.5"),
        ("+3e-4", "+3e-4"),
        ("-inf", "-inf"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_a_spreadsheet_computes_no_name(cell: str, shown: str) -> None:
    assert escape_cell(cell) == shown


def test_tables_of_studies_are_escaped() -> None:
    rows = [["setting", "loss"], ["=1+1|<b>", "-0.5"]]
    assert as_markdown(rows) == "| setting | loss |\n| --- | --- |\n| =1+1\\|\\<b\\> | -0.5 |\n"
    assert list(csv.reader(io.StringIO(as_csv(rows)))) == [["setting", "loss"], ["'=1+1|<b>", "-0.5"]]
