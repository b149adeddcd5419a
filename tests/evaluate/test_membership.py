from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from lookalike.evaluate.membership import STRICT, membership, rate_interval, roc
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import prepare
from lookalike.schema.infer import infer_schema


def people(rows, seed):
    generator = np.random.default_rng(seed)
    return pa.table({
        **{f"x{place}": generator.normal(size=rows) for place in range(4)},
        "town": [f"town {place}" for place in generator.integers(0, 40, rows)],
    })  # fmt: skip


def attacked(train, synthetic, holdout):
    tables = {"real": train, "synthetic": synthetic, "holdout": holdout}
    columns = prepare(tables, infer_schema(train))
    return membership(columns, ["synthetic", "holdout"], 0, Encoder(columns, 0))


def test_a_copy_gives_its_members_away():
    train = people(400, 1)
    found = attacked(train, train, people(400, 2))
    assert found["members"] == 200
    for attack in ("distance", "density"):
        assert found[attack]["auc"] > 0.99 and found[attack]["tpr_at_1"] > 0.95


def test_a_tenth_of_copies_shows_where_few_false_alarms_are_allowed():
    train = people(3000, 1)
    synthetic = pa.concat_tables([train.slice(0, 600), people(2400, 5)])
    found = attacked(train, synthetic, people(3000, 2))["density"]
    assert 0.55 < found["auc"] < 0.7
    assert found["tpr_at_1"] > 0.15 and found["tpr_at_1_interval"][0] > 0.1


def test_fresh_rows_give_nothing_away():
    """Of 40 intervals at 95 %, more than six rarely miss by chance (under 1 %)."""
    missed = 0
    for seed in range(20):
        found = attacked(people(300, seed), people(300, seed + 100), people(600, seed + 200))
        for attack in ("distance", "density"):
            low, high = found[attack]["auc_interval"]
            missed += not low <= 0.5 <= high
            assert 0.35 < found[attack]["auc"] < 0.65
    assert missed <= 6


def test_the_area_is_that_of_scikit_learn_ties_and_all():
    generator = np.random.default_rng(0)
    members, others = generator.integers(2, 9, 300) / 2, generator.integers(0, 7, 200) / 2
    truth = np.concatenate([np.ones(300), np.zeros(200)])
    assert roc(members, others)["auc"] == pytest.approx(roc_auc_score(truth, np.concatenate([members, others])))


def test_scores_that_say_nothing_are_chance():
    found = roc(np.zeros(50), np.zeros(50))
    assert (found["auc"], found["tpr_at_1"], found["tpr_at_10"]) == (0.5, pytest.approx(0.01), pytest.approx(0.1))


def test_the_interval_of_the_area_holds_it_as_often_as_it_says():
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        low, high = roc(generator.normal(1, 1, 100), generator.normal(0, 1, 150))["auc_interval"]
        held += low <= 0.7602 <= high  # Φ(1/√2)
    assert held >= 88


@pytest.mark.parametrize("rate", STRICT.values())
@pytest.mark.parametrize("others", [20, 90, 700])
@pytest.mark.parametrize("further", [0.0, 1.0])
def test_the_interval_of_a_strict_rate_holds_it_as_often_as_it_says(further: float, others: int, rate: float):
    generator, (low, high) = np.random.default_rng(2), (0, 0)
    true = norm.sf(norm.isf(rate) - further)
    for _ in range(400):
        ends = rate_interval(generator.normal(further, 1, 2 * others), generator.normal(0, 1, others), rate)
        low, high = low + (ends[0] > true), high + (ends[1] < true)
    assert max(low, high) <= 20  # one in forty are ten of 400, and 21 come once in 600 seeds


def test_a_strict_rate_is_known_the_better_the_more_rows_there_are():
    generator = np.random.default_rng(3)
    widths = [
        np.ptp(rate_interval(generator.normal(1, 1, rows), generator.normal(0, 1, rows), 0.01))
        for rows in (50, 500, 5_000, 50_000)
    ]
    assert widths == sorted(widths, reverse=True) and widths[-1] < 0.02
    assert rate_interval(np.ones(200), np.zeros(200), 0.01) == [pytest.approx(0.3, abs=0.1), 1.0]


def test_too_few_rows_and_no_holdout_say_nothing():
    assert attacked(people(50, 1), people(50, 2), people(30, 3)) is None
    columns = prepare({"real": people(50, 1), "synthetic": people(50, 2)}, infer_schema(people(50, 1)))
    assert membership(columns, ["synthetic"], 0, Encoder(columns, 0)) is None
