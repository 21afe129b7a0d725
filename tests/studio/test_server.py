"""The studio's server: what it gives away, and to whom."""

import functools
import http.server
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from SinGAN.studio.command import AUTH, main
from tests.studio.browser import MISSING, ONE_THREAD, ROOT, Browser, served, until
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


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


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
    assert status(f"{address}/config", {"Origin": "http://elsewhere.example"}) == 403


@pytest.mark.slow
@gradio
@pytest.mark.browser
def test_a_password_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path, "--auth", "me:word") as address:
        assert status(f"{address}/config") == 401
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        for word, answer in (("wrong", 400), ("word", 200)):
            form = urllib.parse.urlencode({"username": "me", "password": word}).encode()
            try:
                assert browser.open(f"{address}/login", form, timeout=20).status == answer
            except urllib.error.HTTPError as error:
                assert error.code == answer  # noqa: PT017
        assert browser.open(f"{address}/config", timeout=20).status == 200
        assert status(f"{address}/config") == 401  # it holds for that browser alone
        assert "warning" not in (tmp_path / "studio.log").read_text()


LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.violatedDirective));
"""
INJECT = """
document.body.insertAdjacentHTML("beforeend", `<img src="x" onerror="window.taken = 1">
  <img src="http://elsewhere.example/x.png"><p style="background: url(http://elsewhere.example/y.png)"></p>
  <iframe src="http://elsewhere.example"></iframe><link rel="stylesheet" href="http://elsewhere.example/z.css">`);
const script = document.createElement("script");
script.textContent = "window.taken = 2";
document.body.append(script);
fetch("http://elsewhere.example").catch(() => 0);
"""


@gradio
@pytest.mark.browser
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "all is there")
def test_the_page_works_under_its_policy_and_injected_html_does_not(address: str) -> None:
    browser = Browser()
    try:
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN})
        browser.open(address)
        browser.example(0)
        browser.opened("larches")
        browser.tool("paint")
        browser.drag("canvas", (0.2, 0.2), (0.8, 0.8))
        browser.cancel()
        before = len(browser.items())
        browser.click("#make-paint")
        browser.results(before + 2)
        browser.tool("train")
        assert browser.driver.execute_script("return refused") == []
        own = urllib.parse.urlsplit(address).netloc
        asked = [request for request in browser.requests() if request.startswith("http")]
        assert {urllib.parse.urlsplit(request).netloc for request in asked} == {own}
        browser.driver.execute_script(INJECT)
        wanted = {"script-src-attr", "script-src-elem", "img-src", "frame-src", "style-src-elem", "connect-src"}
        until(lambda: wanted <= set(browser.driver.execute_script("return refused")), 20)
        assert browser.driver.execute_script("return window.taken") is None
    finally:
        browser.close()


@gradio
@pytest.mark.browser
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "all is there")
def test_a_page_from_elsewhere_can_t_frame_it_or_upload_to_it(address: str, tmp_path: Path) -> None:
    """The other page comes from another port, so that it has another origin."""
    script = f"""fetch("{address}/gradio_api/upload", {{method: "POST", mode: "no-cors", body: new FormData(form)}})
    .then(() => document.title = "sent", () => document.title = "failed")"""
    (tmp_path / "index.html").write_text(
        f"<form id=form><input name=files value=x></form><iframe src='{address}'></iframe><script>{script}</script>"
    )
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        browser = Browser()
        try:
            browser.driver.get(f"http://127.0.0.1:{other.server_port}/")
            until(lambda: browser.driver.title in ("sent", "failed"), 20)
            log = browser.driver.get_log("performance")  # type: ignore[no-untyped-call]
            events = [json.loads(entry["message"])["message"] for entry in log]
            answers = [event["params"]["response"] for event in events if event["method"] == "Network.responseReceived"]
            assert {answer["status"] for answer in answers if answer["url"].startswith(address)} == {403}
        finally:
            browser.close()
            other.shutdown()


@gradio
@pytest.mark.browser
def test_foreign_hosts_and_origins_are_refused(address: str) -> None:
    for headers in (
        {"Host": "elsewhere.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
    ):  # fmt: skip
        assert status(f"{address}/config", headers) == 403
    for path in (
        "gradio_api/run/x", "gradio_api/call/x", "gradio_api/info", "gradio_api/process_recording", "docs",
        "monitoring", "gradio_api/file=http://elsewhere.example", "gradio_api/proxy=http://x.hf.space",
    ):  # fmt: skip
        assert status(f"{address}/{path}") == 404


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
    capsys: Capture, asked_for: list[Any], tmp_path: Path, flags: list[str], line: str
) -> None:
    main(["--input_dir", str(tmp_path), *flags])
    assert capsys.readouterr().out == line
    assert len(asked_for) == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--auth", "me"], "must be user:password"),
        (["--auth"], "must be user:password"),
        (["--auth", ":"], "must be user:password"),
        (["--allowed_hosts", "https://studio.example"], "must be host names like studio.example"),
        (["--port", "0"], "must be 1 to 65535"),
        (["--input_dir", "nowhere"], "no folder nowhere"),
        (["--prot", "1"], "do you mean --port?"),
    ],
)
def test_bad_flags_are_one_line(capsys: Capture, flags: list[str], words: str) -> None:
    assert words in refusal(capsys, lambda: main(flags))


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the page is served with; it is not served."""
    served = list[Any]()
    monkeypatch.setitem(sys.modules, "SinGAN.studio.page", SimpleNamespace(serve=lambda *given: served.append(given)))
    monkeypatch.setitem(sys.modules, "SinGAN.studio.work", SimpleNamespace(WORKING=set()))
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "DO_NOT_TRACK", "GRADIO_TEMP_DIR", "SINGAN_OFFLINE"):
        monkeypatch.setenv(name, "")
    return served


@gradio
def test_the_password_comes_from_the_environment(asked_for: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUTH, "me:wo:rd")
    main([])
    assert ("me", "wo:rd") in asked_for[0]
    assert AUTH not in os.environ  # trainings don't get it
    monkeypatch.setenv(AUTH, "me:word")
    main(["--auth", "you:password"])
    assert ("you", "password") in asked_for[1]


@gradio
@pytest.mark.parametrize(("flags", "user"), [(["--auth"], "asked"), (["--auth", "me"], "me")])
def test_the_terminal_asks_for_the_password(
    flags: list[str], user: str, asked_for: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda words: "asked")
    monkeypatch.setattr("getpass.getpass", lambda words: "word")
    main(flags)
    assert (user, "word") in asked_for[0]


def start_command(folder: Path, code: str) -> "subprocess.Popen[bytes]":
    """The studio in ``folder`` with its temporary files there; ``code`` runs in place of the page's server."""
    program = f"""
import sys, time, types
from pathlib import Path
def serve(*given):
    {code}
sys.modules["SinGAN.studio.page"] = types.SimpleNamespace(serve=serve)
sys.modules["SinGAN.studio.work"] = types.SimpleNamespace(WORKING=set())
from SinGAN.terminal.script import quiet_interrupts
quiet_interrupts()
from SinGAN.studio.command import main
main(["--input_dir", "."])
"""
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, env={**ONE_THREAD, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


UPLOAD = """import tempfile
    file, name = tempfile.mkstemp()
    (given[2] / "upload.png").write_text("private")
    print("ready", flush=True)
    time.sleep(600)"""


@gradio
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_leave_no_uploads(number: str, tmp_path: Path) -> None:
    with start_command(tmp_path, UPLOAD) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert len(list(tmp_path.rglob("*"))) == 3  # both files lie in one folder
        process.send_signal(getattr(signal, number))
        assert b"Traceback" not in process.stdout.read()
    assert process.returncode == 128 + getattr(signal, number)
    assert list(tmp_path.iterdir()) == []


@gradio
@pytest.mark.skipif(os.name != "posix", reason="sends signals")
def test_uploads_of_a_killed_server_are_removed_at_the_next_start_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "singan-studio-link").symlink_to(tmp_path / "elsewhere")
    with start_command(tmp_path, UPLOAD) as killed, start_command(tmp_path, UPLOAD) as running:
        assert killed.stdout
        assert running.stdout
        assert [killed.stdout.readline(), running.stdout.readline()] == [b"ready\n"] * 2
        before = set(tmp_path.glob("singan-studio-*/upload.png"))
        assert len(before) == 2
        killed.kill()
        killed.wait()
        with start_command(tmp_path, "pass") as third:
            assert third.wait(60) == 0
        assert len(before & set(tmp_path.glob("singan-studio-*/upload.png"))) == 1  # that of the server that runs
        assert (tmp_path / "elsewhere" / "file").exists()
        running.send_signal(signal.SIGTERM)


def test_without_gradio_one_line_says_so(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install" in refusal(capsys, lambda: main(["--input_dir", str(tmp_path)]))
