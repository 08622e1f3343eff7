"""A server for GDB's remote protocol, on a session.

    blink -g 1234 PROGRAM
    gdb -ex 'target remote :1234' PROGRAM

All-stop mode, one connection.  Source: the GDB manual, appendix E.  A packet that we do not know
gets the empty reply, as the protocol says, and GDB does without.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable

from blink.debugger.errors import DebugError
from blink.debugger.gdb import objects, registers, stops
from blink.debugger.gdb.files import Files
from blink.debugger.gdb.packets import INTERRUPT, MAX_PACKET, Disconnected, Packets
from blink.debugger.gdb.resume import Resume, thread_number
from blink.debugger.gdb.signals import from_gdb, to_gdb
from blink.debugger.session import Session
from blink.debugger.stop import Stop

OK, UNKNOWN = b"OK", b""
EINVAL, EFAULT = b"E16", b"E0e"
_WATCHES = {"2": ("w", "watch"), "3": ("r", "rwatch"), "4": ("rw", "awatch")}


class Ended(Exception):
    """GDB has killed the program, or left it."""


class Server:
    """One connection."""

    def __init__(self, session: Session, connection: socket.socket) -> None:
        self.session = session
        self.packets = Packets(connection)
        self.files = Files(session)
        self.resume = Resume(session)
        self.features: set[str] = set()
        self._points: dict[tuple[str, int, int], int] = {}  # type, address, length -> number
        self._watches: dict[int, tuple[str, int]] = {}
        self._signals: int | None = None  # numbers of catchpoints
        self._syscalls: int | None = None
        self._passed: set[int] = set()
        self._last = Stop("step", session.tid, None, session.time, "", [], {})
        self._wake, self._woken = os.pipe()
        session.on_stop = self._stopped
        self._catch_signals()

    # --- the loop ---

    def serve(self) -> None:
        """Until GDB goes away.  Raises Ended when the program is not to be served any more."""
        try:
            while True:
                packet = self.packets.receive()
                if packet != INTERRUPT:
                    self._answer(packet)
        except Disconnected:
            if self.session.running:
                self.session.interrupt()
        finally:
            self.files.close()
            self.session.on_stop = None
            os.close(self._wake)
            os.close(self._woken)

    def _answer(self, packet: bytes) -> None:
        try:
            reply = self.reply(packet)
        except DebugError:
            reply = EFAULT
        except (ValueError, IndexError, OverflowError):
            reply = EINVAL
        self.packets.send(reply)
        if packet == b"QStartNoAckMode":
            self.packets.acknowledge = False

    def reply(self, packet: bytes) -> bytes:
        """To one packet.  Raises DebugError, ValueError."""
        text = packet.decode("latin-1")
        if packet.startswith(b"vFile:"):
            return self.files.call(packet[6:])
        if packet.startswith(b"X"):
            return self._write_binary(packet)
        for prefix, handler in _HANDLERS:
            if text.startswith(prefix):
                return handler(self, text[len(prefix) :])
        return UNKNOWN

    # --- motion ---

    def _stopped(self, stop: Stop) -> None:
        os.write(self._woken, b"x")

    def move(self, begin: Callable[[], None] | None) -> bytes:
        """Begins a motion and waits for its end, or for ctrl-C; the stop reply.  None: the program
        has been ended by a signal that GDB lets it have now."""
        if begin is None:
            return b"X%02x" % (to_gdb(-(self.session.exit_status or 0)))
        begin()
        while self.session.running:
            waiting = self.packets.waiting
            ready, _, _ = select.select(
                [self._wake, self.packets.fileno()], [], [], 0 if waiting else None
            )
            if self._wake in ready:
                break
            if self.packets.receive() == INTERRUPT:
                self.session.interrupt()
        os.read(self._wake, 1)
        self._last = self.session.wait()
        if self._last.reason == "error":
            raise DebugError(self._last.text)
        return self._stop_reply()

    def _stop_reply(self) -> bytes:
        known = stops.Known(self._watches, "exec-events+" in self.features, self._thread_id)
        return stops.reply(self.session, self._last, known)

    def _why(self, _: str) -> bytes:
        return self._stop_reply()

    def _vcont(self, text: str) -> bytes:
        return self.move(self.resume.actions(text))

    def _vcont_query(self, _: str) -> bytes:
        return b"vCont;c;C;s;S;t;r"

    def _continue(self, text: str) -> bytes:
        return self.move(self.resume.plain("c", text))

    def _step(self, text: str) -> bytes:
        return self.move(self.resume.plain("s", text))

    def _continue_signal(self, text: str) -> bytes:
        return self.move(self.resume.plain("C", text))

    def _step_signal(self, text: str) -> bytes:
        return self.move(self.resume.plain("S", text))

    def _back_step(self, _: str) -> bytes:
        session = self.session
        several = len(session.threads()) > 1
        return self.move(lambda: session.reverse_step(only=session.tid if several else None))

    def _back_continue(self, _: str) -> bytes:
        return self.move(self.session.reverse_cont)

    # --- registers and memory ---

    def _read_registers(self, _: str) -> bytes:
        return registers.encode(self.session.registers())

    def _write_registers(self, text: str) -> bytes:
        new = registers.changes(bytes.fromhex(text), self.session.registers())
        for name, value in new.items():
            self.session.set_register(name, value)
        return OK

    def _read_register(self, text: str) -> bytes:
        return registers.encode_one(registers.ALL[int(text, 16)], self.session.registers())

    def _write_register(self, text: str) -> bytes:
        number, _, value = text.partition("=")
        register = registers.ALL[int(number, 16)]
        values = self.session.registers()
        registers.put(register, bytes.fromhex(value), values)
        if register.ours:
            self.session.set_register(register.ours, values[register.ours])
        return OK

    def _read_memory(self, text: str) -> bytes:
        address, length = (int(word, 16) for word in text.split(","))
        data = self.session.read(address, min(length, MAX_PACKET // 2))
        return data.hex().encode() if data or not length else EFAULT

    def _write_memory(self, text: str) -> bytes:
        place, _, data = text.partition(":")
        self.session.write(int(place.partition(",")[0], 16), bytes.fromhex(data))
        return OK

    def _write_binary(self, packet: bytes) -> bytes:
        place, _, data = packet[1:].partition(b":")
        if data:
            self.session.write(int(place.partition(b",")[0], 16), data)
        return OK

    def _search_memory(self, text: str) -> bytes:
        address, length, _ = text.split(";", 2)
        pattern = text.encode("latin-1").split(b";", 2)[2]
        start = int(address, 16)
        found = self.session.search(pattern, start, start + int(length, 16), 1)
        return b"1,%x" % found[0] if found else b"0"

    # --- breakpoints ---

    def _insert(self, text: str) -> bytes:
        kind, address, length = self._place(text)
        if (kind, address, length) in self._points:
            return OK
        if kind in ("0", "1"):
            number = self.session.add_breakpoint(address).number
        elif kind in _WATCHES:
            access, name = _WATCHES[kind]
            number = self.session.add_watchpoint(address, length, access).number
            self._watches[number] = (name, address)
        else:
            return UNKNOWN
        self._points[kind, address, length] = number
        return OK

    def _delete(self, text: str) -> bytes:
        number = self._points.pop(self._place(text), None)
        if number is not None:
            self.session.remove(number)
            self._watches.pop(number, None)
        return OK

    @staticmethod
    def _place(text: str) -> tuple[str, int, int]:
        kind, address, length = text.partition(";")[0].split(",")
        return kind, int(address, 16), int(length, 16) if kind in _WATCHES else 1

    def _catch_signals(self) -> None:
        """All signals but those that GDB lets pass."""
        if self._signals is not None:
            self.session.remove(self._signals)
        names = [str(n) for n in range(1, 65) if n not in self._passed]
        self._signals = self.session.catch("signal", names).number if names else None

    def _pass_signals(self, text: str) -> bytes:
        self._passed = {from_gdb(int(word, 16)) for word in text.split(";") if word}
        self._catch_signals()
        return OK

    def _catch_syscalls(self, text: str) -> bytes:
        if self._syscalls is not None:
            self.session.remove(self._syscalls)
            self._syscalls = None
        on, *numbers = text.split(";")
        if on == "1":
            names = [str(int(number, 16)) for number in numbers]
            self._syscalls = self.session.catch("syscall", names).number
        return OK

    # --- threads ---

    def _select(self, text: str) -> bytes:
        tid = thread_number(text[1:])
        if text[0] == "c":
            self.resume.only = tid
        elif tid is not None:
            self.session.select(tid)
        return OK

    def _thread_id(self, tid: int) -> str:
        return f"p{self.session.pid:x}.{tid:x}" if self._several else f"{tid:x}"

    @property
    def _several(self) -> bool:
        """Whether GDB writes process numbers, too."""
        return "multiprocess+" in self.features

    def _alive(self, text: str) -> bytes:
        tid = thread_number(text)
        return OK if any(t.tid == tid for t in self.session.threads()) else EINVAL

    def _current_thread(self, _: str) -> bytes:
        return b"QC" + self._thread_id(self.session.tid).encode()

    def _first_threads(self, _: str) -> bytes:
        return b"m" + ",".join(self._thread_id(t.tid) for t in self.session.threads()).encode()

    def _thread_text(self, text: str) -> bytes:
        tid = thread_number(text)
        found = next((t for t in self.session.threads() if t.tid == tid), None)
        return EINVAL if found is None else f"{found.name} {found.state}".encode().hex().encode()

    # --- queries ---

    def _supported(self, text: str) -> bytes:
        self.features = set(text.lstrip(":").split(";"))
        ours = [
            f"PacketSize={MAX_PACKET:x}",
            *(f"qXfer:{name}:read+" for name in _DOCUMENTS),
            *("QStartNoAckMode+", "vContSupported+", "swbreak+", "hwbreak+", "QPassSignals+"),
            *("QCatchSyscalls+", "exec-events+", "multiprocess+"),
        ]
        if self.session.reversible:
            ours += ["ReverseStep+", "ReverseContinue+"]
        if "exec-events+" in self.features:
            self.session.catch("exec")
        return ";".join(ours).encode()

    def _transfer(self, text: str) -> bytes:
        name, what, annex, place = text.split(":")
        if what != "read":
            return UNKNOWN
        if name not in _DOCUMENTS:
            return UNKNOWN
        whole = objects.document(self.session, name, annex, self._thread_id)
        if whole is None:
            return b"E00"
        offset, length = (int(word, 16) for word in place.split(","))
        return objects.piece(whole, offset, min(length, MAX_PACKET // 2))

    def _ok(self, _: str) -> bytes:
        return OK

    # --- the end ---

    def _detach(self, _: str) -> bytes:
        self.packets.send(OK)
        self.session.detach()
        raise Ended

    def _kill(self, _: str) -> bytes:
        self.session.close()
        raise Ended

    def _vkill(self, _: str) -> bytes:
        self.packets.send(OK)
        return self._kill("")


_DOCUMENTS = ("features", "auxv", "exec-file", "threads", "memory-map", "libraries-svr4")

# Longer prefixes first; what stands behind goes to the handler.
_HANDLERS: list[tuple[str, Callable[[Server, str], bytes]]] = sorted(
    {
        "?": Server._why,
        "vCont?": Server._vcont_query,
        "vCont;": Server._vcont,
        "vKill": Server._vkill,
        "c": Server._continue,
        "s": Server._step,
        "C": Server._continue_signal,
        "S": Server._step_signal,
        "bs": Server._back_step,
        "bc": Server._back_continue,
        "g": Server._read_registers,
        "G": Server._write_registers,
        "p": Server._read_register,
        "P": Server._write_register,
        "m": Server._read_memory,
        "M": Server._write_memory,
        "Z": Server._insert,
        "z": Server._delete,
        "H": Server._select,
        "T": Server._alive,
        "D": Server._detach,
        "k": Server._kill,
        "qC": Server._current_thread,
        "qfThreadInfo": Server._first_threads,
        "qsThreadInfo": lambda server, text: b"l",
        "qThreadExtraInfo,": Server._thread_text,
        "qSupported": Server._supported,
        "qXfer:": Server._transfer,
        "qAttached": lambda server, text: b"0",
        "qSymbol:": Server._ok,
        "qSearch:memory:": Server._search_memory,
        "QStartNoAckMode": Server._ok,
        "QPassSignals:": Server._pass_signals,
        "QCatchSyscalls:": Server._catch_syscalls,
        "QDisableRandomization:": Server._ok,
    }.items(),
    key=lambda row: -len(row[0]),
)


def address_of(text: str) -> tuple[str, int]:
    """`PORT` on loopback, or `HOST:PORT`.  Raises DebugError."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65535:
        raise DebugError(f"{text} is neither PORT nor HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def serve(session: Session, place: str) -> int:
    """Serves GDB, one connection after the other, until the program is gone; its exit status.

    Raises DebugError when there is no such address to listen at.
    """
    host, port = address_of(place)
    try:
        listener = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        raise DebugError(f"cannot listen at {host}:{port}: {error.strerror}") from None
    with listener:
        print(f"blink: GDB: target remote {host}:{listener.getsockname()[1]}", file=sys.stderr)
        while session.exit_status is None:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    Server(session, connection).serve()
                except Ended:
                    break
    return session.end_status()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
