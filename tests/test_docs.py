"""The docs name files and pages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FILE = re.compile(r"`((?:src|tests|tools|docs|bench|examples)/[\w./-]+)`")
LINK = re.compile(r"\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)")
RECIPES = ("add-an-instruction", "add-a-system-call")
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"[A-Z]{4,}\.")  # `tests/syscalls/guests/FAMILY.c`


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    files = [ROOT / name for name in FILE.findall(text) if not PLACEHOLDER.search(name)]
    links = [page.parent / name for name in LINK.findall(text)]
    assert not [str(path) for path in files + links if not path.exists()]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_code_of_a_recipe_is_in_the_source(recipe: str) -> None:
    """As it stands there, so that it works, and changes with it."""
    folders = (ROOT / "src/blink/isa/families", ROOT / "src/blink/syscalls")
    source = "\n".join(file.read_text() for folder in folders for file in folder.glob("*.py"))
    snippets = SNIPPET.findall((ROOT / f"docs/internals/{recipe}.md").read_text())
    assert len(snippets) >= 2
    assert not [snippet for snippet in snippets if f"\n{snippet}" not in source]
