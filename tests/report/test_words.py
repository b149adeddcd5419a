from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lookalike.report import words


@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_figure_and_its_interval_are_written_to_the_same_places(value, half):
    written = words.estimate(value, [value - half, value + half])
    first, second = written.split(" ± ")
    assert len(first.lstrip("−").split(".")[1]) == len(second.split(".")[1])


def test_what_is_missing_is_a_dash_everywhere():
    assert {write(None, None) for write in (words.estimate, words.percent_estimate)} == {"–"}
    assert {write(None) for write in (words.score, words.signed, words.gap, words.percent, words.percent_range)} == {
        "–"
    }
    assert words.score_range([None, None]) == words.percent_range([None, None]) == "–"


def test_names_are_listed_and_the_rest_counted():
    assert words.listed([]) == "" and words.listed(list("abcd")) == "a, b, c and 1 more"
