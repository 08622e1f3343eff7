"""Programs with threads of their own."""

from __future__ import annotations

import pytest

from programs.harness import Same

QUEUE = """
import threading, queue, subprocess
from concurrent.futures import ThreadPoolExecutor
work, out = queue.Queue(10), []
def worker():
    while (x := work.get()) is not None:
        out.append(x * x)
threads = [threading.Thread(target=worker) for _ in range(4)]
for t in threads: t.start()
for i in range(1000): work.put(i)
for _ in threads: work.put(None)
for t in threads: t.join()
print(sum(out), len(out), threading.active_count())
event = threading.Event()
threading.Timer(0.01, event.set).start()
print(event.wait(10))
with ThreadPoolExecutor(3) as pool:
    print(list(pool.map(lambda i: subprocess.run(["sh", "-c", f"exit {i}"]).returncode, range(6))))
"""


@pytest.mark.all_modes
def test_python_threads(same: Same) -> None:
    same("/usr/bin/python3", "-c", QUEUE)


@pytest.mark.all_modes
def test_xz_with_two_threads(same: Same) -> None:
    text = "".join(f"line {i * 7919 % 100003}\n" for i in range(200_000))
    same("xz", "-T2", "-1", "-k", "--block-size=512KiB", "text", files={"text": text})


@pytest.mark.all_modes
def test_sort_with_two_threads(same: Same) -> None:
    text = "".join(f"{i * 7919 % 200003}\n" for i in range(200_000))
    same("sort", "--parallel=2", "-S", "20M", "-n", "-o", "sorted", "text", files={"text": text})


@pytest.mark.all_modes
def test_git_packs_with_threads(same: Same) -> None:
    files = {f"f{n}": "".join(f"{i * n}\n" for i in range(500)) for n in range(60)}
    same.sh(
        "git init -q . && git add . && git -c user.name=a -c user.email=b commit -qm x &&"
        " git -c pack.threads=4 repack -adfq && git fsck && git ls-tree HEAD | head -5",
        files=files,
        ignore=(".git/*",),
    )
