"""The guard of the studio's page: who is answered, what a page may load, and how long a request may take."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

pytest.importorskip("uvicorn", reason="the package uvicorn, which comes with gradio, is not installed")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from SinGAN.studio import guard as guards
from SinGAN.studio import server as servers
from SinGAN.studio.guard import Guard, hash_of
from SinGAN.studio.server import listen, serving

PAGE = "<script>one</script><script src='x.js'></script><SCRIPT type=module>two\n</SCRIPT>"


async def page(request: Request) -> HTMLResponse:
    assert "accept-encoding" not in request.headers
    return HTMLResponse(PAGE)


async def upload(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(iter(["a", "b"]), media_type="text/event-stream")


async def fail(request: Request) -> PlainTextResponse:
    raise KeyError("/secret/place")


APP = Starlette(
    routes=[
        Route("/", page), Route("/upload", upload, methods=["POST"]), Route("/stream", stream), Route("/fail", fail),
        Route("/hidden", page),
    ]
)  # fmt: skip
PATHS = ("/", "/upload", "/stream", "/fail")


def serve(host: str = "127.0.0.1", names: tuple[str, ...] = (), largest: int = guards.BODY) -> Iterator[int]:
    """Serve the application behind a guard as if it listened at ``host``; yield its port."""
    found = listen("127.0.0.1", 0)
    port = int(found.getsockname()[1])
    with serving(Guard(APP, host, names, PATHS, "<script>three</script>", largest=largest), found):
        yield port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    yield from serve()


def ask(
    port: int, path: str = "/", method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("LOCALHOST", 200), ("[::1]:9", 200),
        ("localhost:9000", 200),  # a tunnel with another port
        ("evil.example", 403), ("evil.example:{port}", 403), ("127.0.0.1.evil.example", 403), ("192.168.0.7", 403),
        ("localhost@evil.example", 403), ("evil.example@localhost", 403), ("localhost.", 403), ("localhost/x", 403),
        ("", 403), (":{port}", 403), ("localhost:x", 403), ("[", 403), ("\xff", 403), ("localhost:" + "9" * 5000, 403),
    ],
)  # fmt: skip
def test_hosts(port: int, host: str, status: int) -> None:
    found, content, _ = ask(port, Host=host.format(port=port))
    assert found == status
    assert (content == PAGE.encode()) == (status == 200)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 200), ("http://localhost:{port}", 403), ("http://127.0.0.1:1", 403),
        ("http://127.0.0.1", 403), ("null", 403), ("", 403), ("file://", 403), ("http://evil.example", 403),
        ("http://127.0.0.1:{port}.evil.example", 403), ("http://evil.example#127.0.0.1:{port}", 403),
        ("http://evil@127.0.0.1:{port}", 403), ("chrome-extension://127.0.0.1:{port}", 403), ("http://[", 403),
    ],
)  # fmt: skip
def test_origins(port: int, origin: str, status: int) -> None:
    assert ask(port, "/upload", "POST", b"x", Origin=origin.format(port=port))[0] == status


@pytest.mark.parametrize(
    ("site", "mode", "kind", "method", "status"),
    [
        ("same-origin", "cors", "empty", "POST", 200), ("none", "navigate", "document", "GET", 200),
        ("cross-site", "navigate", "document", "GET", 200),  # a link to the studio
        ("cross-site", "navigate", "iframe", "GET", 403), ("cross-site", "no-cors", "image", "GET", 403),
        ("same-site", "no-cors", "script", "GET", 403), ("cross-site", "navigate", "document", "POST", 403),
    ],
)  # fmt: skip
def test_pages_elsewhere(port: int, site: str, mode: str, kind: str, method: str, status: int) -> None:
    path, body = ("/upload", b"x") if method == "POST" else ("/", None)
    told = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": kind}
    assert ask(port, path, method, body, **told)[0] == status


def test_behind_a_reverse_proxy_its_name_is_allowed() -> None:
    for port in serve(names=("Studio.example",)):
        assert ask(port, Host="studio.example", Origin="https://studio.example")[0] == 200
        assert ask(port, Host=f"127.0.0.1:{port}", Origin="https://studio.example")[0] == 200  # it keeps no Host
        assert ask(port, Host="evil.example", Origin="https://evil.example")[0] == 403
        assert ask(port, Host="studio.example", Origin="https://evil.example")[0] == 403


def test_an_open_server_has_every_address_and_no_foreign_name() -> None:
    for port in serve("0.0.0.0"):
        assert ask(port, Host="192.168.0.7:7860", Origin="http://192.168.0.7:7860")[0] == 200
        assert ask(port, Host=socket.gethostname())[0] == 200
        assert ask(port, Host="evil.example", Origin="http://evil.example")[0] == 403
        assert ask(port, Host="192.168.0.7:7860", Origin="http://192.168.0.8:7860")[0] == 403


@pytest.mark.parametrize("path", ["/hidden", "/uploads", "/elsewhere", "/stream/", "//", "/http://evil.example"])
def test_other_paths_are_not_served(port: int, path: str) -> None:
    assert ask(port, path)[0] == 404


def test_a_page_may_load_nothing_but_itself(port: int) -> None:
    status, content, headers = ask(port, Accept_Encoding="br, gzip")
    assert (status, content.decode()) == (200, PAGE)
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    scripts = [hash_of(script) for script in (b"one", b"two\n", b"three")]
    assert sorted(policy["script-src"].split()) == sorted(["'self'", *scripts])
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*|//", headers["Content-Security-Policy"])
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(("path", "status"), [("/stream", 200), ("/nowhere", 404), ("/fail", 500)])
def test_every_answer_has_the_headers(port: int, path: str, status: int) -> None:
    found, _, headers = ask(port, path)
    assert found == status
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_unexpected_error_is_logged_by_number_and_says_no_more(port: int, caplog: pytest.LogCaptureFixture) -> None:
    status, content, _ = ask(port, "/fail")
    said = re.fullmatch(r"something went wrong; the server's log explains it: error ([0-9a-f]{8})", content.decode())
    assert status == 500
    assert said
    assert re.search(rf"error {said[1]}: Traceback .*KeyError: '/secret/place'", caplog.text, re.DOTALL)


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "٣", str(guards.BODY + 1), "1, 2"])
def test_odd_lengths(port: int, length: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 4(13|00) ", client.recv(4096))
    assert ask(port)[0] == 200


def test_a_body_without_a_length_is_limited() -> None:
    for port in serve(largest=1000):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(
            "POST", "/upload", iter([b"x" * 400] * 3), {"Transfer-Encoding": "chunked"}, encode_chunked=True
        )
        assert connection.getresponse().status == 413
        connection.close()
        assert ask(port, "/upload", "POST", b"x" * 1000)[1] == b"1000"
        assert ask(port, "/upload", "POST", b"x" * 1001)[0] == 413


@pytest.mark.slow
def test_300_slow_clients_need_no_threads_and_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "HEAD", 3.0)
    monkeypatch.setattr(guards, "PAUSE", 3.0)
    starts = [b"", b"GET / HT", b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"]
    for port in serve():
        before = threading.active_count()
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(300)
            ]
            for index, client in enumerate(clients):
                client.sendall(starts[index % len(starts)])
            start = time.monotonic()
            assert ask(port)[0] == 200  # others are answered meanwhile
            assert time.monotonic() - start < 3
            assert threading.active_count() <= before
            for index, client in enumerate(clients):
                told = b""
                try:
                    while part := client.recv(4096):
                        told += part
                except ConnectionResetError:
                    pass
                assert (b" 408 " in told) == (index % len(starts) == 2)


def test_a_client_that_sends_byte_by_byte_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "HEAD", 1.5)
    for port in serve():
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as client,
            pytest.raises(OSError, match=r"reset|pipe"),
        ):
            for _ in range(200):
                client.sendall(b"x")
                time.sleep(0.1)


def test_a_used_port_is_one_line() -> None:
    with listen("127.0.0.1", 0) as found:
        port = found.getsockname()[1]
        with pytest.raises(ValueError, match=rf"can't listen at 127\.0\.0\.1, port {port}: Address already in use"):
            listen("127.0.0.1", port)
    with pytest.raises(ValueError, match=r"can't listen at no\.such\.host\.example"):
        listen("no.such.host.example", 7860)
