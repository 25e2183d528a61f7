"""An HTTP server in a thread that gives the replies it is told and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Reply = tuple[int, Mapping[str, str], bytes]


def completion(text: str | None, finish: str | None = "stop", usage: Any = (7, 3), **message: Any) -> Reply:
    """Return a chat completion with status 200."""
    body: dict[str, Any] = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}]
    }
    if usage is not None:
        body["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), usage, strict=True))
    return 200, {}, json.dumps(body).encode()


def error(status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    """Return an error in OpenAI's form."""
    return status, headers or {}, json.dumps({"error": {"message": message, **more}}).encode()


@dataclass
class Scripted:
    """Gives `reply` to every request, or what it returns for the number of the request when it is a function."""

    reply: Reply | Callable[[int], Reply]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def __enter__(self) -> Scripted:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                # Each request has a thread of its own: its number has to be that of its body.
                with endpoint.lock:
                    endpoint.paths.append(self.path)
                    endpoint.headers.append({key.lower(): value for key, value in self.headers.items()})
                    endpoint.bodies.append(asked)
                    number = len(endpoint.bodies)
                reply = endpoint.reply
                status, headers, body = reply(number) if callable(reply) else reply
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                if "Transfer-Encoding" in headers:
                    self.end_headers()
                    self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                    return
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Say nothing of clients that go before they have read everything."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
