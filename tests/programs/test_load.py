"""redis and nginx under load, with signals and restarts: nothing is lost, nothing of ours leaks."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from programs.harness import free_port
from programs.load import Guest, Load, Redis, fetch_all, increment, listens, wait_until

SECONDS = [pytest.param(5, marks=pytest.mark.ci), pytest.param(60, marks=pytest.mark.long)]
CLIENTS = 4
GROWTH = (
    8 << 10
)  # kB that a server may grow by after the first third: its buffers, late translations
FILES = {"small": b"small\n", "big": b"0123456789abcdef" * 20000, "none": b""}
NGINX = """\
worker_processes 2; pid pid; error_log stderr crit; daemon off;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; keepalive_timeout 20; keepalive_requests 1000000;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5;
  server {{ listen 127.0.0.1:{port}; root www; }}
}}
"""

Start = Callable[..., Guest]


@pytest.fixture
def start(tmp_path: Path, need: Callable[[str], str]) -> Iterator[Start]:
    guests: list[Guest] = []

    def run(port: str, program: str, *arguments: str) -> Guest:
        guest = Guest([need(program), *arguments], tmp_path)
        guests.append(guest)
        wait_until(lambda: listens(int(port)))
        return guest

    yield run
    for guest in guests:
        guest.close()


@pytest.mark.parametrize("seconds", SECONDS)
def test_redis(start: Start, seconds: int) -> None:
    """Three lives of one server, which rewrites its log meanwhile; no counter loses anything."""
    port = free_port()
    arguments = "redis-server", "--port", port, "--appendonly", "yes", "--save", ""
    totals = [0] * CLIENTS
    for _ in range(3):
        guest = start(port, *arguments)
        client = Redis(int(port))
        wait_until(lambda client=client: client.ask("ping") == b"+PONG")  # type: ignore[misc]
        client.ask("config", "set", "loglevel", "warning")
        load = Load(totals, increment(int(port)))
        measured = run_with_forks(guest, client, seconds / 3)
        load.stop()
        assert [int(client.ask("get", f"counter{i}")) for i in range(CLIENTS)] == load.done
        assert all(now > before for now, before in zip(load.done, totals, strict=True))
        totals = list(load.done)
        check_leaks(guest, measured)
        assert guest.stop(signal.SIGTERM) == 0


def run_with_forks(guest: Guest, client: Redis, seconds: float) -> tuple[int, int]:
    """Descriptors and memory after the first third; a child rewrites the log again and again."""
    end = time.monotonic() + seconds
    time.sleep(seconds / 3)
    measured = guest.descriptors(), guest.resident()
    while time.monotonic() < end:
        client.ask("bgrewriteaof")
        time.sleep(min(1, seconds / 4))
    wait_until(lambda: b"aof_rewrite_in_progress:0" in client.ask("info", "persistence"))
    return measured


def check_leaks(guest: Guest, before: tuple[int, int]) -> None:
    descriptors, resident = before
    assert guest.descriptors() <= descriptors + 1
    assert guest.resident() < resident + GROWTH, (guest.resident(), resident)


@pytest.mark.parametrize("seconds", SECONDS)
def test_nginx(start: Start, tmp_path: Path, seconds: int) -> None:
    """Reloaded again and again: the old workers finish, no request fails, every byte is right."""
    port = free_port()
    tmp_path.chmod(0o755)  # the workers are nobody
    (tmp_path / "www").mkdir()
    for name, content in FILES.items():
        (tmp_path / "www" / name).write_bytes(content)
    (tmp_path / "conf").write_text(NGINX.format(port=port))
    guest = start(port, "/usr/sbin/nginx", "-p", ".", "-e", "stderr", "-c", "conf")
    load = Load([0] * CLIENTS, fetch_all(int(port), FILES))
    time.sleep(seconds / 3)
    measured = guest.descriptors(), guest.resident()
    reloads = max(2, seconds // 5)
    for _ in range(reloads):
        guest.process.send_signal(signal.SIGHUP)
        time.sleep(seconds * 2 / 3 / reloads)
    load.stop()
    assert all(load.done)
    check_leaks(guest, measured)
    assert guest.stop(signal.SIGQUIT) == 0
    assert (tmp_path / "log").read_bytes() == b""
