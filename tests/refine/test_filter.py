"""What keeps drawn rows apart from real ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike import neighbours
from lookalike.errors import InputError, SchemaError, SettingsError
from lookalike.refine.filter import REASONS, Filter, FilterSettings
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_schema

SCHEMA = Schema([
    ColumnSpec(name="id", kind="key"),
    ColumnSpec(name="age", kind="integer", storage="int64"),
    ColumnSpec(name="pay", kind="float", storage="double"),
    ColumnSpec(name="town", kind="category"),
    ColumnSpec(name="plan", kind="category"),
    ColumnSpec(name="country", kind="constant"),
])  # fmt: skip
COLUMNS = ("age", "pay", "town", "plan")


def mixed(rows, seed, towns=60):
    generator = np.random.default_rng(seed)
    holes = [generator.random(rows) < 0.2 for _ in range(2)]
    return pa.table({
        "id": [f"{seed}-{row}" for row in range(rows)],
        "age": generator.integers(18, 90, rows),
        "pay": pa.array(np.where(holes[0], np.nan, generator.normal(size=rows)), from_pandas=True),
        "town": pa.array([f"town {place}" for place in generator.integers(0, towns, rows)], mask=holes[1]),
        "plan": pa.array(generator.choice(["a", "b", "c"], rows)),
        "country": ["AT"] * rows,
    })  # fmt: skip


def plain_distances(table, real):
    """The distance as it is documented, pair by pair: (n, m)."""
    total = np.zeros((table.num_rows, real.num_rows))
    for name in COLUMNS:
        mine, theirs = (side.column(name).to_pylist() for side in (table, real))
        known = [cell for cell in theirs if cell is not None]

        def rank(cell, known=known):
            return (sum(other < cell for other in known) + sum(other <= cell for other in known)) / (2 * len(known))

        def gap(one, other, number=name in ("age", "pay"), rank=rank):
            if one is None or other is None:
                return float(one is not other)
            return abs(rank(one) - rank(other)) if number else float(one != other)

        total += np.array([[gap(one, other) ** 2 for other in theirs] for one in mine])
    return np.sqrt(total / len(COLUMNS))


@pytest.mark.parametrize("towns", [4, 60])
def test_distances_are_those_that_are_documented(towns, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_CELLS", 500)  # several blocks
    real, table = mixed(80, 1, towns), mixed(50, 2, towns)
    found = Filter(real, SCHEMA, FilterSettings(crowd_distance=0.3)).measure(table)
    expected = plain_distances(table, real)
    two = np.sort(expected, axis=1)[:, :2]
    np.testing.assert_allclose(found.distance, two[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.ratio, two[:, 0] / two[:, 1], atol=1e-5)
    assert found.within.tolist() == (expected <= 0.3).sum(axis=1).tolist()
    assert found.identical.tolist() == (expected == 0).sum(axis=1).tolist()


def test_what_no_real_row_misses_is_one_away():
    real = pa.table({"x": [1, 2, 3, 4], "y": ["a", "a", "b", "b"]})
    spec = Schema([ColumnSpec(name="x", kind="integer", storage="int64"), ColumnSpec(name="y", kind="category")])
    found = Filter(real, spec).measure(pa.table({"x": pa.array([None], pa.int64()), "y": ["a"]}))
    assert found.distance.tolist() == pytest.approx([np.sqrt(1 / 2)])


@settings(max_examples=40)
@given(
    numbers=st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=2, max_size=15),
    drawn=st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=15),
)
def test_any_distance_lies_between_0_and_1_and_a_copy_is_at_0(numbers, drawn):
    spec = Schema([ColumnSpec(name="x", kind="float", storage="double"), ColumnSpec(name="y", kind="category")])
    real = pa.table({"x": pa.array(numbers, pa.float64()), "y": ["a"] * len(numbers)})
    made = pa.table({"x": pa.array(drawn + numbers, pa.float64()), "y": ["a"] * (len(drawn) + len(numbers))})
    found = Filter(real, spec).measure(made)
    assert ((found.distance >= 0) & (found.distance <= 1)).all() and ((found.ratio >= 0) & (found.ratio <= 1)).all()
    assert (found.distance[len(drawn) :] == 0).all()
    assert ((found.identical > 0) == (found.distance == 0)).all()


def test_a_unit_and_a_fortune_change_nothing():
    real, table = mixed(60, 1), mixed(40, 2)

    def richer(side):
        pay = np.exp(5 * side.column("pay").to_numpy(zero_copy_only=False))
        return side.set_column(2, "pay", pa.array(pay, from_pandas=True))

    plain, other = Filter(real, SCHEMA).measure(table), Filter(richer(real), SCHEMA).measure(richer(table))
    np.testing.assert_allclose(plain.distance, other.distance)


def test_every_reason_is_told_apart_and_counted():
    real = pa.table({
        "x": [*range(100), 1000, 2000],
        "y": ["common"] * 100 + ["loner", "pair"],
    })  # fmt: skip
    spec = Schema([ColumnSpec(name="x", kind="integer", storage="int64"), ColumnSpec(name="y", kind="category")])
    apart = Filter(real, spec, FilterSettings(common_rows=3))
    drawn = pa.table({
        "x": [1000, 1001, 3000, 50, 51, 500, 1000],
        "y": ["loner", "loner", "pair", "common", "common", "stranger", "common"],
    })  # fmt: skip
    reasons = [REASONS[code] for code in apart.reasons(drawn)]
    assert reasons == ["identical", "too close", "too close", "identical", "identical", "kept", "kept"]
    assert apart.keep(drawn).tolist() == [reason == "kept" for reason in reasons]
    assert apart.seen == 7 and apart.dropped == {"identical": 3, "too close": 2, "leans on one": 0}
    apart.keep(drawn)
    assert apart.seen == 14 and apart.dropped == {"identical": 6, "too close": 4, "leans on one": 0}


def test_the_k_rule_spares_what_many_share():
    real = pa.table({"x": [7] * 5 + [*range(100, 140)], "y": ["a"] * 5 + ["b"] * 40})
    spec = Schema([ColumnSpec(name="x", kind="integer", storage="int64"), ColumnSpec(name="y", kind="category")])
    drawn = pa.table({"x": [7, 120, 8], "y": ["a", "b", "a"]})

    def kept(**changes):
        return Filter(real, spec, FilterSettings(**changes)).keep(drawn).tolist()

    assert Filter(real, spec).measure(drawn).ratio[0] == 1  # at 0 from two: it leans on neither
    assert (Filter(real.slice(0, 1), spec).measure(drawn).ratio == 1).all()  # nor on the only one
    # five share the first; the second is one person's row, crowd or not; the third has five within .05 · √2 · 45 ranks
    assert kept() == [True, False, True]
    assert kept(common_rows=6) == [False, False, False]
    assert kept(crowd_distance=0) == [True, False, False]
    # a greater distance asks for more, never for less
    assert kept(crowd_distance=0, min_distance=1, min_ratio=0) == [True, False, False]


def test_a_row_that_leans_on_one_person_is_sent_back():
    # between two people far apart, much nearer to one of them
    real = pa.table({"x": [0, *([1000] * 60), *([2000] * 60)], "y": ["a"] * 121})
    spec = Schema([ColumnSpec(name="x", kind="integer", storage="int64"), ColumnSpec(name="y", kind="category")])
    real = real.set_column(1, "y", pa.array(["z"] + ["a"] * 120))
    drawn = pa.table({"x": [1500], "y": ["z"]})
    found = Filter(real, spec).measure(drawn)
    assert found.distance[0] > 0.05 and found.ratio[0] < 0.6
    assert REASONS[Filter(real, spec, FilterSettings(min_ratio=0.6)).reasons(drawn)[0]] == "leans on one"
    assert Filter(real, spec, FilterSettings(min_ratio=0.0)).keep(drawn).all()


def test_no_rules_drop_nothing_but_copies():
    real = mixed(50, 1)
    apart = Filter(real, SCHEMA, FilterSettings(min_distance=0, min_ratio=0, common_rows=1000))
    both = pa.concat_tables([real, mixed(50, 2)])
    assert apart.keep(both).tolist() == [False] * 50 + [True] * 50


def test_awkward_columns_are_compared(awkward):
    schema = infer_schema(awkward)
    apart = Filter(awkward, schema)
    assert "id" not in [spec.name for spec in apart.specs] and "same" not in [spec.name for spec in apart.specs]
    assert not apart.keep(awkward).any()
    assert apart.dropped["identical"] == awkward.num_rows
    assert apart.keep(awkward.slice(0, 0)).shape == (0,)


def test_what_cannot_be_compared_is_said_before_any_work():
    real = mixed(20, 1)
    with pytest.raises(InputError, match="needs real rows"):
        Filter(real.slice(0, 0), SCHEMA)
    with pytest.raises(SchemaError, match="'pay' stands in a table 0 times"):
        Filter(real.drop_columns(["pay"]), SCHEMA)
    with pytest.raises(SchemaError, match="needs columns to compare"):
        Filter(real, Schema([ColumnSpec(name="id", kind="key")]))
    with pytest.raises(SettingsError, match="min_distance"):
        FilterSettings.build({"min_distance": 2})
    with pytest.raises(SettingsError, match=r"crowd_distance=0\.1 and both of those are 0. Raise one"):
        FilterSettings.build({"min_distance": 0, "min_ratio": 0, "crowd_distance": 0.1})
    assert FilterSettings.build({"min_distance": 0, "min_ratio": 0, "common_rows": 9}).common_rows == 9
