"""What the verdicts say, and what they must never say."""

from __future__ import annotations

import copy

import numpy as np
import pyarrow as pa
import pytest

from evaluate import frozen
from lookalike.evaluate import score
from lookalike.report import words

REAL, FRESH = frozen.table(2000, 0), frozen.table(2000, 0).slice(0, 1000)


def shuffled(table):
    generator = np.random.default_rng(0)
    return pa.table(
        {name: table[name].take(pa.array(generator.permutation(table.num_rows))) for name in table.column_names}
    )


def card(synthetic=REAL, holdout=FRESH):
    return score(REAL, synthetic, frozen.SCHEMA, holdout=holdout)


def test_a_table_as_good_as_a_fresh_sample_is_alike():
    assert words.alike(card())["level"] == "good"


def test_broken_ties_are_named():
    answer = words.alike(card(shuffled(REAL)))
    assert (
        answer["level"] == "poor"
        and "ties between columns" in answer["sentence"]
        and "single columns" not in answer["sentence"]
    )


def test_copies_sound_the_alarm():
    answer = words.safe(card(REAL, frozen.table(1000, 2)))
    assert answer["level"] == "poor" and "exact copy" in answer["sentence"]


def test_without_a_yardstick_nothing_is_promised():
    found = card(frozen.table(500, 1), None)
    assert words.alike(found)["level"] == words.safe(found)["level"] == "unknown"


@pytest.mark.parametrize(("strength", "word"), [("weak", "Too early to tell"), ("skewed", "Cannot be told")])
def test_a_poor_yardstick_never_ends_in_no_alarm(strength, word):
    found = copy.deepcopy(card(frozen.table(1000, 3), frozen.table(1000, 2)))
    found["yardstick"]["strength"] = strength
    found["privacy"]["closeness"].update(share=0.5, interval=[0.48, 0.52])
    assert words.safe(found)["word"] == word


@pytest.mark.parametrize(
    ("interval", "level"), [([0.47, 0.51], "good"), ([0.505, 0.53], "fair"), ([0.53, 0.6], "poor")]
)
def test_closeness_is_judged_by_its_interval(interval, level):
    found = copy.deepcopy(card(frozen.table(1000, 3), frozen.table(1000, 2)))
    found["yardstick"]["strength"] = "good"
    found["privacy"]["closeness"].update(share=sum(interval) / 2, interval=interval)
    assert words.safe(found)["level"] == level
    assert words.safe(found)["word"] != "Yes"
