"""Who may ask, and how long that may take: a page in a browser must not read one's code, no client holds up others.

Standard library only. Every connection has one request, is answered or refused in one JSON line, and closed.
"""

from __future__ import annotations

import hmac
import io
import json
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from effectiveness.common.endings import tell_on_stderr
from effectiveness.serve.requests import RefusedRequest

MAX_BODY_BYTES = 4 << 20
MAX_CONNECTIONS = 64
REQUEST_S = 10.0  # to send all of a request, and to take all of an answer
GRACE_S = 0.25  # that a client has for it at least, however many others wait for its place
PATIENCE_S = 1.0  # of one who waits for a place
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
FROM_A_PAGE = ("origin", "sec-fetch-site")  # what only browsers send
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent: one JSON value, or texts one after the other (`content_type` says of what kind)."""

    value: object = None
    parts: Iterable[str] | None = None
    content_type: str = "application/json"


def as_line(value: object) -> str:
    """JSON without blanks between its parts: llama.vim looks for `"content":"` before it decodes."""
    return json.dumps(value, separators=(",", ":")) + "\n"


IsGone = Callable[[], bool]  # whether the client has hung up, as editors do at the next key
Respond = Callable[[str, str, dict, IsGone], Reply]  # method, path, body


class Door(ThreadingHTTPServer):
    """Listens at (host, port); what is asked for is answered by `respond`."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 4 * MAX_CONNECTIONS

    def __init__(self, address: tuple[str, int], respond: Respond, api_key: str = "") -> None:
        self.respond, self.api_key = respond, api_key
        self.num_failed = self.num_left = 0  # by our mistake, and clients that left before their answer
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._waited_for: dict[
            socket.socket, float
        ] = {}  # who sends or takes something, since when; oldest first
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Visit)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def process_request(self, request, client_address) -> None:
        if not (self._places.acquire(blocking=False) or self._place_of_another()):
            self._refuse_at_once(request)
            return
        self.wait_for(request)
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started: this client is refused, the others are served
            self._places.release()
            self._refuse_at_once(request)

    def wait_for(self, request: socket.socket) -> None:
        """From now on it is the client's turn."""
        self._waited_for[request] = time.monotonic()

    def waits_no_longer(self, request: socket.socket) -> None:
        """It is our turn."""
        self._waited_for.pop(request, None)

    def _place_of_another(self) -> bool:
        """Who has been waited for the longest must go, and those who are answered end by themselves."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self._dismiss_the_slowest()
            if self._places.acquire(timeout=GRACE_S / 4):
                return True
        return False

    def _dismiss_the_slowest(self) -> None:
        request, since = next(iter(list(self._waited_for.items())), (None, 0.0))
        if request is not None and time.monotonic() - since > GRACE_S:
            self.waits_no_longer(request)
            with suppress(OSError):  # it has gone by itself
                request.shutdown(socket.SHUT_RDWR)

    def _refuse_at_once(self, request) -> None:
        request.settimeout(0.1)
        _send_quietly(request, 503, "too many connections; try again")
        self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.waits_no_longer(request)
            self._places.release()

    def handle_error(self, request, client_address) -> None:
        """What a visit raised: counted, said in one line, and the client gets a line, too."""
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError | TimeoutError):
            self.num_left += 1
            return
        self.num_failed += 1
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        tell_on_stderr(f"failed request {self.num_failed}: {said}")
        _send_quietly(request, 500, "the request failed; the server's log says why")

    def is_ours(self, host_header: str | None) -> bool:
        """Whether the Host that a client named is this server: another one is a web page's, by its own name server."""
        if not is_loopback(str(self.server_address[0])):
            return True  # it has many names, and the key keeps pages out
        return (host_header or "").lower() in {f"{name}:{self.port}" for name in LOOPBACK_NAMES}


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _send_quietly(request, status: int, message: str) -> None:
    body = as_line({"error": message}).encode()
    head = f"HTTP/1.1 {status} refused\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    try:
        request.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
    except OSError:  # it is gone
        pass


class _InTime(io.RawIOBase):
    """A socket's bytes, as long as they all come in REQUEST_S: one byte a second is no way to keep a thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._until = connection, time.monotonic() + REQUEST_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Visit(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "effectiveness", ""
    timeout = REQUEST_S
    server: Door

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_InTime(self.connection))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: requests hold source code."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The standard library's own refusals, of headers that it cannot read."""
        self._send(code, {"error": message or "refused"})

    def do_GET(self) -> None:
        self._visit({})

    def do_POST(self) -> None:
        self._visit(None)

    def _visit(self, body: dict | None) -> None:
        self.close_connection = True
        try:
            self._check_visitor()
            asked = self._body() if body is None else body
            self.server.waits_no_longer(self.connection)
            reply = self.server.respond(self.command, self.path, asked, self._is_gone)
        except RefusedRequest as why:
            self._send(why.status, {"error": why.error})
            return
        self.server.wait_for(self.connection)
        self.connection.settimeout(REQUEST_S)
        if reply.parts is None:
            self._send(200, reply.value)
        else:
            self._send_parts(reply)

    def _is_gone(self) -> bool:
        """One that has only ended its sending counts, too: to most servers it is gone, and it gets what there is."""
        readable = select.poll()
        readable.register(self.connection, select.POLLIN)
        try:
            return bool(readable.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _check_visitor(self) -> None:
        if not self.server.is_ours(self.headers.get("Host")):
            raise RefusedRequest(403, "the Host header is not this server's address")
        if any(self.headers.get(name) for name in FROM_A_PAGE):
            raise RefusedRequest(403, "web pages are not answered")
        key = self.server.api_key
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if key and not hmac.compare_digest(given.encode("utf-8", "replace"), key.encode()):
            raise RefusedRequest(401, "send the key of --api-key as Authorization: Bearer KEY")

    def _body(self) -> dict:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            raise RefusedRequest(411, "a Content-Length is needed")
        if int(length) > MAX_BODY_BYTES:
            raise RefusedRequest(413, f"at most {MAX_BODY_BYTES:,} bytes")
        raw = self.rfile.read(int(length))
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            raise RefusedRequest(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise RefusedRequest(400, "the body must be a JSON object")
        return body

    def _send(self, status: int, value: object) -> None:
        self.close_connection = True
        body = as_line(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_parts(self, reply: Reply) -> None:
        self.send_response(200)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Connection", "close")
        self.end_headers()
        for part in reply.parts or ():
            self.wfile.write(part.encode())
            self.wfile.flush()
