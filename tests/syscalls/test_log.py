"""The call log (`-s`) of file calls: names of flags, structures, strings, results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blink.abi.structs import RLIMIT
from syscalls.guest import Compile, blink, lines

EXPECTED = """
openat(AT_FDCWD, "made", O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0644) = 3
write(3, "hello \\"world\\"\\n", 14) = 14
pread64(3, "\\"world\\"\\n", 50, 6) = 8
newfstatat(AT_FDCWD, "made", {st_mode=S_IFREG|0644, st_size=14, ...}, AT_SYMLINK_NOFOLLOW) = 0
fcntl(3, F_SETLK, {l_type=1, l_whence=0, l_start=2, l_len=4, l_pid=0}) = 0
fcntl(3, F_SETFL, O_RDWR|O_APPEND) = 0
fcntl(3, 7777, 0x5) = -1 EINVAL (Invalid argument)
writev(3, ["ab", "cd"], 2) = 4
ioctl(3, TIOCGWINSZ, ADDRESS) = -1 ENOTTY (Inappropriate ioctl for device)
ioctl(3, FIONREAD, [0]) = 0
access("absent", R_OK|W_OK) = -1 ENOENT (No such file or directory)
access("made", F_OK) = 0
lseek(3, -3, SEEK_END) = 15
mkdirat(AT_FDCWD, "folder", 0750) = 0
socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 0) = 4
connect(4, {AF_INET, 127.0.0.1:1}, 16) = 0
socket(AF_UNIX, SOCK_STREAM, 0) = 5
connect(5, {AF_UNIX, "nobody"}, 110) = -1 ENOENT (No such file or directory)
ppoll([{fd=3, events=POLLIN, revents=0}], 1, {tv_sec=0, tv_nsec=5}, [SIGUSR1], 8) = 1
prlimit64(0, RLIMIT_CORE, NULL, {rlim_cur=LIMIT, rlim_max=LIMIT}) = 0
readlink("/proc/self/exe", "PATH"..., 100) = LENGTH
epoll_create1(0) = 6
pipe2([7, 8], O_CLOEXEC) = 0
epoll_ctl(6, EPOLL_CTL_ADD, 7, {events=EPOLLIN, data=7}) = 0
epoll_wait(6, [{events=EPOLLIN, data=7}], 4, 0) = 1
symlinkat("target", AT_FDCWD, "link") = 0
"""


def shape(line: str) -> str:
    """The line without what differs from run to run."""
    line = line.partition("] ")[2]
    line = re.sub(r"rlim_(cur|max)=[^,}]+", r"rlim_\1=LIMIT", line)
    line = re.sub(r'(exe", )"[^"]*"\.*(, 100\)) = \d+', r'\1"PATH"...\2 = LENGTH', line)
    return re.sub(r"(TIOCGWINSZ), 0x\w+", r"\1, ADDRESS", line)


def test_limits_are_shown_as_strace_does() -> None:
    data = RLIMIT.pack(8 << 20, (1 << 64) - 1)
    assert RLIMIT.format(data) == "{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}"
    assert RLIMIT.format(RLIMIT.pack(1024, 1025)) == "{rlim_cur=1024, rlim_max=1025}"


@pytest.fixture
def log(compiled: Compile, tmp_path: Path) -> list[str]:
    status, _, said = lines([*blink("-s"), str(compiled("logged"))], tmp_path / "run")
    assert status == 0, said
    return [shape(line) for line in said.splitlines()]


def test_the_lines(log: list[str]) -> None:
    for expected in EXPECTED.strip().splitlines():
        name = expected.partition("(")[0]
        assert expected in log, [line for line in log if line.startswith(name)]


def test_unknown_commands_are_told_once(log: list[str]) -> None:
    assert log.count("fcntl command 7777 is not known") == 1
