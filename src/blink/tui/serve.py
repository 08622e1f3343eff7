"""`blinkenlights --serve`: the interface in a browser, by textual-serve.

Who may run a debugger may do all that its user may, so the server listens on the loopback address
unless told otherwise, and answers only who knows the token in the address that it prints.  It comes
once in the address and then in a cookie.  Each page that is opened runs a program of its own.
"""

from __future__ import annotations

import hmac
import secrets
import shlex
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

HOST, PORT = "127.0.0.1", 8000
COOKIE = "blinkenlights"
# The page asks for a font elsewhere; nobody else needs to know who debugs what.
POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' ws: wss:"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class GuardedServer(Server):
    """Textual's server behind a token."""

    def __init__(self, command: str, host: str, port: int, title: str) -> None:
        super().__init__(command, host=host, port=port, title=title)
        self.token = secrets.token_urlsafe(24)

    @property
    def address(self) -> str:
        """What to open in the browser."""
        return f"{self.public_url}/?token={self.token}"

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    def _guard(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            response: web.StreamResponse
            given = request.query.get("token")
            if given is not None and self._is_token(given):
                response = web.HTTPFound(request.path)
                response.set_cookie(COOKIE, self.token, httponly=True, samesite="Strict")
                return response
            if not self._is_token(request.cookies.get(COOKIE, "")):
                raise web.HTTPForbidden(text="Open the address that blinkenlights has printed.\n")
            if not self._is_ours(request):
                raise web.HTTPForbidden(text="This page is not ours.\n")
            response = await handler(request)
            if not response.prepared:
                response.headers["Content-Security-Policy"] = POLICY
            return response

        return guard

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _is_ours(self, request: web.Request) -> bool:
        """No page of another origin may open our websocket."""
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc == request.host

    async def on_startup(self, app: web.Application) -> None:
        sys.stdout.write(f"blinkenlights: open {self.address}\nctrl-C ends the server\n")
        sys.stdout.flush()

    def initialize_logging(self) -> None:
        """Only the address is worth a line."""


def place(text: str) -> tuple[str, int]:
    """`PORT`, `HOST:PORT` or nothing.  Raises ValueError."""
    host, colon, port = text.rpartition(":")
    number = int(port) if text else PORT
    if not 0 < number < 65536:
        raise ValueError(number)
    return (host.strip("[]") if colon else HOST), number


def serve(where: str, options: list[str], words: list[str]) -> int:
    """Serves the interface for a program until ctrl-C; the exit status."""
    try:
        host, port = place(where)
    except ValueError:
        sys.stderr.write(f"blinkenlights: --serve takes [HOST:]PORT, not {where!r}\n")
        return 48
    command = shlex.join([sys.executable, "-m", "blink.tui", *options, "--", *words])
    title = " ".join(["Blinkenlights:", *words[:1]])
    server = GuardedServer(command, host, port, title)
    try:
        server.serve()
    except OSError as error:
        sys.stderr.write(f"blinkenlights: cannot serve on {host}:{port}: {error.strerror}\n")
        return 125
    return 0
