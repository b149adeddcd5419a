"""What the verdicts say, and what they must never say."""

from __future__ import annotations

import copy

import numpy as np
import pyarrow as pa
import pytest

from evaluate import frozen
from lookalike.evaluate import score
from lookalike.evaluate.verdicts import verdicts
from lookalike.report import answers, overview
from report import cases

REAL, FRESH = frozen.table(2000, 0), frozen.table(2000, 0).slice(0, 1000)


def shuffled(table):
    generator = np.random.default_rng(0)
    return pa.table(
        {name: table[name].take(pa.array(generator.permutation(table.num_rows))) for name in table.column_names}
    )


def card(synthetic=REAL, holdout=FRESH):
    return score(REAL, synthetic, frozen.SCHEMA, holdout=holdout)


def test_a_table_as_good_as_a_fresh_sample_is_alike():
    # disjoint draws from one table: FRESH, the first half of REAL, is nearer to REAL than a draw at random is
    order = np.random.default_rng(0).permutation(5000)
    real, synthetic, holdout = (
        frozen.table(5000, 0).take(pa.array(order[place]))
        for place in (slice(2000), slice(2000, 4000), slice(4000, 5000))
    )
    assert answers.alike(score(real, synthetic, frozen.SCHEMA, holdout=holdout))["level"] == "good"


def test_broken_ties_are_named():
    answer = answers.alike(card(shuffled(REAL)))
    assert (
        answer["level"] == "poor"
        and "ties between columns" in answer["sentence"]
        and "single columns" not in answer["sentence"]
    )


def test_copies_sound_the_alarm():
    answer = answers.safe(card(REAL, frozen.table(1000, 2)))
    assert answer["level"] == "poor" and "exact copy" in answer["sentence"]


def test_without_a_yardstick_nothing_is_promised():
    found = card(frozen.table(500, 1), None)
    assert answers.alike(found)["level"] == answers.safe(found)["level"] == "unknown"


@pytest.mark.parametrize(("strength", "word"), [("weak", "Too early to tell"), ("skewed", "Cannot be told")])
def test_a_poor_yardstick_never_ends_in_no_alarm(strength, word):
    found = copy.deepcopy(card(frozen.table(1000, 3), frozen.table(1000, 2)))
    found["yardstick"]["strength"] = strength
    found["privacy"]["closeness"].update(share=0.5, interval=[0.48, 0.52])
    assert answers.safe(found)["word"] == word


@pytest.mark.parametrize(
    ("interval", "level"), [([0.47, 0.51], "good"), ([0.505, 0.53], "fair"), ([0.53, 0.6], "poor")]
)
def test_closeness_is_judged_by_its_interval(interval, level):
    found = copy.deepcopy(card(frozen.table(1000, 3), frozen.table(1000, 2)))
    found["yardstick"]["strength"] = "good"
    found["privacy"]["closeness"].update(share=sum(interval) / 2, interval=interval)
    found["verdicts"] = verdicts(found)
    assert answers.safe(found)["level"] == level
    assert answers.safe(found)["word"] != "Yes"


def test_likeness_to_few_rows_is_told_neither_good_nor_bad():
    """Forty kept-back rows lie as far from the table by chance as "not enough" is; the checks were undecided beside a red answer."""
    for synthetic in (REAL, shuffled(REAL)):
        found = copy.deepcopy(card(synthetic))
        found["yardstick"].update(strength="weak", rows=40)
        found["fidelity"]["detection"].update(interval=[0.3, 0.7])
        answer = answers.alike(with_verdicts(found))
        assert answer["word"] == "Too early to tell" and "only 40 real rows" in answer["sentence"]
        failed = answers.alike(with_verdicts(found, worst_pair_shortfall="fail"))
        assert failed["word"] == "Not enough" and "only 40 real rows" in failed["sentence"]


@pytest.mark.parametrize("variant", cases.variants())
def test_what_to_do_is_said_where_an_answer_is_not_good(variant):
    for answer in cases.variants()[variant]._full()["answers"]:
        fine = answer["level"] == "good" or answer["word"] in {"Largely", "Nothing to compare"}
        assert fine or answer["next"].endswith("."), answer


def with_verdicts(found, **changed):
    found = copy.deepcopy(found)
    for check in found["verdicts"]:
        check["verdict"] = changed.get(check["figure"], "pass")
    return found


def fresh_card():
    found = copy.deepcopy(card(frozen.table(1000, 3), frozen.table(1000, 2)))
    found["yardstick"]["strength"] = "good"
    found["privacy"]["closeness"].update(share=0.49, interval=[0.48, 0.499])
    return with_verdicts(found)


def test_one_failed_check_of_privacy_sounds_the_alarm_and_is_named():
    answer = answers.safe(with_verdicts(fresh_card(), membership_tpr="fail"))
    assert answer["level"] == "poor" and "members found at 1 % false alarms" in answer["sentence"]
    assert answers.safe(with_verdicts(fresh_card(), pairs_shortfall="fail"))["level"] == "good"


def test_an_undecided_check_is_no_all_clear():
    assert answers.safe(fresh_card())["level"] == "good"
    answer = answers.safe(with_verdicts(fresh_card(), linkability="too few rows"))
    assert answer["level"] == "fair" and "halves of a row linked" in answer["sentence"]


def test_a_failed_check_of_likeness_is_not_alike():
    found = with_verdicts(card(), columns_shortfall="fail")
    assert answers.alike(found)["level"] == "poor"


def test_what_gives_it_away_is_named():
    found = card()
    found["fidelity"]["detection"].update(
        auc=0.93, interval=[0.92, 0.94], against="holdout", columns=[{"column": "age", "drop": 0.2}]
    )
    answer = answers.alike(found)
    assert answer["level"] == "fair" and "93 times in 100" in answer["sentence"] and "by age" in answer["sentence"]


def utility(**headline):
    base = {"real": 0.9, "synthetic": 0.89, "baseline": 0.5, "kept": 0.975, "interval": [-0.02, 0.01]}
    return {"utility": {"target": "income", "rows": {"test": 500}, "headline": {**base, **headline}}, "verdicts": []}


@pytest.mark.parametrize(
    ("headline", "level", "said"),
    [
        ({}, "good", "500 test rows"),
        ({"interval": [-0.3, 0.2]}, "unknown", "too few rows"),
        ({"interval": [-0.03, -0.01], "kept": 0.95}, "fair", "95 %"),
        ({"interval": [-0.3, -0.2], "kept": 0.4}, "poor", "40 %"),
        ({"kept": None}, "unknown", "Not even real rows"),
        ({"interval": None}, "unknown", "Too few real rows"),
    ],
)
def test_usefulness_is_read_off_the_difference_and_its_interval(headline, level, said):
    answer = answers.useful(utility(**headline))
    assert answer["level"] == level and said in answer["sentence"]


def test_without_a_target_usefulness_is_not_measured():
    answer = answers.useful(card())
    assert answer["word"] == "Not measured" and "target" in answer["sentence"]


def test_figures_of_likeness_are_compared_on_as_many_rows():
    found = card(REAL, frozen.table(300, 2))
    lines = {line["term"]: line for line in overview.figures(found)["alike"]}
    even = found["fidelity"]["even"]["column_shapes"]
    assert even != found["fidelity"]["column_shapes"]
    assert lines["column shapes"]["mine"] == f"{even:.3f}".lstrip("0") and "on 300 rows" in overview.compared_on(found)
