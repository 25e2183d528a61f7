"""A real browser for tests: Debian's chromium without a window, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SECONDS = 60
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """How a page is opened: size in CSS pixels, whether as a phone, colour scheme, size of text in percent."""

    name: str
    width: int
    height: int
    phone: bool = False
    scheme: str = "light"


@dataclass(frozen=True)
class Shot:
    """One picture of a page: file, JavaScript that is run before it, whether of the whole page or of the window alone."""

    path: Path
    before: str = ""
    whole: bool = False


def look(page: Path, view: View, script: str, shots: Sequence[Shot] = ()) -> Any:
    """Open a file in chromium as `view` says, take `shots`, and return what the expression `script` evaluates to."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            return asyncio.run(asyncio.wait_for(_look(process, page, view, script, shots), _SECONDS))
        finally:
            process.terminate()
            process.communicate(timeout=20)


async def _look(process: subprocess.Popen[bytes], page: Path, view: View, script: str, shots: Sequence[Shot]) -> Any:
    port = await asyncio.to_thread(_port, process)
    async with aiohttp.ClientSession() as web:
        async with web.get(f"http://127.0.0.1:{port}/json/list") as answer:
            tabs = await answer.json()
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        async with web.ws_connect(address, max_msg_size=0) as socket:
            tab = _Tab(socket)
            await tab.open(page, view)
            for shot in shots:
                await tab.shoot(shot)
            return await tab.evaluate(script)


def _port(process: subprocess.Popen[bytes]) -> int:
    """Read the port that chromium names on its standard error: "DevTools listening on ws://127.0.0.1:PORT/..."."""
    assert process.stderr is not None
    said = b""
    for line in process.stderr:
        said += line
        if b"DevTools listening on ws://" in line:
            return int(line.split(b"ws://")[1].split(b":")[1].split(b"/")[0])
    raise AssertionError(f"chromium did not start: {said.decode(errors='replace')}")


class _Tab:
    """One tab: commands are answered in order, events between them are waited for by name."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0

    async def open(self, page: Path, view: View) -> None:
        """Load a file at the size of the view."""
        size = {"width": view.width, "height": view.height, "deviceScaleFactor": 2 if view.phone else 1, "mobile": view.phone}
        await self._ask("Emulation.setDeviceMetricsOverride", **size)
        await self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": view.scheme}])
        await self._ask("Emulation.setFocusEmulationEnabled", enabled=True)
        await self._ask("Page.enable")
        await self._ask("Page.navigate", url=page.resolve().as_uri())
        while (await self._socket.receive_json()).get("method") != "Page.loadEventFired":
            pass
        await self.evaluate("document.fonts.ready.then(() => true)")

    async def evaluate(self, script: str) -> Any:
        """Return the value of an expression; a promise is waited for."""
        found = await self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def shoot(self, shot: Shot) -> None:
        """Write one picture as PNG."""
        if shot.before:
            await self.evaluate(f"(() => {{ {shot.before} }})()")
            await self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        found = await self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=shot.whole)
        shot.path.parent.mkdir(parents=True, exist_ok=True)
        shot.path.write_bytes(base64.b64decode(found["data"]))

    async def _ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            pass
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]
