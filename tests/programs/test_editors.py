"""vim and tmux on a terminal; Emacs in batch mode, and in a window under Xvfb."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from programs.harness import BLINK, ENVIRONMENT, GUESTS, Same
from programs.terminal import Terminal

MODES = [[], pytest.param(["-j"], marks=pytest.mark.long)]
WAIT = 200.0

Need = Callable[[str], str]


@pytest.mark.ci
@pytest.mark.parametrize("options", MODES, ids=str)
def test_vim(tmp_path: Path, need: Need, options: list[str]) -> None:
    """Inserts, copies, substitutes, runs a shell command, undoes; writes and quits."""
    (tmp_path / "text").write_text("first\nsecond\n")
    command = [str(BLINK), *options, need("vim.tiny"), "-u", "NONE", "-i", "NONE", "-N", "text"]
    terminal = Terminal(command, tmp_path, TERM="xterm")
    try:
        terminal.expect("second")
        terminal.send("ohello world\x1byyp:s/world/vim/\r")
        terminal.expect("vim")
        terminal.send(":r !echo from; echo shell\r")
        terminal.resize(30, 60)
        terminal.expect("shell")
        terminal.send("ddGddu:wq\r")
        assert terminal.finish() == 0
    finally:
        terminal.close()
    text = (tmp_path / "text").read_text()
    assert text == "first\nhello world\nhello vim\nfrom\nsecond\n"


# An empty line comes first, for what is typed before the prompt is there prints behind it.
TMUX = """\
t="tmux -L blink-test-$$ -f /dev/null"
shows() {
  for i in $(seq 200); do
    [ "$($t capture-pane -p -t $1 | grep -cx "$2")" = $3 ] && echo "$1 shows $2" && return
    sleep 0.1
  done
}
$t new-session -d -x 80 -y 20 -s one 'sh -i'
$t send-keys -t one 'echo; echo $((6 * 7))' Enter
shows one.0 42 1
$t split-window -t one 'echo pane; exec cat'
$t send-keys -t one.1 typed Enter
shows one.1 typed 2
$t resize-pane -t one.0 -y 5
$t new-window -d -t one 'exit 3'
$t set-buffer 'from a buffer'
$t paste-buffer -t one.1
$t send-keys -t one.1 Enter
shows one.1 'from a buffer' 2
$t list-panes -t one -F '#{pane_width}x#{pane_height} #{pane_current_command}'
$t kill-server
$t ls 2>/dev/null
echo $?
"""


@pytest.mark.tiers(plain="ci", interpreted="long")
def test_tmux(same: Same) -> None:
    same.need("tmux")
    same.sh(TMUX, env={"TMUX_TMPDIR": "/tmp", "LC_ALL": "C.UTF-8", "TERM": "xterm"}, ignore=["*"])


@pytest.mark.tiers(plain="long", interpreted="long")
def test_emacs_batch(same: Same) -> None:
    command = "emacs", "-Q", "--batch", "-l", str(GUESTS / "script.el")
    same(*command, env={"LC_ALL": "C.UTF-8"}, status=3, ignore=[".emacs.d*"])


@pytest.fixture
def display(need: Need, tmp_path: Path) -> Iterator[str]:
    """The name of an X display of 720 by 480 points that nobody else uses."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [need("Xvfb"), "-displayfd", str(writer), "-screen", "0", "720x480x24"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as lines:
        number = lines.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(WAIT)


def xdo(display: str, *arguments: str) -> str:
    command = ["xdotool", *arguments]
    environment = {**os.environ, "DISPLAY": display}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT)
    return done.stdout.strip()


def wait_for(ready: Callable[[], object], why: str) -> None:
    end = time.monotonic() + WAIT
    while not ready():
        assert time.monotonic() < end, why
        time.sleep(0.2)


def type_and_save(display: str, file: Path) -> None:
    """The window takes keys once it is drawn: what was typed is seen in the saved file."""
    find = "search", "--onlyvisible", "--class", "emacs"
    wait_for(lambda: xdo(display, *find), "no window")
    xdo(display, "mousemove", "200", "200")
    time.sleep(2)
    xdo(display, "key", "ctrl+End")
    xdo(display, "type", "--delay", "30", "typed under blink")
    xdo(display, "key", "ctrl+x", "ctrl+s")
    wait_for(lambda: "blink" in file.read_text(), "not saved")


def screenshot(display: str, path: str | None) -> None:
    """Of the whole display, for an eye to look at: BLINK_SCREENSHOT names the file."""
    if path and (program := shutil.which("import")):
        time.sleep(2)
        environment = {**os.environ, "DISPLAY": display}
        subprocess.run([program, "-window", "root", path], env=environment, check=True)


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["-j"]], ids=str)
def test_emacs_window(tmp_path: Path, need: Need, display: str, options: Sequence[str]) -> None:
    """Opens a file, is typed into, saves, quits: docs/guide/pictures/emacs.png."""
    need("xdotool")
    file = tmp_path / "text"
    file.write_text("first line\n")
    command = [str(BLINK), *options, need("emacs"), "-Q", "--geometry", "80x24+0+0", "text"]
    environment = {**ENVIRONMENT, "DISPLAY": display, "HOME": str(tmp_path)}
    emacs = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        type_and_save(display, file)
        screenshot(display, os.environ.get("BLINK_SCREENSHOT"))
        xdo(display, "key", "ctrl+x", "ctrl+c")
        assert emacs.wait(WAIT) == 0
    finally:
        if emacs.poll() is None:
            emacs.send_signal(signal.SIGKILL)
            emacs.wait()
    assert file.read_text() == "first line\ntyped under blink"
