"""The studio's server: what it gives away, and to whom."""

import importlib.util
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from SinGAN.studio.command import main
from tests.studio.browser import served
from tests.workspace import Capture, refusal

gradio = pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="the package gradio is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "secret.txt").write_text("secret")
    (folder / "Output" / "Studio").mkdir(parents=True)
    (folder / "Output" / "Studio" / "trainings.json").write_text("[]")
    (folder / "Output" / "Studio" / "link.png").symlink_to(folder / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with served(home) as found:
        yield found


def status(address: str, headers: dict[str, str] | None = None) -> int:
    """The status of a request to ``address``."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@gradio
@pytest.mark.browser
def test_only_its_own_files_are_served(address: str, home: Path) -> None:
    assert status(address) == 200
    with urllib.request.urlopen(f"{address}/config", timeout=20) as answer:
        config = json.loads(answer.read())
    examples = [part for part in config["components"] if part["props"].get("elem_id") == "examples"]
    ours = Path(examples[0]["props"]["value"][0]["image"]["path"])
    file = f"{address}/gradio_api/file="
    assert status(file + urllib.parse.quote(str(ours))) == 200
    inside = ours.parent
    away = [
        "/etc/passwd",
        str(home / "secret.txt"),
        "secret.txt",
        str(home / "Output" / "Studio" / "trainings.json"),
        str(home / "Output" / "Studio" / "link.png"),
        str(inside / ".." / ".." / ".." / ".." / ".." / ".." / "etc" / "passwd"),
        f"{inside}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "../secret.txt",
        "..%2fsecret.txt",
        os.path.relpath("/etc/passwd", home),
    ]
    for path in away:
        assert status(file + path) in (400, 403, 404), path
        assert status(f"{address}/{path.lstrip('/')}") in (400, 403, 404), path


@gradio
@pytest.mark.browser
def test_other_pages_can_t_use_it(address: str) -> None:
    answer = urllib.request.Request(f"{address}/config", headers={"Origin": "http://elsewhere.example"})
    with urllib.request.urlopen(answer, timeout=20) as given:
        assert given.headers.get("Access-Control-Allow-Origin") is None


@gradio
@pytest.mark.browser
def test_a_password_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path, "--auth", "me:word") as address:
        assert status(f"{address}/config") == 401
        assert "warning" not in (tmp_path / "studio.log").read_text()


OPEN = "warning: everybody who can reach 0.0.0.0 can use this page"


@gradio
@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--host", "0.0.0.0"], f"{OPEN}, and --auth asks for no password\n"),
        (["--host", "0.0.0.0", "--auth", "me:word"], f"{OPEN}\n"),
        (["--auth", "me:word"], ""),
        ([], ""),
    ],
)
def test_an_open_address_is_warned_of(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flags: list[str], line: str
) -> None:
    served = list[object]()
    monkeypatch.setitem(sys.modules, "SinGAN.studio.page", SimpleNamespace(serve=lambda *given: served.append(given)))
    monkeypatch.setitem(sys.modules, "SinGAN.studio.shared", SimpleNamespace(WORKING=set()))
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "DO_NOT_TRACK", "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "")
    main(["--input_dir", str(tmp_path), *flags])
    assert capsys.readouterr().out == line
    assert len(served) == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--auth", "me"], "must be user:password"),
        (["--port", "0"], "must be 1 to 65535"),
        (["--input_dir", "nowhere"], "no folder nowhere"),
        (["--prot", "1"], "do you mean --port?"),
    ],
)
def test_bad_flags_are_one_line(capsys: Capture, flags: list[str], words: str) -> None:
    assert words in refusal(capsys, lambda: main(flags))


def test_without_gradio_one_line_says_so(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install" in refusal(capsys, lambda: main(["--input_dir", str(tmp_path)]))
