"""A server for GDB's remote protocol, on a session.

    blink -g 1234 PROGRAM
    gdb -ex 'target remote :1234' PROGRAM

All-stop mode, one connection.  Source: the GDB manual, appendix E.  A packet that we do not know
gets the empty reply, as the protocol says, and GDB does without.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

from blink.debugger.errors import DebugError
from blink.debugger.gdb import monitor, objects, registers, stops
from blink.debugger.gdb.backwards import Backwards
from blink.debugger.gdb.drive import Begin, Drive
from blink.debugger.gdb.files import Files
from blink.debugger.gdb.packets import INTERRUPT, MAX_PACKET, Disconnected, Packets
from blink.debugger.gdb.resume import Resume, thread_number
from blink.debugger.gdb.signals import to_gdb
from blink.debugger.session import Session
from blink.debugger.stop import Stop

OK, UNKNOWN = b"OK", b""
EINVAL, EFAULT = b"E16", b"E0e"
_MOTIONS = (b"bs", b"bc", b"vCont;", b"c", b"s", b"C", b"S")


class Ended(Exception):
    """GDB has killed the program, or left it."""


class Server:
    """One connection."""

    def __init__(self, session: Session, connection: socket.socket) -> None:
        self.packets = Packets(connection)
        self.drive = Drive(session, self.packets)
        self.files = Files(self.drive)
        self.resume = Resume(self.drive)
        self.back = Backwards(self.drive, self._stepped)
        self.features: set[str] = set()
        self.extended = False  # GDB stays when the program is gone, and may start it again
        self._dead = False  # it has been told so
        self._asked = False  # ctrl-C has come between two packets
        self._last = self._here("step")

    @property
    def session(self) -> Session:
        """What GDB sees."""
        return self.drive.session

    # --- the loop ---

    def serve(self) -> None:
        """Until GDB goes away.  Raises Ended when the program is not to be served any more."""
        try:
            while True:
                packet = self.packets.receive()
                if packet == INTERRUPT:
                    self._asked = True
                else:
                    self._answer(packet)
        except Disconnected:
            if self._dead:
                raise Ended from None
        finally:
            self.files.close()
            self.drive.close()
            if self._dead:
                self.session.close()

    def _answer(self, packet: bytes) -> None:
        try:
            reply = self.reply(packet)
        except DebugError as error:
            is_motion = packet.startswith(_MOTIONS)
            reply = b"E." + str(error).encode() if is_motion else EFAULT
        except (ValueError, IndexError, OverflowError):
            reply = EINVAL
        self.packets.send(reply)
        if packet == b"QStartNoAckMode":
            self.packets.acknowledge = False

    def reply(self, packet: bytes) -> bytes:
        """To one packet.  Raises DebugError, ValueError."""
        asked = self._asked and packet.startswith(_MOTIONS)
        if asked or not packet.startswith(b"m"):
            self._asked = False
        if asked:
            return self._interrupted()
        if (known := self.back.answer(packet)) is not None:
            return known
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

    def move(self, begin: Begin | None) -> bytes:
        """Begins a motion and waits for its end, or for ctrl-C; the stop reply.  None: the program
        has been ended by a signal that GDB lets it have now."""
        if begin is None:
            return b"X%02x" % (to_gdb(-(self.session.exit_status or 0)))
        self._last = self.drive.carry_out(begin)
        if text := self.drive.new_output():
            self.say(text)
        if self._last.reason == "diverged":
            self.say(f"blink: {self._last.text}\n".encode())
        return self._stop_reply()

    def say(self, text: bytes) -> None:
        """GDB shows it, while it waits for a motion's end or for a command of ours."""
        for at in range(0, len(text), _MOST_TEXT):
            self.packets.send(b"O" + text[at : at + _MOST_TEXT].hex().encode())

    def _stop_reply(self) -> bytes:
        return stops.reply(self.session, self._last, self._known())

    def _known(self) -> stops.Known:
        watches, events = self.drive.points.watches, "exec-events+" in self.features
        return stops.Known(watches, events, self._thread_id)

    def _stepped(self, values: dict[str, int]) -> bytes:
        return stops.stepped(self.session.tid, values, self._known())

    def _interrupted(self) -> bytes:
        """To a motion that GDB has begun before it heard of ctrl-C: it ends at once."""
        self.back.interrupted()
        self._last = self._here("interrupt")
        return self._stop_reply()

    def _here(self, reason: str) -> Stop:
        """A stop where the session stands: nothing has run."""
        return Stop(reason, self.session.tid, None, self.session.time, "", [], {})

    def _why(self, _: str) -> bytes:
        return b"X09" if self._dead else self._stop_reply()

    @property
    def _is_gone(self) -> bool:
        """Whether there is no program: GDB may start it again."""
        return self._dead or self.session.exit_status is not None

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
        self._go_back()
        session = self.session
        several = len(session.threads()) > 1
        return self.move(lambda: session.reverse_step(only=session.tid if several else None))

    def _go_back(self) -> None:
        if self.drive.go_back():
            self.say(b"blink: the branch ends: this is the recording again\n")

    def _back_continue(self, _: str) -> bytes:
        self._go_back()
        return self.move(self.session.reverse_cont)

    # --- registers and memory ---

    def _read_registers(self, _: str) -> bytes:
        return registers.encode(self.session.registers())

    def _write_registers(self, text: str) -> bytes:
        new = registers.changes(bytes.fromhex(text), self.session.registers())
        for name, value in new.items():
            self.drive.change().set_register(name, value)
        return OK

    def _read_register(self, text: str) -> bytes:
        return registers.encode_one(registers.ALL[int(text, 16)], self.session.registers())

    def _write_register(self, text: str) -> bytes:
        number, _, value = text.partition("=")
        register = registers.ALL[int(number, 16)]
        values = self.session.registers()
        registers.put(register, bytes.fromhex(value), values)
        if register.ours and values != self.session.registers():
            self.drive.change().set_register(register.ours, values[register.ours])
        return OK

    def _read_memory(self, text: str) -> bytes:
        address, length = (int(word, 16) for word in text.split(","))
        data = self.session.read(address, min(length, MAX_PACKET // 2))
        return data.hex().encode() if data or not length else EFAULT

    def _write_memory(self, text: str) -> bytes:
        place, _, data = text.partition(":")
        self.drive.write(int(place.partition(",")[0], 16), bytes.fromhex(data))
        return OK

    def _write_binary(self, packet: bytes) -> bytes:
        place, _, data = packet[1:].partition(b":")
        if data:
            self.drive.write(int(place.partition(b",")[0], 16), data)
        return OK

    def _search_memory(self, text: str) -> bytes:
        address, length, _ = text.split(";", 2)
        pattern = text.encode("latin-1").split(b";", 2)[2]
        start = int(address, 16)
        found = self.session.search(pattern, start, start + int(length, 16), 1)
        return b"1,%x" % found[0] if found else b"0"

    # --- breakpoints ---

    def _insert(self, text: str) -> bytes:
        return OK if self.drive.points.insert(text) else UNKNOWN

    def _delete(self, text: str) -> bytes:
        self.drive.points.delete(text)
        return OK

    def _pass_signals(self, text: str) -> bytes:
        self.drive.points.pass_signals(text)
        return OK

    def _catch_syscalls(self, text: str) -> bytes:
        self.drive.points.catch_calls(text)
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
        if self._is_gone:
            return EINVAL
        return OK if any(t.tid == tid for t in self.session.threads()) else EINVAL

    def _current_thread(self, _: str) -> bytes:
        if self._is_gone:
            return UNKNOWN
        return b"QC" + self._thread_id(self.session.tid).encode()

    def _first_threads(self, _: str) -> bytes:
        if self._is_gone:
            return b"l"
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
            *("QCatchSyscalls+", "exec-events+", "multiprocess+", "qXfer:siginfo:write+"),
        ]
        if self.session.reversible:
            ours += ["ReverseStep+", "ReverseContinue+"]
        if "exec-events+" in self.features:
            self.drive.points.catch_exec()
        return ";".join(ours).encode()

    def _transfer(self, text: str) -> bytes:
        name, what, annex, place = text.split(":", 3)
        if name == "siginfo" and what == "write":
            return self._give_signal(place)
        if what != "read" or name not in _DOCUMENTS:
            return UNKNOWN
        if name == "threads" and self._is_gone:
            return b"l<threads></threads>"
        if name == "siginfo":
            self.drive.take_signal()
        whole = objects.document(self.session, name, annex, self._thread_id, self._last)
        if whole is None:
            return b"E00"
        offset, length = (int(word, 16) for word in place.split(","))
        return objects.piece(whole, offset, min(length, MAX_PACKET // 2))

    def _give_signal(self, place: str) -> bytes:
        """The information of a signal is what it was: only a function that GDB called is over."""
        self.drive.give_signal()
        return b"%x" % len(place.partition(":")[2])

    def _monitor(self, text: str) -> bytes:
        return monitor.answer(self.drive, bytes.fromhex(text).decode("utf-8", "replace"), self.say)

    def _ok(self, _: str) -> bytes:
        return OK

    # --- the end ---

    def _detach(self, _: str) -> bytes:
        self.packets.send(OK)
        self.drive.leave()
        if self.session.kept is not None:  # a capsule
            self.session.close()
        elif self.session.exit_status is None:
            self.session.detach()
        raise Ended

    def _kill(self, _: str) -> bytes:
        if self.extended:
            self._dead = True
            return OK
        self.session.close()
        raise Ended

    def _vkill(self, _: str) -> bytes:
        if not self.extended:
            self.packets.send(OK)
        return self._kill("")

    # --- the program again ---

    def _extend(self, _: str) -> bytes:
        self.extended = True
        return OK

    def _run(self, text: str) -> bytes:
        """`vRun;FILE;ARGUMENT...`, all in hexadecimal digits; without arguments those that it had.
        The file is the one that it was."""
        words = [bytes.fromhex(word) for word in text.split(";")][1:]
        self.drive.restart(words or None)
        self._dead = False
        self._last = self._here("step")
        return self._stop_reply()


_MOST_TEXT = MAX_PACKET // 4
_DOCUMENTS = (
    "features", "auxv", "exec-file", "threads", "memory-map", "libraries-svr4", "siginfo",
)  # fmt: skip

# Longer prefixes first; what stands behind goes to the handler.
_HANDLERS: list[tuple[str, Callable[[Server, str], bytes]]] = sorted(
    {
        "?": Server._why,
        "vCont?": Server._vcont_query,
        "vCont;": Server._vcont,
        "vKill": Server._vkill,
        "vRun;": Server._run,
        "!": Server._extend,
        "qRcmd,": Server._monitor,
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
