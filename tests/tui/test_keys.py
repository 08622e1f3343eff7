"""Each key of the table does what the table says."""

from __future__ import annotations

import os

import pytest
from tests.tui.conftest import Stage, perform
from tests.tui.fake_session import BAD_STORE, MAIN, MESSAGE, SUM, TOTAL, FakeSession

from blink.tui import keys
from blink.tui.screens import Dialog, Help, Question, help_text

LAST = 55  # the fault
MOTIONS = [
    ("s", ("step", 1)),
    ("n", ("next",)),
    ("down", ("step", 1)),
    ("ctrl+n", ("step", 1)),
    ("pagedown", ("step", 100)),
    ("S", ("reverse_step", 1)),
    ("N", ("reverse_next",)),
    ("F", ("reverse_finish",)),
    ("r", ("reverse_cont",)),
    ("up", ("reverse_step", 1)),
    ("ctrl+p", ("reverse_step", 1)),
    ("pageup", ("reverse_step", 100)),
    ("home", ("goto", 0)),
    ("end", ("goto", LAST)),
    ("f", ("finish",)),
    ("c", ("cont",)),
    ("C", ("cont",)),
    ("D", ("cont",)),
]


def test_keys_move_the_program() -> None:
    session = FakeSession()
    session.end = 20

    async def scene(stage: Stage) -> None:
        for key, motion in MOTIONS:
            session.time = 12
            session.asked.clear()
            await stage.press(key)
            assert session.asked[0] in (motion, motion[:1]), key
            if isinstance(stage.app.screen, Dialog):
                await stage.press("escape")

    perform(scene, (80, 25), session)


def test_every_key_of_the_table_has_an_action() -> None:
    async def scene(stage: Stage) -> None:
        for key in keys.KEYS:
            name = key.action.partition("(")[0].rpartition(".")[2]
            assert hasattr(stage.app, f"action_{name}"), key

    perform(scene, (80, 25))


def test_no_key_is_bound_twice() -> None:
    names = [name for key in keys.KEYS for name in key.keys.split(",")]
    assert len(names) == len(set(names))


def test_step_shows_the_next_instruction_and_what_changed() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("s", "s", "s", "s", "s")
        assert stage.session.time == 5
        assert stage.rows("disassembly")[5].startswith(" ▶000000401014")
        assert stage.styles("registers", "0000000000000005") == ["changed"]
        await stage.press("up")
        assert stage.session.time == 4
        assert "in the past" in stage.text()

    perform(scene)


def test_continue_to_the_fault_and_back_from_its_dialog() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("c")
        assert isinstance(stage.app.screen, Dialog)
        assert "Segmentation fault" in stage.text()
        assert "It writes 0x0, where nothing is mapped." in stage.text()
        end = stage.session.time
        await stage.press("b")
        assert not isinstance(stage.app.screen, Dialog)
        assert stage.session.time == end - 1

    perform(scene)


def test_breakpoints_are_set_hit_and_removed() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("ctrl+b")
        assert isinstance(stage.app.screen, Question)
        await stage.type("sum")
        assert stage.session.breakpoints()[0].addresses == [SUM]
        assert "●" in "".join(stage.rows("disassembly"))
        await stage.press("c")
        assert stage.session.registers()["rip"] == SUM
        await stage.press("b")
        assert not stage.session.breakpoints()
        await stage.press("b", "B")
        assert not stage.session.breakpoints()

    perform(scene)


@pytest.mark.ci
def test_a_breakpoint_that_cannot_be_is_refused_in_words() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("ctrl+b")
        await stage.type("nowhere")
        assert stage.message == "no symbol is called nowhere"
        await stage.press("g")
        await stage.type("99")
        assert "not in this history" in stage.message
        await stage.press("g")
        await stage.type("soon")
        assert stage.message == "'soon' is no time and no mark"

    perform(scene, (80, 25))


@pytest.mark.ci
def test_marks_go_back_to_their_time() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("s", "s", "s", "m")
        await stage.type("here")
        assert stage.session.marks() == {"here": 3}
        await stage.press("s", "s", "g")
        await stage.type("here")
        assert stage.session.time == 3
        assert "◆" in stage.text() or "●" in stage.text()
        await stage.press("g")
        await stage.type("+2")
        assert stage.session.time == 5
        await stage.press("g")
        await stage.type("0%")
        assert stage.session.time == 0

    perform(scene)


@pytest.mark.ci
def test_who_wrote_this() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("c", "escape", "W")
        await stage.type(f"{TOTAL:#x} 8")
        assert ("last_write", TOTAL, 8) in stage.session.asked
        assert stage.session.registers()["rip"] == MAIN + 0x19  # mov [total], rax
        assert not stage.app.status.bad
        now = stage.session.time
        await stage.press("W")
        await stage.type(f"{MAIN:#x} 8")
        assert stage.app.status.bad and "error" in stage.message and stage.session.time == now

    perform(scene)


@pytest.mark.ci
def test_watch_and_catch_take_words() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("w")
        await stage.type("rsp+8 4 change")
        point = stage.session.breakpoints()[0]
        rsp = stage.session.registers()["rsp"]
        assert (point.addresses, point.length, point.access) == ([rsp + 8], 4, "change")
        await stage.press("ctrl+e")
        await stage.type("syscall openat read")
        assert stage.session.breakpoints()[1].names == ("openat", "read")
        assert any("changed, 4 bytes" in row for row in stage.rows("breakpoints"))

    perform(scene)


@pytest.mark.ci
def test_speed_is_a_power_of_two() -> None:
    async def scene(stage: Stage) -> None:
        stage.app.driver.speed.level = 1
        await stage.press("alt+t", "alt+t")
        assert stage.app.driver.speed.rate == 1
        await stage.press("ctrl+t", "ctrl+t")
        assert stage.message == "speed: 4/s"
        stage.app.driver.speed.level = 30
        await stage.press("ctrl+t", "ctrl+t")
        assert stage.app.driver.speed.full

    perform(scene, (80, 25))


@pytest.mark.ci
def test_a_slow_run_is_watched_step_by_step_and_interrupted() -> None:
    async def scene(stage: Stage) -> None:
        stage.app.driver.speed.level = 3
        await stage.pilot.press("c")
        await stage.until(lambda: stage.session.time > 3)
        await stage.press("ctrl+c")
        assert set(stage.session.asked) == {("advance", 1, 1)}
        assert 3 < stage.session.time < 30
        assert stage.app.driver.history.visits
        assert "sampled" not in stage.text()  # each was counted

    perform(scene, (80, 25))


def test_an_endless_program_runs_with_living_panels_until_ctrl_c() -> None:
    session = FakeSession(endless=True)

    async def scene(stage: Stage) -> None:
        await stage.pilot.press("c")
        seen = set()

        def lives() -> bool:
            seen.add(stage.app.slider.time)
            return len(seen) > 3

        await stage.until(lives)
        assert "running" in stage.text()
        await stage.press("ctrl+c")
        assert "stopped" in stage.text() or "in the past" in stage.text()
        assert not session.running
        history = stage.app.driver.history
        assert history.samples and history.visits and history.accesses
        assert "counts: sampled" in stage.text()

    perform(scene, (240, 60), session)


@pytest.mark.ci
def test_a_breakpoint_is_set_while_the_program_runs() -> None:
    session = FakeSession(endless=True)

    async def scene(stage: Stage) -> None:
        async def ask(where: str) -> None:
            await stage.pilot.press("ctrl+b", *where, "enter")

        await stage.pilot.press("c")
        await ask("sum")
        await stage.until(lambda: session.breakpoints())
        await ask("mul")
        await stage.until(lambda: stage.message == "no symbol is called mul")
        assert stage.app.driver.busy
        await stage.press("ctrl+c")
        assert len(session.breakpoints()) == 1

    perform(scene, (120, 40), session)


def test_a_program_that_runs_stops_for_another_motion() -> None:
    session = FakeSession(endless=True)

    async def scene(stage: Stage) -> None:
        await stage.pilot.press("c")
        await stage.until(lambda: stage.app.driver.lasts)
        await stage.pilot.press("c")
        assert stage.message == "the program runs already; ctrl-C stops it"
        assert stage.app.driver.busy
        await stage.press("S")
        assert session.asked[-1] == ("reverse_step", 1) and not stage.app.driver.busy

    perform(scene, (80, 25), session)


def screen_of(stage: Stage) -> list[str]:
    """The lines of the program's terminal."""
    assert stage.app.pty is not None
    terminal, lock = stage.app.pty.look()
    with lock:
        return [line.rstrip() for line in terminal.screen.display]


def test_a_change_in_the_past_begins_a_branch() -> None:
    session = FakeSession()

    async def scene(stage: Stage) -> None:
        assert stage.app.pty is not None
        os.write(stage.app.pty.slave, b"the recording's\n")
        await stage.until(lambda: screen_of(stage)[0])
        await stage.press("ctrl+l")  # a look, so that it was written by now
        session.add_breakpoint("sum")
        await stage.press("c", "up")
        for line in ("rbx = 12", "rbp = 13"):  # two changes at one time: one branch
            stage.app.action_set_register()
            await stage.pilot.pause()
            await stage.type(line)
        branch = stage.app.session
        assert branch is not session and stage.app.trunks == [session]
        assert "a branch begins here" in stage.message
        assert [branch.registers()[name] for name in ("rbx", "rbp")] == [12, 13]
        assert session.registers()["rbx"] == MESSAGE
        assert [point.where for point in branch.breakpoints()] == ["sum"]
        assert "000000000000000c" in stage.text()
        assert screen_of(stage)[:2] == ["the recording's", ""]
        await stage.press("s")
        assert screen_of(stage)[:3] == ["the recording's", "another", "way"]
        await stage.press("up")
        assert screen_of(stage)[:2] == ["the recording's", ""]
        await stage.press("s")
        stage.app.action_leave_branch()
        await stage.settle()
        assert stage.app.session is session and branch.closed  # type: ignore[attr-defined]
        assert "000000000000000c" not in stage.text()
        assert screen_of(stage)[:2] == ["the recording's", ""]
        stage.app.action_leave_branch()
        await stage.settle()
        assert stage.message == "this is no branch"

    perform(scene, (200, 60), session)


def test_restart_quit_and_help() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("s", "s", "R")
        assert stage.session.time == 0
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, Help)
        assert "step one instruction" in stage.text()
        await stage.press("escape")
        await stage.pilot.press("q")
        await stage.pilot.pause()
        assert stage.app._exit

    perform(scene)


def test_help_names_every_key() -> None:
    text = help_text().plain
    for key in keys.KEYS:
        assert key.text in text
        assert keys.spelled(key.keys) in text


@pytest.mark.ci
def test_views_change() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("i")
        assert any("%rsp" in row for row in stage.rows("disassembly"))
        await stage.press("p")
        assert stage.app.focused is stage.app.panels["profile"]
        await stage.press("escape")
        assert stage.app.focused is stage.app.panels["disassembly"]
        await stage.press("a")
        await stage.type("sum+10")
        assert stage.app.panels["disassembly"].pinned == SUM + 10  # type: ignore[attr-defined]
        await stage.press("escape", "2")
        assert not stage.app.query_one("#middle").display
        await stage.press("2", "3")
        assert stage.app.query_one("#middle").display
        assert not stage.app.query_one("#right").display
        await stage.press("3", "d")
        assert stage.app.theme == "blinkenlights-light"

    perform(scene)


@pytest.mark.ci
def test_vectors_cycle_through_types_sizes_and_radixes() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press(*"ssssssssssss")
        assert any("00000000 00000048" in row for row in stage.rows("vector")) is False
        await stage.press("t", "t")
        assert "64-bit float" in stage.message or "32-bit float" in stage.message
        await stage.press("T")
        floats = [row for row in stage.rows("vector") if row.startswith(" xmm0")]
        assert "72" in floats[0]
        await stage.press("t", "x")
        assert stage.message.endswith("bytes, dec")

    perform(scene)


def test_the_wheel_over_the_code_moves_in_time() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("s", "s", "s")
        code = stage.app.panels["disassembly"]
        code.post_message(code.Wheel(-1))  # type: ignore[attr-defined]
        await stage.settle()
        assert stage.session.time == 2
        assert stage.session.asked[-1] == ("reverse_step", 1)

    perform(scene)


@pytest.mark.ci
def test_the_slider_goes_where_it_is_clicked() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("c", "escape")
        start, width = stage.app.slider.bar
        await stage.pilot.click("#slider", offset=(start + width // 2, 0))
        await stage.settle()
        end = stage.session.end
        assert abs(stage.session.time - end // 2) <= end // 10

    perform(scene)


@pytest.mark.ci
def test_a_click_on_a_register_goes_where_it_points() -> None:
    async def scene(stage: Stage) -> None:
        async def click(value: int) -> None:
            stage.session.state.registers["rbx"] = value
            await stage.press("ctrl+l")
            rows = stage.rows("registers")
            row = next(y for y, text in enumerate(rows) if text.lstrip().startswith("rbx"))
            await stage.pilot.click("#registers", offset=(8, row))
            await stage.settle()

        await click(0x10)
        assert stage.message == "nothing is mapped at 0x10"
        await click(MAIN)
        assert getattr(stage.app.panels["disassembly"], "pinned", None) == MAIN
        await click(TOTAL)
        assert getattr(stage.app.panels["memory-code"], "pinned", None) == TOTAL

    perform(scene, (200, 60))


@pytest.mark.ci
def test_a_click_in_the_margin_sets_a_breakpoint() -> None:
    async def scene(stage: Stage) -> None:
        row = next(y for y, t in enumerate(stage.rows("disassembly")) if f"{BAD_STORE:012x}" in t)
        await stage.pilot.click("#disassembly", offset=(1, row))
        await stage.settle()
        assert stage.session.breakpoints()[0].addresses == [BAD_STORE]

    perform(scene)


@pytest.mark.ci
def test_rows_open_what_they_stand_for() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("s", "s", "s", "s", "s", "s")
        stage.app.action_show("frames")
        await stage.press("down", "enter")
        assert stage.app.panels["disassembly"].pinned == MAIN + 0x19  # type: ignore[attr-defined]
        await stage.press("ctrl+b")
        await stage.type("main")
        stage.app.action_show("breakpoints")
        await stage.press("enter")
        assert not stage.session.breakpoints()[0].enabled
        await stage.press("delete")
        assert not stage.session.breakpoints()
        stage.app.action_show("calls")
        await stage.press("home", "enter")
        assert stage.session.time == 2

    perform(scene)


@pytest.mark.ci
def test_commands_by_name() -> None:
    async def scene(stage: Stage) -> None:
        await stage.press("colon")
        await stage.pilot.press(*"step one")
        await stage.pilot.pause(0.5)
        await stage.pilot.press("enter")
        await stage.until(lambda: stage.session.time == 1)

    perform(scene)


def test_the_terminal_has_all_keys_until_it_is_left() -> None:
    async def scene(stage: Stage) -> None:
        stage.app.action_show("terminal")
        await stage.press("s", "q", "ctrl+c", "up")
        assert not stage.session.asked
        assert stage.app.focused is stage.app.panels["terminal"]
        await stage.press("ctrl+right_square_bracket", "s")
        assert stage.session.asked == [("step", 1)]

    perform(scene, (80, 25))
