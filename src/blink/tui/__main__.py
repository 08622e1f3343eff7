"""`python -m blink.tui`: the `blinkenlights` command."""

from __future__ import annotations

import sys

from blink.tui.command import main

sys.exit(main())
