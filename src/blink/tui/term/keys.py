"""What a key or the mouse sends to a program in a terminal like xterm."""

from __future__ import annotations

import unicodedata

_CURSOR = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_NUMBERED = {
    "insert": 2, "delete": 3, "pageup": 5, "pagedown": 6, "f5": 15, "f6": 17, "f7": 18, "f8": 19,
    "f9": 20, "f10": 21, "f11": 23, "f12": 24,
}  # fmt: skip
_FUNCTION = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_RENAMED = {
    "slash": "solidus", "backslash": "reverse_solidus", "at": "commercial_at",
    "minus": "hyphen-minus", "underscore": "low_line",
}  # fmt: skip
_PLAIN = {
    "enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "shift+tab": "\x1b[Z",
    "ctrl+@": "\0", "ctrl+backslash": "\x1c", "ctrl+right_square_bracket": "\x1d",
    "ctrl+circumflex_accent": "\x1e", "ctrl+underscore": "\x1f", "ctrl+space": "\0",
}  # fmt: skip


def encode(key: str, character: str | None, application: bool = False) -> bytes:
    """The bytes for a key by Textual's name; `application` is DECCKM."""
    if key in _PLAIN:
        return _PLAIN[key].encode()
    *modifiers, name = key.split("+") if len(key) > 1 else [key]
    code = 1 + ("shift" in modifiers) + 2 * ("alt" in modifiers) + 4 * ("ctrl" in modifiers)
    if sequence := _special(name, code, application):
        return sequence.encode()
    if "ctrl" in modifiers and len(name) == 1 and name.isalpha():
        return b"\x1b" * ("alt" in modifiers) + bytes([ord(name.lower()) & 31])
    if "alt" in modifiers and (plain := character or _character(name)):
        return b"\x1b" + plain.encode()
    return character.encode() if character else b""


def _character(name: str) -> str:
    """The character that Textual calls so: `a`, `colon`, `minus`."""
    if len(name) == 1:
        return name
    words = _RENAMED.get(name, name).replace("_", " ").upper()
    for full in (words, f"{words} SIGN", f"{words} MARK"):
        try:
            return unicodedata.lookup(full)
        except KeyError:
            continue
    return ""


def _special(name: str, code: int, application: bool) -> str:
    if name in _CURSOR:
        if code > 1:
            return f"\x1b[1;{code}{_CURSOR[name]}"
        return f"\x1b{'O' if application else '['}{_CURSOR[name]}"
    if name in _FUNCTION:
        return f"\x1b[1;{code}{_FUNCTION[name]}" if code > 1 else f"\x1bO{_FUNCTION[name]}"
    if name in _NUMBERED:
        return f"\x1b[{_NUMBERED[name]}{f';{code}' if code > 1 else ''}~"
    return ""


def mouse(button: int, x: int, y: int, pressed: bool, sgr: bool) -> bytes:
    """A button at a cell, from 0: in SGR coding, else in X10's, up to column 223."""
    if sgr:
        return f"\x1b[<{button};{x + 1};{y + 1}{'M' if pressed else 'm'}".encode()
    if max(x, y) > 222:
        return b""
    return b"\x1b[M" + bytes([32 + (button if pressed else 3), 33 + x, 33 + y])
