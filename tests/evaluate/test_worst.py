"""One thing plainly wrong that no mean over columns shows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lookalike.evaluate import score
from lookalike.report import answers, overview
from lookalike.schema.infer import infer_schema

FIGURES = {"worst_column_shortfall", "worst_pair_shortfall", "repeated_rows"}


def people(rows, seed):
    """Ten columns, of which income follows the job, and a twentieth of the jobs is missing."""
    draw = np.random.default_rng(seed)
    job = draw.integers(0, 6, rows)
    return pa.table({
        "age": draw.normal(40, 12, rows).round(),
        "race": draw.choice(["white", "black", "other"], rows, p=[0.83, 0.12, 0.05]),
        "job": pa.array([f"job {place}" for place in job], mask=draw.random(rows) < 0.05),
        "income": np.where(draw.random(rows) < 0.1 + job / 7, "high", "low"),
        **{f"noise {place}": draw.normal(size=rows) for place in range(6)},
    })  # fmt: skip


def put(table, name, cells):
    return table.set_column(table.column_names.index(name), name, cells)


def judged(synthetic, rows=2000):
    real = people(rows, 0)
    card = score(real, synthetic, infer_schema(real), holdout=people(rows, 1))
    return card, {check["figure"]: check["verdict"] for check in card["verdicts"]}


FRESH = people(2000, 2)
BAD = {
    "one label everywhere": (put(FRESH, "race", pa.array(["white"] * 2000)), "worst_column_shortfall"),
    "five years older": (put(FRESH, "age", pc.add(FRESH["age"], 5)), "worst_column_shortfall"),
    "no gaps": (FRESH.filter(pc.is_valid(FRESH["job"])), "worst_column_shortfall"),
    "one column shuffled": (
        put(FRESH, "income", FRESH["income"].take(pa.array(np.random.default_rng(0).permutation(2000)))),
        "worst_pair_shortfall",
    ),
    "every row twice": (pa.concat_tables([FRESH.slice(0, 1000)] * 2), "repeated_rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_plainly_wrong_fails_alone(name):
    table, figure = BAD[name]
    card, found = judged(table)
    assert {name for name in FIGURES if found[name] == "fail"} == {figure}
    assert answers.alike(card)["level"] == "poor"


def test_what_is_wrong_is_named():
    assert any(
        line.startswith("job: 0.0 % of its cells are missing")
        for line in overview.look_at(judged(BAD["no gaps"][0])[0])
    )
    lines = overview.look_at(judged(BAD["one column shuffled"][0])[0])
    assert any("job" in line and "income" in line and "their tie" in line for line in lines)


@pytest.mark.parametrize("rows", [150, 2000])
def test_a_fresh_sample_has_nothing_wrong(rows):
    for seed in range(2, 5):
        found = judged(people(rows, seed), rows)[1]
        assert not {name for name in FIGURES if found[name] == "fail"}, found
        assert rows < 2000 or {found[name] for name in FIGURES} == {"pass"}


def test_a_tie_turned_round_is_more_than_lost():
    table = put(FRESH, "income", pa.array(np.where(np.array(FRESH["income"]) == "low", "high", "low")))
    pair = judged(table)[0]["fidelity"]["worst_pair"]
    assert pair["kept"] < -0.1 and pair["shortfall"] > 1.5 and set(pair["columns"]) == {"job", "income"}


def test_fifty_rows_prove_nothing():
    card, found = judged(people(50, 2))
    assert {found[name] for name in FIGURES - {"repeated_rows"}} == {"too few rows"} and "fail" not in found.values()
    assert "only 50 rows" in answers.alike(card)["sentence"] and any("only 50 rows" in note for note in card["notes"])


def test_without_a_holdout_only_repeated_rows_are_judged():
    real = people(500, 0)
    card = score(real, pa.concat_tables([FRESH.slice(0, 250)] * 2), infer_schema(real))
    found = {check["figure"]: check["verdict"] for check in card["verdicts"]}
    assert card["fidelity"]["worst_column"] is card["fidelity"]["worst_pair"] is None
    assert [found[name] for name in sorted(FIGURES)] == ["fail", "missing", "missing"]
