from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lookalike.evaluate.leakage import leakage
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import prepare
from lookalike.schema.infer import infer_schema


def people(rows, seed):
    generator = np.random.default_rng(seed)
    ranks = np.minimum(generator.zipf(1.5, rows), 3000)
    return pa.table({
        "age": generator.integers(18, 60, rows),
        "pay": generator.lognormal(size=rows),
        "height": generator.normal(size=rows),
        "town": [f"town {rank}" for rank in ranks],
        "plan": generator.choice(["a", "b", "c"], rows),
    })  # fmt: skip


def leaks(train, synthetic, holdout=None):
    tables = {"real": train, "synthetic": synthetic, **({} if holdout is None else {"holdout": holdout})}
    columns = prepare(tables, infer_schema(train))
    return leakage(columns, [side for side in tables if side != "real"], 0, Encoder(columns, 0))


def loner():
    return pa.table({"age": [59], "pay": [900.0], "height": [-7.5], "town": ["town 1"], "plan": ["c"]})


def test_fresh_rows_show_no_more_than_the_holdout():
    """Of 60 intervals at 95 %, more than eight rarely miss by chance."""
    missed = 0
    for seed in range(20):
        found = leaks(people(600, seed), people(600, seed + 100), people(600, seed + 200))
        assert found["outliers"]["count"] == 0
        for figure in ("rare_levels", "extremes", "outliers"):
            low, high = found[figure]["excess_interval"]
            missed += not low <= 0 <= high
    assert missed <= 8


def test_a_copy_shows_everything():
    train = people(800, 1)
    found = leaks(train, train, people(800, 2))
    for figure in ("rare_levels", "extremes", "outliers"):
        assert found[figure]["share"] == 1 and found[figure]["excess_interval"][0] > 0.2, figure


def test_integers_of_few_values_raise_no_alarm():
    train = people(800, 1)
    found = leaks(train.select(["age", "plan"]), train.select(["age", "plan"]), people(800, 2).select(["age", "plan"]))
    assert found["extremes"]["possible"] == 0 and found["extremes"]["share"] is None
    assert found["rare_levels"]["possible"] == 0 and found["rare_levels"]["excess"] == 0


def test_one_lone_person_copied_once_is_seen():
    train = pa.concat_tables([people(3000, 1), loner()])
    holdout = people(3000, 2)
    assert leaks(train, people(3000, 3), holdout)["loners"]["count"] == 0
    found = leaks(train, pa.concat_tables([people(2999, 3), loner()]), holdout)["loners"]
    assert found["count"] == 1 and found["excess"] > 0 and found["fresh"] == 0
    nearly = loner().set_column(1, "pay", pa.array([899.0]))
    assert leaks(train, pa.concat_tables([people(2999, 3), nearly]), holdout)["loners"]["count"] == 1


def test_one_lone_person_of_a_small_table_is_seen():
    train = pa.concat_tables([people(300, 1), loner()])
    found = leaks(train, pa.concat_tables([people(300, 3), loner()]), people(300, 2))
    assert found["loners"]["count"] == 1 and found["loners"]["possible"] < found["outliers"]["possible"] == 4


def test_what_fewer_than_five_hold_and_the_five_ends_are_at_risk():
    labels = ["four"] * 4 + ["five"] * 5 + ["many"] * 291
    table = pa.table({"x": np.random.default_rng(0).normal(size=300), "label": labels})
    found = leaks(table, table)
    assert (found["rare_levels"]["possible"], found["extremes"]["possible"]) == (1, 10)


def test_more_synthetic_rows_are_compared_in_as_many_as_the_holdout_has():
    found = leaks(people(500, 1), people(2000, 2), people(300, 3))["rare_levels"]
    assert found["rows"] == 300 and found["share"] > found["compared"]
    assert found["excess"] == pytest.approx(found["compared"] - found["fresh"])
    again = leaks(people(500, 1), people(2000, 2), people(300, 3))["rare_levels"]
    assert found == again


def test_without_a_holdout_there_is_no_yardstick():
    found = leaks(people(500, 1), people(500, 2))
    for figure in found.values():
        assert (figure["share"] is None) == (figure["possible"] == 0)
        assert figure["rows"] is figure["fresh"] is figure["excess"] is figure["excess_interval"] is None


def test_no_value_is_told():
    train = pa.concat_tables([people(500, 1), loner()])
    assert "900" not in str(leaks(train, train, people(500, 2))) and "town" not in str(leaks(train, train))
