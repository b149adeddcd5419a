from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lookalike.evaluate.attacks import _Cells, _guesses, _single_values, attacks, risk
from lookalike.evaluate.confidence import wilson_centre
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import prepare
from lookalike.neighbours import distance, nearest
from lookalike.schema.infer import infer_schema

FIGURES = ("singling_out_one", "singling_out_many", "linkability", "inference")


def people(rows, seed):
    generator = np.random.default_rng(seed)
    town = generator.integers(0, 40, rows)
    return pa.table({
        "age": generator.integers(18, 90, rows),
        "pay": generator.normal(size=rows) + town / 10,
        "height": pa.array(np.where(generator.random(rows) < 0.1, np.nan, generator.normal(size=rows)), from_pandas=True),
        "town": [f"town {place}" for place in town],
        "plan": generator.choice(["a", "b", "c"], rows),
    })  # fmt: skip


def attacked(train, synthetic, holdout, seed=0):
    tables = {"real": train, "synthetic": synthetic, "holdout": holdout}
    columns = prepare(tables, infer_schema(people(300, 99)))
    return attacks(columns, ["synthetic", "holdout"], seed, Encoder(columns, seed))


def test_every_attack_succeeds_on_a_copy():
    train = people(500, 1)
    found = attacked(train, train, people(500, 2))
    for figure in FIGURES:
        assert found[figure]["attack"] > 0.6 and found[figure]["interval"][0] > 0.4, figure
        assert found[figure]["control"] < 0.45 and found[figure]["baseline"] < 0.5, figure
    assert found["inference"]["worst"]["risk"] > 0.8
    assert found["linkability"]["control"] < 0.1 and found["linkability"]["baseline"] == 1 / 500
    each = found["inference"]["columns"]
    assert found["inference"]["worst"] == each[0] and len(each) == 5
    assert [one["interval"][0] for one in each] == sorted((one["interval"][0] for one in each), reverse=True)
    for one in each:  # five chances to be wrong
        hits = [one[side] * one["attempts"] for side in ("attack", "control")]
        alone = risk(hits[0], one["attempts"], hits[1], one["attempts"], None, 1 - 0.05 / 5)
        assert one["interval"] == pytest.approx(alone["interval"])


def test_half_a_copy_is_half_as_open():
    train = people(500, 1)
    found = attacked(train, pa.concat_tables([train.slice(0, 250), people(250, 3)]), people(500, 2))
    for figure in FIGURES:
        assert 0.2 < found[figure]["risk"] < 0.75 and found[figure]["interval"][0] > 0.1, figure


def test_fresh_rows_open_nobody():
    """Of 48 intervals at 95 %, more than six rarely miss by chance."""
    missed = 0
    for seed in range(12):
        found = attacked(people(300, seed), people(300, seed + 100), people(300, seed + 200), seed)
        for figure in FIGURES:
            low, high = found[figure]["interval"]
            missed += not low <= 0 <= high
        assert found["inference"]["worst"]["interval"][0] < 0.1
    assert missed <= 6


def test_fresh_rows_open_nobody_before_few_strangers():
    """Of 24 intervals at 95 %, more than four rarely miss; with rows described again and again seven did."""
    missed = 0
    for seed in range(24):
        low, high = attacked(people(300, seed), people(300, seed + 100), people(40, seed + 200), seed)[
            "singling_out_many"
        ]["interval"]
        missed += not low <= 0 <= high
    assert missed <= 4


def test_one_column_has_no_several_values():
    table = pa.table({"height": np.random.default_rng(0).normal(170, 10, 300).round(1)})
    columns = prepare({"real": table, "synthetic": table, "holdout": table}, infer_schema(table))
    found = attacks(columns, ["synthetic", "holdout"], 0, Encoder(columns, 0))
    assert found["singling_out_many"] is None and found["singling_out_one"] is not None


def test_inference_takes_the_nearest_row_by_all_other_columns():
    """The secret is written on the other columns, so a stranger is as open as a member: no risk."""
    generator = np.random.default_rng(0)

    def clear(rows):
        label = generator.integers(0, 5, rows)
        return pa.table({"code": [f"c{place}" for place in label], "name": [f"n{place}" for place in label],
                         "noise": generator.normal(size=rows)})  # fmt: skip

    columns = prepare({"real": clear(400), "synthetic": clear(400), "holdout": clear(400)}, infer_schema(clear(400)))
    found = attacks(columns, ["synthetic", "holdout"], 0, Encoder(columns, 0))["inference"]
    by_column = {entry["column"]: entry for entry in found["columns"]}
    for name in ("code", "name"):
        assert by_column[name]["attack"] == by_column[name]["control"] == 1.0
        assert by_column[name]["baseline"] < 0.35 and abs(by_column[name]["risk"]) < 0.2
    assert by_column["noise"]["attack"] < 0.2


def test_a_guess_is_the_nearest_row_by_all_other_columns_and_no_other():
    """Held against a plain search through all columns but the secret; numbers, gaps, labels of few and of many levels."""
    generator = np.random.default_rng(1)

    def rows(count):
        amount = np.where(generator.random(count) < 0.2, None, generator.normal(size=count))
        return pa.table({
            "amount": pa.array(amount, pa.float64()),
            "age": generator.integers(20, 30, count),
            "plan": [f"p{code}" for code in generator.integers(0, 3, count)],
            "city": [f"c{code}" for code in generator.integers(0, 60, count)],
        })  # fmt: skip

    real, made = rows(60), rows(500)
    columns = prepare({"real": real, "synthetic": made, "holdout": real}, infer_schema(rows(500)))
    encoder, picks, searched = Encoder(columns, 0), np.arange(60), np.arange(500)
    found = _guesses(encoder, "real", picks, searched, list(range(len(columns))))
    for secret in range(len(columns)):
        others = [place for place in range(len(columns)) if place != secret]
        mine, theirs = encoder.rows("real", picks, others), encoder.rows("synthetic", searched, others)
        nearest_by_all = nearest(mine, theirs, 1, cosine=False).distances[:, 0]
        assert distance(mine, theirs.take(found[:, secret]), cosine=False) == pytest.approx(nearest_by_all, abs=1e-3)


def test_the_risk_is_the_papers():
    assert risk(0, 100, 0, 100, None)["risk"] == 0
    assert risk(1000, 1000, 0, 1000, None)["risk"] == pytest.approx(1, abs=0.005)
    low, high = risk(60, 200, 20, 200, None)["interval"]
    assert low < (0.3 - 0.1) / 0.9 < high
    found = risk(60, 200, 20, 100, None)
    (rate, error), (control, control_error) = wilson_centre(60, 200), wilson_centre(20, 100)
    spread = np.hypot(error / (1 - control), (1 - rate) * control_error / (1 - control) ** 2)
    assert (found["attack"], found["control"]) == (0.3, 0.2)
    assert found["interval"] == pytest.approx([found["risk"] - spread, found["risk"] + spread])
    assert np.isfinite(risk(100, 100, 100, 100, None)["interval"]).all()


def test_the_same_seed_attacks_the_same_way():
    tables = people(300, 1), people(300, 2), people(300, 3)
    assert attacked(*tables, seed=4) == attacked(*tables, seed=4)
    assert attacked(*tables, seed=4) != attacked(*tables, seed=5)


def test_what_cannot_be_attacked_is_none():
    table = pa.table({"plan": ["a", "b"] * 20})
    columns = prepare({"real": table, "synthetic": table, "holdout": table}, infer_schema(table))
    found = attacks(columns, ["synthetic", "holdout"], 0, Encoder(columns, 0))
    assert found == dict.fromkeys(FIGURES)
    assert attacks(columns, ["synthetic"], 0, Encoder(columns, 0)) is None


def test_a_value_held_once_and_the_ends_of_an_axis_single_out():
    table = pa.table({"x": [1.5, 2.5, 2.5, 5.5, 9.5, 9.5], "y": ["a", "b", "b", "b", None, "b"]})
    columns = prepare({"real": table}, infer_schema(table))
    found = _single_values(columns, _Cells(columns, "real", np.arange(6)))
    numbers = [(operator, value) for place, operator, value in found if place == 0]
    assert len(found) == 5 and [operator for operator, _ in numbers] == ["==", "==", "<="]
    assert numbers[0][1] == numbers[2][1] < numbers[1][1]
    assert [operator for place, operator, _ in found if place == 1] == ["missing", "=="]


def test_rows_found_by_sorted_columns_are_those_that_meet_all_conditions():
    table = people(400, 5)
    columns = prepare({"real": table}, infer_schema(table))
    cells = _Cells(columns, "real", np.arange(400))
    random, counts = np.random.default_rng(0), set()
    for _ in range(300):
        predicate, met = [], np.ones(400, dtype=bool)
        for place in random.permutation(len(columns))[: random.integers(1, 4)]:
            column, values, missing = columns[place], cells.values[place], cells.missing[place]
            value = values[random.integers(400)]
            # between two whole numbers too, and beyond the ends
            value = value + random.choice([0.0, 0.5, -0.25, 1e9]) if column.numeric else value
            operator = random.choice(["<=", ">=", "missing"] if column.numeric else ["==", "missing"])
            predicate.append((place, operator, value))
            compared = {"<=": values <= value, ">=": values >= value, "==": values == value}
            met &= missing if operator == "missing" else compared[operator] & ~missing
        counts.add(int(met.sum()))
        assert cells.matches(predicate) == met.sum()
    assert len(counts) > 20 and cells.matches([]) == 0
