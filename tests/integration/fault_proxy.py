"""An HTTP proxy on a free port before a real Elasticsearch that fails as told, the same way every time."""

import http.client
import json
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    status: answered without asking the server. retry_after: seconds that this answer asks for. is_cut_before,
    is_cut_after: the connection ends before the server hears of it, or after it has done its work. delay_s: waits
    before forwarding. rejected_items: share of the operations of a bulk request that are held back from the server
    and answered with 429, the others being done.
    """

    status: int | None = None
    retry_after: str | None = None
    is_cut_before: bool = False
    is_cut_after: bool = False
    delay_s: float = 0.0
    rejected_items: float = 0.0


class FaultProxy(ThreadingHTTPServer):
    """Faults touch bulk requests alone.

    bulk_sizes: bytes of every one that came. faults: those that happened. largest_body: bytes of a request; longer ones
    are answered with 413, as proxies do.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, server_url: str, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.upstream = urlsplit(server_url).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.bulk_sizes: list[int] = []
        self.faults: list[Fault] = []
        self.largest_body: int | None = None
        self.rng = random.Random(seed)
        self._next: deque[Fault] = deque()
        self._share, self._fault = 0.0, Fault()
        self._lock = threading.Lock()

    def break_next(self, count: int, fault: Fault) -> None:
        """Of the requests to come, after those that earlier calls named."""
        self._next.extend([fault] * count)

    def break_share(self, share: float, fault: Fault) -> None:
        """Of all requests that `break_next` does not name, until the next call; 0 ends it."""
        self._share, self._fault = share, fault

    def fault_of_request(self, size: int) -> Fault:
        with self._lock:
            self.bulk_sizes.append(size)
            if self.largest_body is not None and size > self.largest_body:
                fault = Fault(status=413)
            elif self._next:
                fault = self._next.popleft()
            elif self.rng.random() < self._share:
                fault = self._fault
            else:
                return Fault()
            self.faults.append(fault)
            return fault

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients and servers that go away are what the tests are about."""


class _Forwarding(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.fault_of_request(len(body)) if urlsplit(self.path).path == "/_bulk" else Fault()
        time.sleep(fault.delay_s)
        if fault.is_cut_before:
            self.cut()
        elif fault.status is not None:
            self.reply_fault(fault.status, fault.retry_after)
        elif fault.rejected_items:
            self.reply_in_part(body, fault.rejected_items)
        else:
            status, headers, answer = self.forward(body)
            if fault.is_cut_after:
                self.cut()
            else:
                self.reply(status, headers, answer)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body=body or None, headers=kept)
            response = connection.getresponse()
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
            return response.status, headers, response.read()
        finally:
            connection.close()

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply_fault(self, status: int, retry_after: str | None) -> None:
        wish = {"Retry-After": retry_after} if retry_after is not None else {}
        self.reply(status, _JSON | wish, json.dumps({"error": _REJECTION, "status": status}).encode())

    def reply_in_part(self, body: bytes, share: float) -> None:
        operations = list(_operations(body))
        is_rejected = [self.server.rng.random() < share for _ in operations]
        passed = b"".join(lines for (_, lines), rejected in zip(operations, is_rejected, strict=True) if not rejected)
        answered: Iterator[dict[str, Any]] = iter(())
        if passed:
            status, headers, answer = self.forward(passed)
            if status != 200:
                self.reply(status, headers, answer)
                return
            answered = iter(json.loads(answer)["items"])
        items = [
            {action: {"status": 429, "error": _REJECTION}} if rejected else next(answered)
            for (action, _), rejected in zip(operations, is_rejected, strict=True)
        ]
        self.reply(200, _JSON, json.dumps({"items": items}).encode())

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Quiet."""


_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
_JSON = {"Content-Type": "application/json", "X-Elastic-Product": "Elasticsearch"}
_REJECTION = {"type": "es_rejected_execution_exception", "reason": "rejected execution of coordinating operation"}


def _operations(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Action and lines of each."""
    lines = iter(body.splitlines(keepends=True))
    for line in lines:
        (action,) = json.loads(line)
        yield action, line if action == "delete" else line + next(lines)


@contextmanager
def fault_proxy(server_url: str, seed: int = 1) -> Iterator[FaultProxy]:
    with FaultProxy(server_url, seed) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
