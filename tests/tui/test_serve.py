"""The interface in a browser: who gets in, and what a headless Chromium sees."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ci, pytest.mark.timeout(400)]
aiohttp = pytest.importorskip("aiohttp", reason="textual-serve is not installed")

PATIENCE = 120.0
BINARY = 2  # the kind of a websocket's frame
LEAST = 30_000  # bytes: a picture of a page with less on it is not the interface


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that shows /bin/true; ends it."""
    command = [sys.executable, "-m", "blink.tui", f"--serve={free_port()}", "true"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found, "no address was printed"
        wait_for_answer(found[0])
        yield found[0]
    finally:
        server.terminate()
        server.wait(30)


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=30
        ) as said:
            return int(said.status)
    except urllib.error.HTTPError as error:
        return error.code


def wait_for_answer(url: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            status(url)
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_only_who_knows_the_token_gets_in(address: str) -> None:
    base, token = address.split("?token=")
    assert base.startswith("http://127.0.0.1:")
    assert status(base) == 403
    assert status(f"{base}?token=wrong") == 403
    assert status(f"{base}ws") == 403
    cookie = f"blinkenlights={token}"
    assert status(base, Cookie=cookie) == 200
    assert status(base, Cookie=cookie, Origin="http://elsewhere.example") == 403
    assert status(base, Cookie="blinkenlights=wrong") == 403


class Browser:
    """A page of a headless Chromium, by its DevTools protocol."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0
        self.received = b""  # what the server has sent to the page's websocket

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async for message in self._socket:
            said: dict[str, Any] = json.loads(message.data)
            if said.get("method") == "Network.webSocketFrameReceived":
                self._receive(said["params"]["response"])
            elif said.get("id") == self._number:
                assert "error" not in said, said
                return dict(said["result"])
        raise AssertionError("the browser is gone")

    def _receive(self, frame: dict[str, Any]) -> None:
        data = frame["payloadData"]
        self.received += base64.b64decode(data) if frame["opcode"] == BINARY else data.encode()

    async def value(self, expression: str) -> Any:
        said = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return said["result"].get("value")

    async def until_received(self, *texts: str) -> None:
        """Until the interface has written all of these; starts with nothing the next time."""
        end = time.monotonic() + PATIENCE
        while not all(text.encode() in self.received for text in texts):
            assert time.monotonic() < end, f"no {texts} in {self.received[-2000:]!r}"
            await self.value("0")
            await asyncio.sleep(0.2)
        self.received = b""

    async def picture(self, true: Callable[[bytes], bool]) -> bytes:
        """A picture of the page that something holds of: the page draws when it can."""
        end = time.monotonic() + PATIENCE
        while True:
            now = base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])
            if true(now):
                return now
            assert time.monotonic() < end, f"not in {len(now)} bytes of a picture"
            await asyncio.sleep(0.2)


async def watch(port: int, address: str) -> None:
    """Opens the page, waits for the interface, asks for help: both are seen."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}/json") as said:
            page = next(p for p in await said.json() if p["type"] == "page")
        async with http.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            browser = Browser(socket)
            await browser.ask("Network.enable")
            await browser.ask("Page.navigate", url=address)
            await browser.until_received("Disassembly", "Registers", " stopped ")
            last = b""
            while last != (last := await browser.picture(lambda now: len(now) > LEAST)):
                await asyncio.sleep(0.2)
            before = last
            await browser.value("document.querySelector('textarea').focus()")
            await browser.ask("Input.insertText", text="?")
            await browser.until_received("step one instruction")
            await browser.picture(lambda now: now != before and len(now) > LEAST)


def test_a_browser_shows_it_and_types(
    address: str, need: Callable[[str], str], tmp_path: Path
) -> None:
    port = free_port()
    command = [
        *(need("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "about:blank"),
        *(f"--remote-debugging-port={port}", f"--user-data-dir={tmp_path}"),
        "--window-size=1400,800",
    ]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/json/version")
        asyncio.run(watch(port, address))
    finally:
        browser.terminate()
        browser.wait(30)
