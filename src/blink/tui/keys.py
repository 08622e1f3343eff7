"""All keys: one table that the bindings, the help screen and the man page are made from."""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding


class Key(NamedTuple):
    """Keys in Textual's names, the action, what it does in a line, under which heading."""

    keys: str
    action: str
    text: str
    group: str


FORWARDS, BACK, STOPS = "Forwards", "Back in time", "Breakpoints"
VIEW, SPEED, PROGRAM = "View", "Speed", "Program"
KEYS = (
    Key("s", "move('step')", "step one instruction", FORWARDS),
    Key("n", "move('next')", "step over calls", FORWARDS),
    Key("f", "move('finish')", "run until the function returns", FORWARDS),
    Key("c", "go", "continue at the chosen speed, panels live", FORWARDS),
    Key("C", "go_quietly", "continue at full speed, panels at rest", FORWARDS),
    Key("D", "go_terminal", "continue with the program's terminal in front", FORWARDS),
    Key("u", "run_to", "run to the address that is looked at, or that is asked for", FORWARDS),
    Key("ctrl+c", "interrupt", "stop the program", FORWARDS),
    Key("up,ctrl+p", "rewind", "back one instruction", BACK),
    Key("down,ctrl+n", "replay", "forth one instruction", BACK),
    Key("pageup", "rewind(100)", "back a hundred instructions", BACK),
    Key("pagedown", "replay(100)", "forth a hundred instructions", BACK),
    Key("home", "start", "to the start of history", BACK),
    Key("end", "end", "to the end of history", BACK),
    Key("S", "move('reverse_step')", "reverse step", BACK),
    Key("N", "move('reverse_next')", "reverse next: back over calls", BACK),
    Key("F", "move('reverse_finish')", "back to the call of this function", BACK),
    Key("r", "move('reverse_cont')", "continue backwards to a break- or watchpoint", BACK),
    Key("W", "who_wrote", "who wrote this byte last", BACK),
    Key("m", "mark", "name this time", BACK),
    Key("g", "goto_time", "go to a time or a mark", BACK),
    Key("b", "breakpoint_here", "set or remove a breakpoint here", STOPS),
    Key("B", "pop_breakpoint", "remove the newest breakpoint", STOPS),
    Key("ctrl+b", "breakpoint", "set a breakpoint anywhere", STOPS),
    Key("w", "watch", "watch memory", STOPS),
    Key("ctrl+e", "catch", "catch system calls, signals, exec, ...", STOPS),
    Key("tab", "app.focus_next", "next panel", VIEW),
    Key("shift+tab", "app.focus_previous", "previous panel", VIEW),
    Key("right_square_bracket", "turn(1)", "next tab of this group", VIEW),
    Key("left_square_bracket", "turn(-1)", "previous tab of this group", VIEW),
    Key("z", "zoom", "this panel alone, and back", VIEW),
    Key("escape", "home", "to the disassembly, at the present", VIEW),
    Key("a", "goto_address", "show an address or a symbol", VIEW),
    Key("p", "show('profile')", "profile", VIEW),
    Key("i", "syntax", "Intel or AT&T syntax", VIEW),
    Key("t", "vector('type')", "vectors: next type", VIEW),
    Key("T", "vector('size')", "vectors: next size", VIEW),
    Key("x", "vector('radix')", "vectors: next radix", VIEW),
    Key("2", "column('middle')", "show or hide the second column", VIEW),
    Key("3", "column('right')", "show or hide the third column", VIEW),
    Key("d", "dark", "dark or light", VIEW),
    Key("ctrl+l", "redraw", "draw the screen again", VIEW),
    Key("ctrl+t", "turbo", "twice as fast", SPEED),
    Key("alt+t", "slower", "half as fast", SPEED),
    Key("R", "restart", "restart the program", PROGRAM),
    Key("ctrl+s", "save", "save the recording as a capsule", PROGRAM),
    Key("question_mark,f1", "help", "this help", PROGRAM),
    Key("colon", "command_palette", "commands by name", PROGRAM),
    Key("q,ctrl+q", "quit", "quit", PROGRAM),
)
NAMES = {
    "question_mark": "?", "colon": ":", "left_square_bracket": "[", "right_square_bracket": "]",
    "pageup": "PgUp", "pagedown": "PgDn", "escape": "Esc", "up": "↑", "down": "↓", "home": "Home",
    "end": "End", "tab": "Tab", "enter": "Enter", "f1": "F1",
}  # fmt: skip
PANEL_KEYS = (
    ("Terminal", "all keys go to the program; ctrl-] leaves"),
    ("Memory", "↑ ↓ scroll, shift faster, + - or ctrl-wheel zoom, h hex or glyphs, 0 follow"),
    ("Lists", "↑ ↓ move, Enter opens, Delete removes (breakpoints)"),
    ("Disassembly", "wheel: in time; shift-wheel and shift-↑ ↓: scroll; click the margin: b"),
    ("Marks", "● ○ breakpoint, ▶ here, ▛▌ begins a translated block, is in one, ▘ a decoded one"),
    ("Time", "click or drag: go there; ◆ is a mark"),
)


def bindings() -> list[Binding]:
    """What Textual binds."""
    return [Binding(key.keys, key.action, key.text, show=False) for key in KEYS]


def spelled(keys: str) -> str:
    """Keys as users write them: `↑ ctrl-P`."""
    return " ".join(map(_spell, keys.split(",")))


def _spell(key: str) -> str:
    *modifiers, name = key.split("+")
    name = NAMES.get(name, name)
    if modifiers and len(name) == 1:
        name = name.upper()
    return "-".join([*modifiers, name])


def groups() -> dict[str, list[Key]]:
    """The table by heading."""
    found: dict[str, list[Key]] = {}
    for key in KEYS:
        found.setdefault(key.group, []).append(key)
    return found
