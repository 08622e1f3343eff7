"""The chart of the benchmark report."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.bench.samples import good, measurement, results, sample

from bench import chart
from bench.aims import at_most
from bench.chart import LEFT, RIGHT, WIDTH, Scale
from bench.figures import Figures

SVG = "{http://www.w3.org/2000/svg}"


def test_a_dot_for_each_engine_with_its_spread() -> None:
    root = ElementTree.fromstring(chart.draw(results(good())))
    groups = {group.get("class"): group for group in root.iter(f"{SVG}g")}
    assert set(groups) == {"q", "b"}
    title = groups["b"].find(f"{SVG}title")
    assert title is not None and title.text == "work w: blink 2.50 (2.00..3.00)"
    assert len(root.findall(f"{SVG}path[@class='aim']")) == 1 + 2  # the legend's, two aims


def test_a_workload_without_ratios_has_no_row() -> None:
    wrong = measurement(native=[sample(1.0)], blink=[sample(1.0, status=11)])
    assert "work w" not in chart.draw(results(wrong))


def test_titles_are_escaped() -> None:
    m = good()
    m.title = "a < b & c"
    assert "a &lt; b &amp; c" in chart.draw(results(m))


def test_the_scale_is_logarithmic_and_holds_all() -> None:
    scale = Scale([0.5, 50.0])
    assert abs((scale.x(10) - scale.x(1)) - (scale.x(50) - scale.x(5))) < 0.3
    assert LEFT < scale.x(0.5) < scale.x(50.0) < WIDTH - RIGHT
    assert scale.ticks() == [0.5, 1, 1.5, 2, 3, 5, 10, 20, 50]


def test_each_colour_has_a_dark_twin() -> None:
    light, dark = chart.STYLE.split("@media")
    coloured = r"^\.(\w+) \{ (?:fill|stroke): #|\} \.(\w+) \{ (?:fill|stroke): #"
    names = {a or b for a, b in re.findall(coloured, light, re.MULTILINE)}
    assert names and all(f".{name} {{" in dark for name in names)


def test_aims_against_qemu_are_drawn_relative_to_native() -> None:
    m = good(at_most(0.5, theirs="qemu"))
    found = chart.ratios(Figures(results(m)), m)
    x = chart.Scale([s for r in found.values() for s in (r.low, r.high)]).x(2.0)
    assert f"M{x - 4} " in chart.draw(results(m))
