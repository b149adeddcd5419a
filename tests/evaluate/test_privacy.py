from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lookalike.evaluate import privacy, score
from lookalike.evaluate.prepare import prepare
from lookalike.schema.infer import infer_schema


def people(rows, seed):
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 40, rows)
    return pa.table({
        "age": generator.integers(18, 90, rows) + 0.0,
        "pay": np.where(generator.random(rows) < 0.1, np.nan, generator.normal(size=rows) + label / 10),
        "town": [f"town {place}" for place in label],
        "plan": generator.choice(["a", "b", "c"], rows),
    }).cast(pa.schema([("age", pa.float64()), ("pay", pa.float64()), ("town", pa.string()), ("plan", pa.string())]))  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    return {"train": people(900, 1), "holdout": people(700, 2), "fresh": people(800, 3)}


def judged(tables, synthetic, **options):
    return score(tables["train"], synthetic, infer_schema(tables["train"]), holdout=tables["holdout"], **options)[
        "privacy"
    ]


def test_a_fresh_sample_copies_nothing_and_leans_nowhere(tables):
    found = judged(tables, tables["fresh"])
    assert found["exact_copies"]["share"] < 0.01 and found["exact_copies"]["fresh"]["share"] < 0.01
    low, high = found["closeness"]["interval"]
    assert low - 0.02 < 0.5 < high + 0.02
    assert found["closeness"]["compared"] == 700


def test_memorised_rows_are_seen(tables):
    half = pa.concat_tables([tables["train"].slice(0, 400), tables["fresh"].slice(0, 400)])
    found = judged(tables, half)
    assert 400 <= found["exact_copies"]["count"] < 405
    assert found["exact_copies"]["interval"][0] > 0.4
    assert found["closeness"]["interval"][0] > 0.55


def test_rows_copied_with_a_little_noise_pass_the_copies_but_not_the_closeness(tables):
    noisy = tables["train"].set_column(0, "age", pa.array(tables["train"]["age"].to_numpy() + 0.25))
    found = judged(tables, noisy)
    assert found["exact_copies"]["share"] < 0.01
    assert found["closeness"]["share"] > 0.7


def test_identical_train_and_holdout_tie(tables):
    found = privacy.closeness(
        prepare(
            {"real": tables["train"], "holdout": tables["train"], "synthetic": tables["fresh"]},
            infer_schema(tables["train"]),
        ),
        0,
    )
    assert found["share"] == 0.5 and found["ties"] == 1.0


def test_missing_equals_missing_and_nothing_else():
    schema = infer_schema(pa.table({"x": [1.5, None, 0.0, 2.5], "y": ["a", None, "b", "c"]}))
    real = pa.table({"x": [None, 0.5], "y": ["a", None]}, schema=pa.schema([("x", pa.float64()), ("y", pa.string())]))
    other = pa.table({"x": [None, 0.0, 0.5], "y": ["a", "a", None]}, schema=real.schema)
    assert score(real, other, schema)["privacy"]["exact_copies"]["count"] == 2


def test_large_tables_are_subsampled_to_the_same_size_on_both_sides(tables, monkeypatch):
    monkeypatch.setattr(privacy, "SUBSAMPLE", 300)
    first, second = (judged(tables, tables["fresh"], seed=seed)["closeness"] for seed in (1, 2))
    assert first["compared"] == first["rows"] == 300
    assert first["share"] != second["share"]
    assert judged(tables, tables["fresh"], seed=1)["closeness"] == first
