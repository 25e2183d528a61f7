"""An OpenAI-compatible endpoint as small as it can be, in a process of its own: it waits, answers, and fails as it is told.

Run: python stub_endpoint.py [--latency SECONDS] [--faults JSON] [--retry-after SECONDS] [--rate PER_SECOND] [--sums JSON]; it
prints its port and lives until its standard input is closed. GET /stats tells what it saw. Faults are shares of requests by kind:
"429", "500", "hang", "malformed", "cut"; "400" is answered to every text that contains "[400]".
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
import zlib
from collections import Counter
from typing import Any

PLAIN = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Türkiye"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }
).encode()


class Stub:
    """What all connections share."""

    def __init__(self, latency: float, faults: dict[str, float] | None, retry_after: float, rate: float | None) -> None:
        self.latency, self.faults, self.retry_after, self.rate = latency, faults, retry_after, rate
        self.sums: dict[str, float] = {}
        self.tokens, self.filled = 0.0, time.monotonic()
        self.seen: Counter[str] = Counter()
        self.good: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.open = self.most_open = self.requests = 0

    def reply(self, body: bytes) -> tuple[bytes, str]:
        """Return the reply to a body, and what is the matter with it."""
        if self.faults is None:
            return response(200, PLAIN), "good"
        asked = json.loads(body)
        text = f"{asked['model']}: {asked['messages'][-1]['content']}"
        self.seen[text] += 1
        kind = self.kind(text)
        self.kinds[kind] += 1
        if kind == "good":
            self.good[text] += 1
            content = json.loads(PLAIN)
            content["choices"][0]["message"]["content"] = self.answer(text)
            return response(200, json.dumps(content).encode()), kind
        if kind == "429":
            return response(429, b'{"error": {"message": "slow down"}}', f"Retry-After: {self.retry_after}\r\n"), kind
        if kind == "malformed":
            return response(200, PLAIN[:40]), kind
        if kind == "cut":
            return response(200, PLAIN)[:-60], kind
        return response(int(kind) if kind.isdigit() else 500, b'{"error": {"message": "it said no"}}'), kind

    def kind(self, text: str) -> str:
        """Draw what happens to a request from its text and how often it was seen."""
        if "[400]" in text:
            return "400"
        if self.rate is not None and not self.admitted(self.rate):
            return "429"
        share = zlib.crc32(f"{text}/{self.seen[text]}".encode()) / (1 << 32)
        for kind, of in (self.faults or {}).items():
            if share < of:
                return kind
            share -= of
        return "good"

    def answer(self, text: str) -> str:
        """Return an answer; to a sum the right one for a share of the texts, by what they begin with."""
        question = text.partition(": ")[2]
        for start, share in self.sums.items():
            if question.startswith(start):
                a, b = (int(number) for number in re.findall(r"\d+", question)[:2])
                return str(a + b + (zlib.crc32(text.encode()) / (1 << 32) >= share))
        return f"answer to {text}"

    def admitted(self, rate: float) -> bool:
        """Take a token from a bucket that is filled at a rate and holds a tenth of a second's."""
        now = time.monotonic()
        self.tokens, self.filled = min(rate / 10, self.tokens + (now - self.filled) * rate), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def stats(self) -> bytes:
        """Return what was seen, as JSON."""
        told: dict[str, Any] = {name: getattr(self, name) for name in ("requests", "most_open", "seen", "good", "kinds")}
        return json.dumps(told).encode()


def response(status: int, body: bytes, headers: str = "") -> bytes:
    """Return a whole HTTP reply."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it come one after the other."""

    def __init__(self, stub: Stub) -> None:
        self.stub, self.buffer = stub, b""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport and the loop."""
        self.transport, self.loop = transport, asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Gather a request; answer it after the latency."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self.buffer[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < head + 4 + length:
            return
        body, get = self.buffer[head + 4 : head + 4 + length], self.buffer.startswith(b"GET ")
        self.buffer = self.buffer[head + 4 + length :]
        if get:
            self.transport.write(response(200, self.stub.stats()))
            return
        stub = self.stub
        stub.requests += 1
        stub.open += 1
        stub.most_open = max(stub.most_open, stub.open)
        self.loop.call_later(stub.latency, self.answer, *stub.reply(body))

    def answer(self, reply: bytes, kind: str) -> None:
        """Send the reply, unless it is to hang; close after a reply that was cut."""
        self.stub.open -= 1
        if kind == "hang" or self.transport.is_closing():
            return
        self.transport.write(reply)
        if kind == "cut":
            self.transport.close()


async def main() -> None:
    """Serve on a free port of this machine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--faults", type=json.loads)
    parser.add_argument("--retry-after", type=float, default=0.05)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--sums", type=json.loads, default={}, help="share of right answers by how a question begins")
    given = parser.parse_args()
    stub = Stub(given.latency, given.faults, given.retry_after, given.rate)
    stub.sums = given.sums
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def loop_factory() -> Any:
    """Return uvloop's loop where it is installed: the stub shares its cores with the client."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
