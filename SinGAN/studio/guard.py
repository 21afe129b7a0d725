"""The guard of a page on this machine: it refuses requests of other pages, and tells browsers what the page may load.

A server that listens on this machine can be reached by every page that the browser shows: by its address (a form, an
upload), or by a name that the other page's owner points at this machine (DNS rebinding).
"""

import asyncio
import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from SinGAN.studio.errors import record

BODY = 44 * 2**20  # bytes of a request, at most: a drawing and its mask
PAUSE, PATIENCE = 30.0, 600.0  # seconds that a request's body may pause, and take in total
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SCRIPT = re.compile(rb"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script", re.DOTALL | re.IGNORECASE)
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
"""What a page may load: its own server's files, and what its own scripts made."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class TooLargeError(ValueError):
    """The body of a request is too large."""


class Guard:
    """An ASGI application in front of ``app``.

    A request is refused unless its host is one of this server, its origin is the server itself, and its path begins
    with one of ``paths``. A request body has at most ``largest`` bytes and must arrive in time.

    Arguments:
        app: the application.
        host: the address that the server listens at.
        names: further names of the server, as behind a reverse proxy.
        paths: the paths that are served: a path, or its beginning if it ends with ``/`` or ``=``.
        head: HTML with inline scripts that the page adds to its head, besides those that it contains.
        evaluates: whether scripts of the page may compile text.
        largest: bytes of a request, at most.
    """

    def __init__(
        self, app: ASGIApp, host: str, names: Collection[str], paths: Collection[str], head: str = "",
        evaluates: bool = False, largest: int = BODY,
    ) -> None:  # fmt: skip
        self.app, self.paths, self.largest = app, paths, largest
        self.given = frozenset(name_of(f"//{name}") for name in names) - {""}
        self.names, self.any_address = names_of(host) | self.given, not is_local(host)
        self.scripts = hashes_in(head.encode()) | ({"'unsafe-eval'"} if evaluates else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = Answer(send, self.scripts)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answered.send)
            return
        if self._is_page(scope):  # its scripts are read from the answer, which must not be compressed
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": kept}
        try:
            await self.app(scope, Body(receive, self.largest).receive, answered.send)
        except (TooLargeError, TimeoutError) as error:
            failure = refused(413 if isinstance(error, TooLargeError) else 408, str(error))
        except Exception as error:  # the application did not expect it
            failure = refused(500, f"something went wrong; the server's log explains it: error {record(error)}")
        else:
            failure = refused(500, "something went wrong")
        if not answered.has_begun:
            answered.has_failed = True
            await failure(scope, receive, answered.send)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is refused; None: it is not."""
        headers = Headers(scope=scope)
        host, origin, length = headers.get("host", ""), headers.get("origin"), headers.get("content-length", "0")
        if not self._is_known(name_of(f"//{host}")):
            return refused(403, "this server has another name: see --allowed_hosts")
        if origin is not None and not self._is_same(origin, host):
            return refused(403, "another page asks: this server answers its own page only")
        site, is_visit = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode") == "navigate"
        is_visit &= headers.get("sec-fetch-dest") == "document" and scope["method"] == "GET"
        if site not in ("none", "same-origin") and not is_visit:
            return refused(403, "another page asks: this server answers its own page only")
        if "://" in scope["path"] or not any(matches(scope["path"], path) for path in self.paths):
            return refused(404, "there is no such page")
        if not (length.isascii() and length.isdecimal() and len(length) < 16 and int(length) <= self.largest):
            return refused(413, f"a request has at most {self.largest // 2**20} MB")
        return None

    def _is_known(self, name: str) -> bool:
        """Whether ``name`` is a host name of this server. A rebound name is never an address."""
        return name in self.names or (self.any_address and is_address(name))

    def _is_same(self, origin: str, host: str) -> bool:
        """Whether a page from ``origin`` is this server's, which the browser calls ``host``."""
        scheme, _, place = origin.lower().partition("://")
        if scheme not in DEFAULT_PORTS or not name_of(origin):
            return False
        default = DEFAULT_PORTS[scheme]
        return place.removesuffix(default) == host.lower().removesuffix(default) or name_of(origin) in self.given

    def _is_page(self, scope: Scope) -> bool:
        return scope["path"] == "/" or "text/html" in Headers(scope=scope).get("accept", "")


class Answer:
    """The answer to a request, with the headers of the guard.

    A page is sent as a whole, its inline scripts named by their hashes. Frameworks answer 500 to any error, and then
    raise it; their answers are left out, for the guard says what went wrong.
    """

    def __init__(self, send: Send, scripts: Collection[str]) -> None:
        self._send, self.scripts = send, scripts
        self.has_begun, self.has_failed = False, False
        self.page: tuple[Message, bytearray] | None = None  # a page that is not sent yet

    async def send(self, message: Message) -> None:
        """Send one part of the answer."""
        if message["type"] == "http.response.start":
            if message["status"] == 500 and not self.has_failed:
                return
            self.has_begun = True
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in HEADERS.items():
                headers[name] = value
            message = {**message, "headers": headers.raw}
            if headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers:
                self.page = message, bytearray()
                return
            headers["Content-Security-Policy"] = policy()
        elif self.page is not None and message["type"] == "http.response.body":
            start, body = self.page
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            scripts = hashes_in(bytes(body)) | set(self.scripts)
            MutableHeaders(raw=start["headers"])["Content-Security-Policy"] = policy(scripts)
            self.page = None
            await self._send(start)
            message = {**message, "body": bytes(body)}
        if self.has_begun:
            await self._send(message)


class Body:
    """The body of a request, which is limited in size and time."""

    def __init__(self, receive: Receive, largest: int) -> None:
        self._receive, self.largest, self.size, self.is_whole = receive, largest, 0, False
        self.end = asyncio.get_running_loop().time() + PATIENCE

    async def receive(self) -> Message:
        """Receive one part of the body; afterwards, wait until the client leaves."""
        if self.is_whole:
            return await self._receive()
        left = min(PAUSE, self.end - asyncio.get_running_loop().time())
        try:
            message = await asyncio.wait_for(self._receive(), left)
        except asyncio.TimeoutError:
            raise TimeoutError("the request takes too long") from None
        self.size += len(message.get("body", b""))
        self.is_whole = not message.get("more_body", False)
        if self.size > self.largest:
            raise TooLargeError(f"a request has at most {self.largest // 2**20} MB")
        return message


def matches(path: str, pattern: str) -> bool:
    """Whether ``path`` is ``pattern``, or begins with it if the pattern ends with ``/`` or ``=``."""
    return path.startswith(pattern) if len(pattern) > 1 and pattern[-1] in "/=" else path == pattern


def refused(status: int, words: str) -> Response:
    """An answer in one line; the connection is closed."""
    return PlainTextResponse(words, status, {"Connection": "close"})


def policy(scripts: Collection[str] = ()) -> str:
    """The Content-Security-Policy of a page with the inline ``scripts``, given as hashes."""
    rules = {**POLICY, "script-src": " ".join([POLICY["script-src"], *sorted(scripts)])}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def hashes_in(page: bytes) -> set[str]:
    """The hashes of the inline scripts in ``page``."""
    return {hash_of(script) for script in SCRIPT.findall(page)}


def hash_of(script: bytes) -> str:
    """The hash of an inline script, as the policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"


def name_of(url: str) -> str:
    """The host name in ``url``; "" if there is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises if it is not a number
        return "" if "@" in parts.netloc or parts.path else (parts.hostname or "")
    except ValueError:
        return ""


def names_of(host: str) -> frozenset[str]:
    """The names under which a browser reaches a server that listens at ``host``."""
    if is_local(host):
        return LOCAL | {host.lower()}
    name = socket.gethostname().lower()
    return LOCAL | {host.lower(), name, f"{name}.local", socket.getfqdn().lower()}


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server that listens at ``host``."""
    return host.lower() == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(name: str) -> bool:
    """Whether ``name`` is the address of a machine, not a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
