"""Servers and their clients: all of a script runs natively, then all of it under blink."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from programs.harness import BLINK, ENVIRONMENT, Same, execute, free_port, sections

SCRIPTS = sections("servers.txt")
PROGRAMS = {
    "redis": ("redis-server", "redis-benchmark"),
    "nginx": ("/usr/sbin/nginx", "curl"),
    "openssl": ("openssl", "curl"),
}
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"


@pytest.mark.tiers(plain="ci", interpreted="ci")
@pytest.mark.parametrize("name", SCRIPTS)
def test_server(same: Same, name: str) -> None:
    for program in PROGRAMS[name]:
        same.need(program)
    same.sh(SCRIPTS[name], env={"PORT": free_port(), "PATH": PATH}, ignore=["*"])


POSTGRES = "/usr/lib/postgresql/15/bin/postgres"


@pytest.fixture
def postgres_folder(need: Callable[[str], str]) -> Iterator[Path]:
    """An empty folder of the user that PostgreSQL runs as: it refuses root."""
    need(POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="blink-pg-"))
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_postgres(postgres_folder: Path) -> None:
    """initdb, pgbench for 5 s, SQL with parallel workers, a crash, recovery, pg_dump."""
    script = sections("postgres.txt")["postgres"]
    command = ["sh", "-c", script]
    if os.geteuid() == 0:
        user = ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        command = ["setpriv", *user, *command]
    results = []
    for prefix in ([], [str(BLINK)], [str(BLINK), "-j"]):
        environment = {**ENVIRONMENT, "HOME": str(postgres_folder)}
        results.append(execute([*prefix, *command], postgres_folder, b"", environment, 600))
        for path in postgres_folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert results[1] == results[0]
    assert results[2] == results[0]
    assert b"recovered" in results[0][1]
