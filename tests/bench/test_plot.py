"""Plots are well-formed SVG that shows every name."""

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.race.plot import Axes, Line, bar_plot, line_plot, nice_step

AXES = Axes("a < b", "x & y", "ms")


def drawn(svg):
    return fromstring(svg)  # noqa: S314 - made right here


@given(points=st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=20))
def test_lines_stay_within_the_picture(points):
    root = drawn(line_plot(AXES, [Line("ours", points)]))

    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.get("cx")) <= 640
        assert 0 <= float(circle.get("cy")) <= 360


def test_every_bar_has_its_name_and_its_value():
    root = drawn(bar_plot(AXES, [("ours", 812.0), ("its", 99.5)]))

    texts = {node.text for node in root.iter()}
    assert {"ours", "its", "812", "99.5", "a < b"} <= texts


@pytest.mark.parametrize(
    ("largest", "step"), [(1, 0.2), (95, 20), (100, 20), (240, 50), (700, 200), (0, 1)]
)
def test_ticks_are_at_round_numbers(largest, step):
    assert nice_step(largest) == pytest.approx(step)
