"""The real program in a real terminal: tmux runs it, types, and shows what it sees."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.tui import programs
from tests.tui.terminal import COMMAND, CTRL, PATIENCE, WHEEL_DOWN, WHEEL_UP, Tmux
from tests.tui.test_serve import free_port

pytestmark = [pytest.mark.ci, pytest.mark.timeout(400)]
pytest.importorskip("textual", reason="the interface's libraries are not installed")


def test_a_sort_with_a_bug_is_stepped_and_ends(
    tmux: Tmux, compiled: Callable[[str, str], str]
) -> None:
    program = compiled(programs.SORT, "gcc")
    tmux.start(f"{COMMAND} -b main {program}", 200, 60)
    tmux.wait("stopped", "Disassembly", "Registers", "Terminal")
    tmux.keys("c")
    screen = tmux.wait("breakpoint 1 at", "prog.c:", "int main(void)")
    assert "▶" in screen and "hit 1 time" in screen
    tmux.keys("n", "n", "n", "n", "n")
    tmux.keys("c")
    tmux.wait("The program has ended", "status 3")
    tmux.keys("Escape")
    screen = tmux.wait_gone("The program has ended")
    assert "1 2 3 4 5 6 7 8 and 9 77" in screen
    tmux.keys("q")
    tmux.wait("status 0")


def test_who_wrote_leads_back_to_the_bug(tmux: Tmux, compiled: Callable[[str, str], str]) -> None:
    tmux.start(f"{COMMAND} {compiled(programs.SORT, 'gcc')}", 200, 60)
    tmux.wait("stopped")
    tmux.keys("c")
    tmux.wait("The program has ended")
    tmux.keys("Escape")
    tmux.wait_gone("The program has ended")
    tmux.keys("W")
    tmux.wait("Who wrote last to")
    tmux.keys("after 4", "Enter")
    screen = tmux.wait("in the past", "0x6 -> 0x9")
    assert "v[j + 1] = t;" in screen
    assert "and 9 77" not in screen  # not printed yet
    tmux.keys("Up")
    tmux.wait_gone("0x6 -> 0x9")
    tmux.keys("End")
    tmux.wait("The program has ended")
    tmux.keys("Escape")
    tmux.wait("and 9 77", "ended")


def test_a_register_changed_in_the_past_gives_another_end(
    tmux: Tmux, compiled: Callable[[str, str], str]
) -> None:
    tmux.start(f"{COMMAND} -R {compiled(programs.SORT, 'gcc')}", 120, 40)
    tmux.wait("stopped")
    tmux.keys("c")
    tmux.wait("ended with status 3")
    tmux.keys("Up")  # exit_group(3) is next
    tmux.wait("in the past")
    tmux.keys(":", "set a register")
    tmux.wait("that starts a branch")
    tmux.keys("Enter")
    tmux.wait("Set register")
    tmux.keys("rdi = 0", "Enter")
    tmux.wait("a branch begins here")
    tmux.keys("c")
    tmux.wait("ended with status 0")
    tmux.keys(":", "leave the branch")
    tmux.wait("back to the recording")
    tmux.keys("Enter")
    tmux.wait("back on the recording", "in the past")
    tmux.keys("q")
    tmux.wait("status 0")


def test_a_crash_in_cpp_says_where_and_what(
    tmux: Tmux, compiled: Callable[[str, str], str]
) -> None:
    program = compiled(programs.CRASH, "g++")
    tmux.start(f"{COMMAND} {program}", 120, 40)
    tmux.wait("stopped")
    tmux.keys("c")
    screen = tmux.wait("Segmentation fault (SIGSEGV)", "It reads 0x0, where nothing is mapped.")
    assert "List::sum" in screen and "prog.cc:" in screen
    tmux.keys("R")
    tmux.keys("r")
    tmux.wait("restarted")
    tmux.keys("q")
    tmux.wait("status 0")


def test_bash_and_vi_in_the_terminal(tmux: Tmux, need: Callable[[str], str]) -> None:
    need("vi")
    tmux.start(f"{COMMAND} bash --norc --noprofile", 200, 60)
    tmux.wait("stopped")
    tmux.keys("D")
    tmux.wait("bash-", "running")
    tmux.keys("echo $((6*7)) $TERM; stty size", "Enter")
    tmux.wait("42 xterm-256color", "24 80")
    tmux.keys("vi -u NONE note.txt", "Enter")
    tmux.wait('"note.txt" [New')  # what comes before it reads its keys would be the shell's
    tmux.keys("ihello from vi", "Escape")
    tmux.wait("hello from vi")
    tmux.keys(":wq", "Enter")
    tmux.wait_gone("hello from vi")  # it has left its own screen
    tmux.keys("cat note.txt", "Enter")
    tmux.wait("hello from vi", "bash-")
    tmux.keys('echo be""gun; sleep 100', "Enter")
    tmux.wait("begun")
    tmux.keys("C-c")  # goes to the program: it has the keys
    tmux.keys("echo still here", "Enter")
    tmux.wait("still here")
    tmux.keys("C-]", "C-c")
    tmux.wait("stopped")
    tmux.keys("q")
    tmux.wait("status 0")


def test_tmux_with_an_editor_in_the_terminal(tmux: Tmux, need: Callable[[str], str]) -> None:
    """A terminal in a terminal in a terminal: forks, sockets, a window that is split."""
    inner = (
        f"{need('tmux')} -L inner-{os.getpid()} -f /dev/null new-session {need('nano')} note.txt"
    )
    tmux.start(f"{COMMAND} {inner}", 200, 60)
    tmux.wait("stopped")
    tmux.keys("D")
    tmux.wait("running", "GNU nano", "New File", "[0] 0:nano")
    tmux.keys("hello from nano", "C-o")
    tmux.wait("File Name to Write: note.txt")
    tmux.keys("Enter")
    tmux.wait("Wrote 1 line")
    tmux.keys("C-b", '"', 'cat note.txt; echo sp""lit', "Enter")
    tmux.wait("split")
    tmux.keys("exit", "Enter")
    tmux.wait_gone("split")  # what comes before it is gone would be the shell's
    tmux.keys("C-x")
    tmux.wait("The program has ended", "status 0")
    assert (tmux.folder / "note.txt").read_text() == "hello from nano\n"
    tmux.keys("Escape")
    tmux.wait_gone("The program has ended")
    assert "[exited]" in tmux.screen()
    tmux.keys("q")
    tmux.wait("status 0")


def test_a_flood_leaves_the_interface_alive(tmux: Tmux) -> None:
    tmux.start_and_run(f"{COMMAND} yes blinkenlights", 80, 25)
    tmux("resize-window", "-x", "160", "-y", "50")
    tmux.wait("blinkenlights", "running", "Terminal")
    tmux.keys("C-c")
    tmux.wait("stopped")
    tmux.keys("q")
    tmux.wait("status 0")


def test_a_terminal_that_is_closed_and_changed_by_the_program(tmux: Tmux) -> None:
    tmux.start(f"{COMMAND} sh -c 'stty raw -echo; exec >&- 2>&- <&-; sleep 0.1; exit 7'", 120, 40)
    tmux.wait("stopped")
    tmux.keys("c")
    tmux.wait("The program has ended", "status 7")
    tmux.keys("Escape")
    tmux.wait_gone("The program has ended")
    tmux.keys("q")
    assert "Traceback" not in tmux.wait("status 0")


def test_interrupted_before_it_has_begun(tmux: Tmux) -> None:
    tmux.start(f"{COMMAND} true", 80, 25)
    tmux.wait("stopped")
    tmux.keys("C-c")
    tmux.wait("the program is stopped")
    tmux.keys("q")
    tmux.wait("status 0")


def test_a_recording_is_saved_and_opened(tmux: Tmux, compiled: Callable[[str, str], str]) -> None:
    tmux.start(f"{COMMAND} -R -L stops.log {compiled(programs.SORT, 'gcc')}", 120, 40)
    tmux.wait("stopped")
    tmux.keys("c")
    end = tmux.wait("ended with status 3").splitlines()[-2].split()[0]  # the time
    tmux.keys("C-s")
    tmux.wait("Save the recording as")
    tmux.keys("bug.cap", "Enter")
    tmux.wait("saved bug.cap")
    tmux.keys("q")
    tmux.wait("status 0")
    assert "the program has ended with status 3" in (tmux.folder / "stops.log").read_text()
    tmux.close()
    again = Tmux(tmux.program, tmux.folder)
    try:
        again.start(f"{COMMAND} -R bug.cap", 120, 40)
        again.wait("in the past", f" {end}")
        again.keys("End")
        again.wait(f"{end} ━")
        again.keys("W")
        again.wait("Who wrote last to")
        again.keys("after 4", "Enter")
        again.wait("0x6 -> 0x9")
        again.keys("q")
        again.wait("status 0")
    finally:
        again.close()


def test_exec_and_fork_are_followed_and_the_mouse_moves_in_time(tmux: Tmux) -> None:
    tmux.start(f"{COMMAND} -R sh -c 'cat /dev/null; exec /bin/echo done'", 200, 60)
    tmux.wait("stopped")
    tmux.keys("C-e")
    tmux.wait("Catch")
    tmux.keys("exec", "Enter", "c")
    tmux.wait("executes /bin/echo")
    tmux.keys("c")
    screen = tmux.wait("ended with status 0")
    assert "done" in screen
    tmux.mouse(WHEEL_UP, 10, 10)
    tmux.wait("in the past")
    tmux.mouse(WHEEL_DOWN, 10, 10)
    tmux.wait("ended")
    line = next(y for y, text in enumerate(screen.splitlines()) if "Code  " in text)
    tmux.mouse(WHEEL_DOWN | CTRL, 180, line + 3)  # zooms out
    tmux.wait("1:2")
    tmux.keys("q")
    tmux.wait("status 0")


def test_keys_typed_fast_go_where_they_were_meant_to(tmux: Tmux) -> None:
    tmux.start(f"{COMMAND} -R true", 120, 40)
    tmux.wait("stopped")
    tmux.keys("m", "acs", "Enter", "s")  # the question has all keys up to Enter
    tmux.wait("\n 1 ")
    tmux.keys("g", "acs", "Enter", "s", "s")
    tmux.wait("\n 2 ")
    tmux.keys("q")
    tmux.wait("status 0")


def test_without_colour_and_ended_by_a_signal(tmux: Tmux) -> None:
    tmux.start_and_run(f"{COMMAND} -H sleep 1000", 80, 25)
    coloured = re.compile(r"\x1b\[[0-9;:]*\b(3[0-8]|4[0-8]|9[0-7]|10[0-7])\b")
    assert not coloured.search(tmux("capture-pane", "-e", "-p"))
    pane = int(tmux("display-message", "-p", "#{pane_pid}"))
    children = subprocess.run(["pgrep", "-P", str(pane)], capture_output=True, text=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGTERM)
    tmux.wait("status 143")
    assert tmux.modes() == ["0", "0", "1"]


@pytest.fixture
def ssh(need: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """A command that logs in to this machine, on a server of our own."""
    port = free_port()
    for name in ("host", "user"):
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(key, check=True)
    keys = tmp_path / "keys"
    keys.write_bytes((tmp_path / "user.pub").read_bytes())
    Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "HostKey": tmp_path / "host", "AuthorizedKeysFile": keys, "StrictModes": "no",
        "UsePAM": "no", "PidFile": "none", "ListenAddress": "127.0.0.1",
    }  # fmt: skip
    words = [f"-o{name}={value}" for name, value in options.items()]
    command = [need("/usr/sbin/sshd"), "-D", "-e", "-f", "/dev/null", "-p", str(port), *words]
    with (tmp_path / "sshd.log").open("w") as log:
        server = subprocess.Popen(command, stderr=log)
    try:
        yield (
            f"ssh -tt -p {port} -i {tmp_path / 'user'} -o StrictHostKeyChecking=no"
            " -o UserKnownHostsFile=/dev/null -o ConnectionAttempts=30 -o LogLevel=ERROR 127.0.0.1"
        )
    finally:
        server.terminate()
        server.wait(30)


def test_over_ssh(tmux: Tmux, ssh: str) -> None:
    tmux.start(f"{ssh} {COMMAND} /bin/echo far", 100, 30)
    tmux.wait("stopped", "Disassembly")
    tmux("resize-window", "-x", "160", "-y", "50")
    tmux.wait("Registers")
    tmux.keys("c")
    tmux.wait("The program has ended")
    tmux.keys("Escape")
    tmux.wait_gone("The program has ended")
    assert "far" in tmux.screen()
    tmux.keys("q")
    tmux.wait("status 0")


# --- without the interface -----------------------------------------------------------------------


def run(*words: str, **names: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "blink.tui", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_plain_runs_print_stops(compiled: Callable[[str, str], str]) -> None:
    program = compiled(programs.SORT, "gcc")
    said = run("-t", "-b", "sort", "-Z", program)
    assert said.stdout == "1 2 3 4 5 6 7 8 and 9 77\n"
    assert said.returncode == 3
    assert "breakpoint 1 at" in said.stderr and "sort" in said.stderr
    assert "instructions in" in said.stderr


def test_plain_options(compiled: Callable[[str, str], str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["-w", "after,4", "-V", "-L", str(log), "-j", "-Z"]
    said = run("-t", *words, compiled(programs.SORT, "gcc"))
    assert (said.returncode, said.stderr) == (3, "")
    assert "0x6 -> 0x9" in log.read_text()
    assert "     rip 0" in log.read_text() and "instructions in" in log.read_text()
    said = run("-t", "-m", "-s", "-C", "/", "/bin/true")
    assert said.returncode == 0
    assert re.search(r"^ +[0-9,]+  mmap\(NULL, \d+, PROT_READ.* = 0x[0-9a-f]+$", said.stderr, re.M)


def test_plain_status_of_a_crash(compiled: Callable[[str, str], str]) -> None:
    said = run("-t", compiled(programs.CRASH, "g++"))
    assert said.returncode == 128 + 11
    assert "killed by SIGSEGV" in said.stderr


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 48, "no program was named"),
        (["--nonsense", "true"], 48, "unrecognized arguments: --nonsense"),
        (["true"], 48, "no terminal"),
        (["-t", "no-such-program"], 125, "no-such-program: command not found"),
        (["-t", "/etc/passwd"], 125, "/etc/passwd"),
        (["-t", "-w", "0x10,x", "true"], 125, "no length"),
        (["-t", "-L", "/no/such/folder/log", "true"], 125, "No such file or directory"),
        (["--serve=nowhere", "true"], 48, "[HOST:]PORT"),
    ],
)
def test_wrong_command_lines_are_refused_in_words(words: list[str], status: int, text: str) -> None:
    said = run(*words)
    assert text in said.stderr
    assert said.returncode == status
    assert "Traceback" not in said.stderr


def test_what_cannot_be_started_is_said_on_the_terminal(tmux: Tmux, tmp_path: Path) -> None:
    (tmp_path / "bad.cap").write_bytes(os.urandom(3000))
    tmux.start(f"{COMMAND} bad.cap; {COMMAND} ./absent", 120, 40)
    screen = tmux.wait("blinkenlights: bad.cap", "blinkenlights: ./absent", "status 125")
    assert "Traceback" not in screen


def test_help_and_version() -> None:
    said = run("-h")
    assert said.returncode == 0 and "-b WHERE" in said.stdout and "man blinkenlights" in said.stdout
    assert run("-v").stdout.startswith("blinkenlights ")
