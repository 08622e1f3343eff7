"""The two themes: colours by what they mean, told apart by weight too, so that grey is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.filter import LineFilter
from textual.theme import Theme

if TYPE_CHECKING:
    from textual.color import Color


class Plain(LineFilter):
    """No colours at all, not even grey: what is left is bold, italic, underline and reverse."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(text, style and style.without_color, control)
            for text, style, control in segments
        ]


_DARK = {
    "b-dim": "#626c7c", "b-address": "#8b95a7", "b-number": "#d9dee7", "b-symbol": "#f0b429",
    "b-string": "#9fd17f", "b-mnemonic": "#79b8ff", "b-operand": "#a5afbf", "b-jump": "#ff9eb5",
    "b-register": "#76d2c6", "b-changed": "#f6c945", "b-on-changed": "#15181e",
    "b-current": "#233d5e", "b-selected": "#303744", "b-mark": "#ff7a6e", "b-source": "#b3bccb",
    "b-read": "#9fd17f", "b-read-back": "#22371d", "b-write": "#ffb0a8", "b-write-back": "#5a2328",
    "b-unmapped": "#3d4552", "b-bar": "#20252e", "b-note": "#8b95a7", "b-on": "#15181e",
    "b-go": "#7fc96b", "b-stop": "#79b8ff", "b-past": "#f6c945",
}  # fmt: skip
_LIGHT = {
    "b-dim": "#8d95a1", "b-address": "#667080", "b-number": "#23272f", "b-symbol": "#9a4a00",
    "b-string": "#2c741c", "b-mnemonic": "#1a56a8", "b-operand": "#4d5765", "b-jump": "#b01f55",
    "b-register": "#0a6c67", "b-changed": "#ffd84d", "b-on-changed": "#1b1e24",
    "b-current": "#cde1fb", "b-selected": "#e0e4ea", "b-mark": "#c62828", "b-source": "#3c4654",
    "b-read": "#1e5a10", "b-read-back": "#d5efca", "b-write": "#8d1414", "b-write-back": "#ffd3cf",
    "b-unmapped": "#c3c9d2", "b-bar": "#e6e9ee", "b-note": "#667080", "b-on": "#fbfbfa",
    "b-go": "#2c741c", "b-stop": "#1a56a8", "b-past": "#9a4a00",
}  # fmt: skip
DARK = Theme(
    "blinkenlights-dark", primary="#79b8ff", secondary="#76d2c6", accent="#f0b429",
    foreground="#d9dee7", background="#15181e", surface="#1b1f27", panel="#20252e",
    success="#7fc96b", warning="#f6c945", error="#ff7a6e", dark=True, variables=_DARK,
)  # fmt: skip
LIGHT = Theme(
    "blinkenlights-light", primary="#1a56a8", secondary="#0a6c67", accent="#9a4a00",
    foreground="#23272f", background="#fbfbfa", surface="#f1f3f6", panel="#e6e9ee",
    success="#2c741c", warning="#9a4a00", error="#c62828", dark=False, variables=_LIGHT,
)  # fmt: skip
