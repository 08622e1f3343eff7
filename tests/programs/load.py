"""Load on servers under blink: clients that count what they asked for, and check each answer."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from programs.harness import BLINK, ENVIRONMENT, default_signals

PATIENCE = 300.0


class Guest:
    """A server under blink; what it says goes to the file `log`."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            [str(BLINK), *command],
            cwd=folder,
            env={**ENVIRONMENT, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            preexec_fn=default_signals,
        )

    def stop(self, signo: int) -> int:
        """Its exit status."""
        self.process.send_signal(signo)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.log.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def resident(self) -> int:
        """Memory in kB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0])


def wait_until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < end, "never ready"
        time.sleep(0.05)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Redis:
    """One connection that speaks the protocol of redis (RESP)."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.file = self.socket.makefile("rb")

    def ask(self, *words: object) -> bytes:
        """The first line of the reply, or the string that it announces."""
        parts = [str(word).encode() for word in words]
        text = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.socket.sendall(b"*%d\r\n%s" % (len(parts), text))
        line = self.file.readline().rstrip()
        if not line:
            raise ConnectionError("redis closed the connection")
        if line[:1] == b"$" and line != b"$-1":
            return self.file.read(int(line[1:]) + 2)[:-2]
        return line

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Load:
    """Threads that run `work(self, i)` until `stop`; `done[i]` counts on, `errors` collects."""

    def __init__(self, done: list[int], work: Callable[[Load, int], None]) -> None:
        self.over = threading.Event()
        self.done = list(done)
        self.errors: list[BaseException] = []
        self._work = work
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(len(done))]
        for thread in self._threads:
            thread.start()

    def _run(self, i: int) -> None:
        try:
            self._work(self, i)
        except BaseException as error:
            self.errors.append(error)

    def stop(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not self.errors, self.errors


def fetch_all(port: int, files: dict[str, bytes]) -> Callable[[Load, int], None]:
    """Clients of HTTP that keep their connection, and open a new one when the server ends it."""

    def work(load: Load, i: int) -> None:
        names = list(files)
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        while not load.over.is_set():
            name = names[(load.done[i] + i) % len(names)]
            try:
                client.request("GET", f"/{name}")
                reply = client.getresponse()
            except ConnectionError:  # an idle connection, closed as the request was on its way
                client.close()
                continue
            assert reply.status == 200, (name, reply.status, reply.read())
            assert reply.read() == files[name]
            load.done[i] += 1
        client.close()

    return work


def increment(port: int) -> Callable[[Load, int], None]:
    """Clients of redis, each with a counter; a lost connection leaves one question open."""

    def work(load: Load, i: int) -> None:
        client = Redis(port)
        while not load.over.is_set():
            assert client.ask("incr", f"counter{i}") == b":%d" % (load.done[i] + 1)
            load.done[i] += 1
            value = f"{i} {load.done[i]} " + "v" * (load.done[i] % 500)
            assert client.ask("set", f"key{i}", value) == b"+OK"
            assert client.ask("get", f"key{i}") == value.encode()
        client.close()

    return work
