from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike import neighbours
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import prepare
from lookalike.neighbours import nearest, nearness, similarities
from lookalike.schema.infer import infer_schema


def mixed(rows, seed, levels=60):
    generator = np.random.default_rng(seed)
    return pa.table({
        "age": generator.integers(18, 90, rows),
        "pay": pa.array(np.where(generator.random(rows) < 0.2, np.nan, generator.normal(size=rows)), from_pandas=True),
        "town": [f"town {place}" for place in generator.integers(0, levels, rows)],
        "plan": pa.array(generator.choice(["a", "b", "c"], rows)),
    })  # fmt: skip


def encoder(real, other, seed=0):
    return Encoder(prepare({"real": real, "synthetic": other, "holdout": other}, infer_schema(mixed(500, 9))), seed)


def slow_rows(coder, side, rows):
    """One-hot axes for everything, as the definition has it."""
    parts = []
    for place, column in enumerate(coder.columns):
        if column.numeric:
            missing = column.sides[side].missing[:rows]
            parts.append(np.where(missing, 0, coder.ranks(side, np.arange(rows), place) - 0.5)[:, None])
            if any(each.missing.any() for each in column.sides.values()):
                parts.append(np.eye(2)[missing.astype(int)] * np.sqrt(0.5))
        else:
            parts.append(np.eye(column.size)[column.sides[side].codes[:rows]] * np.sqrt(0.5))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("levels", [5, 60])
@pytest.mark.parametrize("cosine", [True, False])
def test_neighbours_are_those_of_the_plain_definition(levels, cosine, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_CELLS", 1000)
    coder = encoder(mixed(150, 1, levels), mixed(90, 2, levels))
    found = nearest(coder.rows("synthetic", np.arange(90)), coder.rows("real", np.arange(150)), 2, cosine=cosine)
    queries, references = slow_rows(coder, "synthetic", 90), slow_rows(coder, "real", 150)
    if cosine:
        queries, references = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, references))
    distances = np.sort(np.linalg.norm(queries[:, None] - references, axis=2), axis=1)[:, :2]
    np.testing.assert_allclose(found.distances, distances, atol=1e-5)


@pytest.mark.parametrize("levels", [5, 60])
def test_the_parts_of_columns_add_up_to_the_whole(levels):
    coder = encoder(mixed(40, 1, levels), mixed(30, 2, levels))
    queries, references = np.arange(30), np.arange(40)

    def scores(places=None):
        ((_, found),) = nearness(coder.rows("synthetic", queries, places), coder.rows("real", references, places))
        return found.copy()

    np.testing.assert_allclose(scores(), sum(scores([place]) for place in range(4)), atol=1e-5)


@settings(max_examples=25)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=2, max_size=20))
def test_any_numbers_have_finite_distances(numbers):
    table = pa.table({"x": pa.array(numbers, pa.float64()), "y": ["a"] * len(numbers)})
    schema = infer_schema(pa.table({"x": [0.5, 1.25, None, 7.5], "y": ["a", "b", "a", "b"]}))
    coder = Encoder(prepare({"real": table, "synthetic": table}, schema), 0)
    rows = coder.rows("real", np.arange(len(numbers)))
    assert (nearest(rows, rows, 1).distances == 0).all()
    for _, block in similarities(rows, rows):
        assert np.isfinite(block).all()
