"""Servers and their clients: all of a script runs natively, then all of it under blink."""

from __future__ import annotations

import pytest

from programs.harness import Same, free_port, sections

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
