"""Hostile calls: a thousand calls of the page's functions with values that no page sends."""

import gc
import json
import random
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the package gradio is not installed")

from SinGAN.pictures import images
from SinGAN.studio import canvas
from SinGAN.studio.blocks import application
from SinGAN.studio.page import build, look
from SinGAN.studio.server import listen, serving, temporary_folder
from SinGAN.studio.trainings import Trainings
from SinGAN.studio.workspace import BYTES
from SinGAN.studio.workspace import Workspace as Folders
from tests.parallel.test_queue import ManualRunner
from tests.workspace import Workspace

pytestmark = pytest.mark.filterwarnings(  # of Gradio
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
CALLS = 1000
PNG = canvas.encode_url(np.zeros((2, 2, 3), np.uint8))


def values(secret: Path) -> list[Any]:
    """Values that are no right ones, or right ones in the wrong place."""
    deep: Any = []
    for _ in range(150):
        deep = [deep]
    texts = [
        "", " ", "x" * 100_000, "\0", "\ud83d\ude00", "\u202egnp.exe", "../../../etc/passwd", str(secret), "nan", "-1",
        "1e999", "9" * 5000, "<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "{}", "null", "--out=/x",
        "instant", "train", "\x1b[31mred", "%00", "${HOME}", "https://elsewhere.example/x.png", PNG,
        json.dumps({"picture": PNG, "mask": PNG}), json.dumps({"picture": 1, "mask": []}), json.dumps([1, 2]),
    ]  # fmt: skip
    files = [
        {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": name}
        for path in (str(secret), "/etc/passwd", "../x", "", "https://elsewhere.example/x.png", "http://127.0.0.1:1/x")
        for name in ("x.png", "../../x")
    ]
    numbers = [0, 1, 2, 3, -1, 0.5, 10**9, -(10**9), 2**63, 10**40, 1e308, -0.0]
    others = [None, True, False, [], {}, deep, [None] * 1000, [[PNG, None]], {"path": 3}, {"a": {"b": [1]}}]
    return [*texts, *files, *numbers, *others]


@dataclass
class Client:
    """A browser of the page without a browser."""

    address: str
    session: str
    config: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, value: Any = None) -> Any:
        """The answer to a request, with ``value`` as JSON if it is given."""
        data = None if value is None else json.dumps(value).encode()
        asked = urllib.request.Request(f"{self.address}/{path}", data, {"Content-Type": "application/json"})
        return urllib.request.urlopen(asked, timeout=300)

    def call(self, number: int, data: list[Any], event: Any = None) -> dict[str, Any] | str:
        """The last message of a call of the page's function ``number``, or the line of the error."""
        body = {"data": data, "fn_index": number, "session_hash": self.session, "event_data": event, "trigger_id": None}
        try:
            with self.get("gradio_api/queue/join", body) as answer:
                assert json.load(answer)["event_id"]
        except urllib.error.HTTPError as error:
            return error.read().decode()
        with self.get(f"gradio_api/queue/data?session_hash={self.session}") as stream:
            for line in stream:
                message: dict[str, Any] = json.loads(line[6:]) if line.startswith(b"data:") else {}
                if message.get("msg") == "process_completed":
                    return message
        raise AssertionError("the call has no end")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, the results, and a picture beside them that is nobody's business."""
    folder = tmp_path_factory.mktemp("hostile")
    workspace = Workspace(folder)
    workspace.draw("secret.png", 30, 40)
    (workspace.inputs / "secret.png").rename(folder / "secret.png")
    return folder


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    with temporary_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def client(home: Path, temporary: Path) -> Iterator[Client]:
    """A client of the page, which a thread of this process serves; the first example is chosen."""
    workspace = Folders(home / "out", home / "in")
    blocks = build(workspace, Trainings(ManualRunner(), workspace.out), temporary)
    blocks.queue(default_concurrency_limit=1)
    found = listen("127.0.0.1", 0)
    with serving(application(blocks, "127.0.0.1", (), None, BYTES, **look()), found):
        made = Client(f"http://127.0.0.1:{found.getsockname()[1]}", "session")
        with made.get("config") as answer:
            made.config = json.load(answer)
        yield made
    del blocks
    gc.collect()  # here, where warnings about what Gradio leaves open are ignored


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def error_of(answer: dict[str, Any] | str) -> str:
    """The line of the error in ``answer``; "" if there is none."""
    return answer if isinstance(answer, str) else "" if answer["success"] else str(answer["output"]["error"])


def uses(client: Client, kind: str) -> list[dict[str, Any]]:
    """The functions of the page with an input of the type ``kind``."""
    types = {part["id"]: part["type"] for part in client.config["components"]}
    return [one for one in client.config["dependencies"] if any(types[part] == kind for part in one["inputs"])]


@pytest.mark.parametrize("path", ["{home}/secret.png", "/etc/passwd", "{home}/in/x.png", "../secret.png"])
def test_only_uploaded_files_are_opened(client: Client, home: Path, temporary: Path, path: str) -> None:
    types = {part["id"]: part["type"] for part in client.config["components"]}
    before = files_of(home) | files_of(temporary)
    file = {"path": path.format(home=home), "meta": {"_type": "gradio.FileData"}, "orig_name": "x.png"}
    tried = uses(client, "file")
    assert tried
    for function in tried:
        data = [[file] if types[part] == "file" else "owner" for part in function["inputs"]]
        assert "load the page again" in error_of(client.call(function["id"], data))
    assert files_of(home) | files_of(temporary) == before


def test_no_address_is_opened(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(1)
        for place in (f"http://127.0.0.1:{other.getsockname()[1]}/x.png", "https://elsewhere.example/x.png"):
            file = {"path": place, "meta": {"_type": "gradio.FileData"}, "url": place}
            for function in uses(client, "file"):
                answer = client.call(function["id"], [[file]] * len(function["inputs"]))
                assert error_of(answer) == "a file must be uploaded; an address can't be opened"
        with pytest.raises(TimeoutError):
            other.accept()


@pytest.mark.slow
def test_1000_hostile_calls(client: Client, home: Path, temporary: Path) -> None:
    """Each gives a result, or one line that shows no path of the server and no HTML; and the page goes on."""
    chance, functions = random.Random(41), client.config["dependencies"]
    defaults = {part["id"]: part["props"].get("value") for part in client.config["components"]}
    hostile, before, fine, failures = values(home / "secret.png"), files_of(home), 0, 0
    for function in functions:  # choose an example, so that the others have a picture
        if any(event == "select" for _, event in function["targets"]):
            client.call(function["id"], [None] * len(function["inputs"]), {"index": 0})
    threads = threading.active_count()
    for _ in range(CALLS):
        function = chance.choice(functions)
        share = chance.choice([0.2, 0.5, 1])
        data = [chance.choice(hostile) if chance.random() < share else defaults[part] for part in function["inputs"]]
        data = data[: chance.choice([None, None, None, -1])] + chance.choice([[], [], [], [1]])
        event = chance.choice([None, {"index": 0}, {"index": chance.choice(hostile)}, chance.choice(hostile)])
        answer = client.call(function["id"], data, event)
        line = error_of(answer)
        fine, failures = fine + (line == ""), failures + ("went wrong" in line)
        assert line.isprintable()
        assert len(line) < 3000
        assert not re.search(r"[<>]|Traceback|site-packages", line)
        assert str(home) not in line
        assert str(temporary) not in line
    assert fine > CALLS / 10  # they reach the functions
    assert failures < CALLS / 5
    made = files_of(home) - before
    assert all(path.is_relative_to(home / "out" / "Studio") for path in made), made
    secret = images.read_levels(home / "secret.png").shape
    pictures = [path for path in made if path.suffix == ".png"]
    assert all(images.read_levels(path).shape != secret for path in pictures)
    assert threading.active_count() < threads + 60
    with client.get("config") as answer:
        assert answer.status == 200
