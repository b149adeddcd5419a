"""What tells real rows apart, a meter and a moment, a student and an exam, tells rows made apart."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lookalike
from lookalike import LookalikeWarning, Run
from lookalike.encode.ties.apart import columns_apart, exchanged, keys_apart, moved, put_apart
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.constraints import Range, Unique


def readings(meters: int = 12, hours: int = 96, seed: int = 0) -> pd.DataFrame:
    """Nearly each meter at each hour, and the weekday of it."""
    rng = np.random.default_rng(seed)
    hour, meter = (cells.ravel() for cells in np.meshgrid(np.arange(hours), np.arange(meters), indexing="ij"))
    there = rng.random(len(hour)) < 0.97
    at = pd.Timestamp("2024-03-04") + pd.to_timedelta(hour[there], unit="h")
    used = (meter[there] + 2 + np.sin(hour[there] / 24 * 6.28)) * rng.gamma(20, 0.05, there.sum())
    return pd.DataFrame(
        {"read_at": at, "meter": [f"M{i:02}" for i in meter[there]], "day": at.day_name(), "used": used.round(3)}
    )


def marks(students: int = 240, seed: int = 0) -> pd.DataFrame:
    """A student sits some of twelve exams, each once."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"S{10_000 + 7 * student}", f"exam {exam}", int(rng.integers(1, 6)))
        for student in rng.permutation(students)
        for exam in rng.choice(12, rng.integers(3, 10), replace=False)
    ]
    return pd.DataFrame(rows, columns=["student_id", "exam", "mark"])


def fitted(table: pd.DataFrame, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return lookalike.fit(table, run=Run(), seed=1, **{"engine": "copula", **settings})


@pytest.mark.parametrize("engine", ["copula", "trees"])
def test_no_meter_is_read_twice_at_a_moment(engine, tmp_path):
    real = readings()
    twin = fitted(real, engine=engine)
    assert Unique(columns=("read_at", "meter"), kept_by="choice") in twin.schema.constraints
    made = twin.sample(len(real), seed=2)
    assert len(made) == len(real) and not made.duplicated(["read_at", "meter"]).any()
    assert (made["day"] == made["read_at"].dt.day_name()).all(), "what a date settles follows where it moves"
    assert set(made["read_at"].dt.minute) == {0}
    kept = twin.save(tmp_path / "meters.twin")
    assert lookalike.load(kept).sample(300, seed=2).equals(twin.sample(300, seed=2))
    assert (
        fitted(real, engine=engine, keep_rules=False).sample(len(real), seed=2).duplicated(["read_at", "meter"]).any()
    )


def test_where_more_rows_are_asked_for_than_there_are_a_found_rule_is_let_go_and_a_declared_one_is_not():
    real = readings(6, 48)
    twin = fitted(real)
    with pytest.warns(LookalikeWarning, match="read_at and meter unique together holds in .* is let go"):
        made = twin.sample(600, seed=2)
    assert len(made) == 600 and 250 < len(made.drop_duplicates(["read_at", "meter"])) <= 288
    declared = {
        "columns": [],
        "lookalike_schema": 2,
        "constraints": [{"rule": "unique", "columns": ["meter", "read_at"]}],
    }
    twin = fitted(real, schema=declared)
    assert sum(isinstance(rule, Unique) for rule in twin.schema.constraints) == 1, "what is declared is not found again"
    with pytest.raises(lookalike.errors.SamplingError, match="unique, meter and read_at"):
        twin.sample(600, seed=2)


@pytest.mark.parametrize("keep_rules", [True, False])
def test_no_student_sits_an_exam_twice(keep_rules):
    """A key that settles nothing, and tells rows apart with a label: found, and where it is declared."""
    real = marks()
    declared = {
        "columns": [],
        "lookalike_schema": 2,
        "constraints": [{"rule": "unique", "columns": ["student_id", "exam"]}],
    }
    twin = fitted(real, keep_rules=keep_rules, schema=None if keep_rules else declared)
    assert [rule.columns for rule in twin.schema.constraints] == [("student_id", "exam")]
    made = twin.sample(len(real), seed=2)
    assert not made.duplicated(["student_id", "exam"]).any() and not set(made["student_id"]) & set(real["student_id"])
    sizes = [rows.groupby("student_id").size() for rows in (real, made)]
    assert sizes[1].mean() == pytest.approx(sizes[0].mean(), rel=0.05) and sizes[1].max() <= 9
    shares = [rows["exam"].value_counts(normalize=True) for rows in (real, made)]
    assert np.abs(shares[0] - shares[1]).max() < 0.04
    card = lookalike.evaluate(real, made, schema=twin.schema).to_dict()
    assert card["fidelity"]["constraints"]["broken"] == 0.0


@given(st.integers(1, 80), st.integers(1, 6), st.integers(1, 30), st.integers(0, 10**6))
def test_a_number_moves_only_where_its_group_has_it_twice(rows, groups, levels, seed):
    rng = np.random.default_rng(seed)
    group, numbers, free = rng.integers(0, groups, rows), rng.integers(0, levels, rows) * 7, rng.random(rows) < 0.8
    found = moved(group, numbers, free)
    assert (found == numbers)[~free].all() and set(found) <= set(numbers)
    for one in range(groups):
        before, after = numbers[group == one], found[group == one]
        assert len(set(after)) >= len(set(before)) and set(before) <= set(after)
        if free[group == one].all():
            assert len(set(after)) == min(len(after), len(set(numbers)))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(2, 40), st.integers(0, 10**6))
def test_rows_change_keys_only_to_part_those_that_are_the_same(sizes, levels, seed):
    rng = np.random.default_rng(seed)
    runs = np.repeat(np.arange(len(sizes)), sizes)
    cells = rng.integers(-1, levels, len(runs))
    segments = runs // 5
    found = exchanged(runs, segments, [cells])
    assert np.bincount(found).tolist() == sizes, "keys have as many rows as before"
    assert (found // 5 == segments).all()
    leads = np.append(0, np.cumsum(sizes)[:-1])
    assert (found[leads] == runs[leads]).all()

    def repeated(of):
        pairs = [pair for pair in zip(of, cells, strict=True) if pair[1] >= 0]
        return len(pairs) - len(set(pairs))

    assert repeated(found) <= repeated(runs)
    if repeated(runs) == 0:
        assert (found == runs).all()


@given(st.integers(20, 60), st.integers(0, 10**6))
def test_where_others_are_at_hand_no_key_has_a_line_or_an_article_twice(keys, seed):
    rng = np.random.default_rng(seed)
    runs = np.repeat(np.arange(keys), 4)
    before, cells = runs.copy(), [rng.integers(-1, 30, len(runs)), rng.integers(0, 40, len(runs))]
    found = exchanged(runs, np.zeros(len(runs), int), cells)
    assert (runs == before).all()
    for column in cells:
        pairs = [pair for pair in zip(found.tolist(), column.tolist(), strict=True) if pair[1] >= 0]
        assert len(set(pairs)) == len(pairs)


@given(st.integers(0, 10**6))
def test_the_finest_column_that_may_moves_and_what_is_missing_repeats_nothing(seed):
    rng, rows = np.random.default_rng(seed), 200
    cells = {
        "shift": rng.integers(0, 3, rows),
        "machine": rng.integers(0, 6, rows),
        "minute": rng.integers(0, 25, rows),
    }
    gaps = {name: rng.random(rows) < 0.1 for name in cells}
    known = {name: rng.random(rows) < 0.1 for name in cells}

    def put(*fixed: str) -> dict[str, np.ndarray]:
        drawn = {name: Values(gaps[name].copy(), numbers=np.where(gaps[name], 0, own)) for name, own in cells.items()}
        put_apart([tuple(cells)], drawn, known, fixed)
        assert all((drawn[name].missing == gaps[name]).all() for name in cells)
        return {name: values.numbers for name, values in drawn.items()}

    full, was = ~np.any([*gaps.values()], axis=0), {name: np.where(gaps[name], 0, own) for name, own in cells.items()}
    for mover, fixed in (("minute", ()), ("machine", ("minute",)), ("shift", ("minute", "machine")), (None, (*cells,))):
        now = put(*fixed)
        assert all((now[name] == was[name]).all() for name in cells if name != mover)
        if mover is None:
            continue
        stays = ~full | known[mover]
        assert (now[mover] == was[mover])[stays].all()
        if mover == "minute":
            triples = [*zip(*(own[full].tolist() for own in now.values()), strict=True)]
            firm = [*zip(*(own[full & known[mover]].tolist() for own in now.values()), strict=True)]
            assert len(triples) - len(set(triples)) == len(firm) - len(set(firm)), "what is known may be so twice"


def test_labels_move_nowhere():
    labels = Values(np.zeros(3, bool), codes=np.array([0, 0, 1]), levels=pa.array(["a", "b"]))
    put_apart([("shift", "machine")], {"shift": labels, "machine": labels}, {}, ())
    assert labels.codes.tolist() == [0, 0, 1]


@given(st.sets(st.integers(0, 99), min_size=1, max_size=6), st.integers(0, 99), st.integers(0, 10**6))
def test_a_number_goes_to_the_nearest_that_is_free(free, twice, seed):
    """One group has all numbers but a few, and one of them twice; another has every number once, so that none of it moves."""
    mine = np.array(sorted({*range(100)} - free))
    twice = int(mine[twice % len(mine)])
    order = np.random.default_rng(seed).permutation(len(mine) + 101)
    numbers = np.concatenate([[twice], mine, np.arange(100)])[order]
    groups = np.repeat([0, 1], [len(mine) + 1, 100])[order]
    found = moved(groups, numbers, np.ones(len(order), bool))
    (new,) = found[found != numbers]
    assert new in free and abs(new - twice) == min(abs(one - twice) for one in free)


def test_only_what_is_encoded_as_it_is_is_kept_apart():
    """A line that is kept as its distance from another is not yet there when keys are handed out."""
    specs = [ColumnSpec(name=name, kind="integer", storage="int64") for name in ("line", "day", "hour")]
    key = ColumnSpec(name="order", kind="key", repeated=True)
    rules = [
        Range(column="day", low=0),
        Unique(columns=("order", "line")),
        Unique(columns=("order", "day", "hour")),
        Unique(columns=("day", "hour")),
        Unique(columns=("line",)),
    ]
    schema = Schema([key, *specs], constraints=rules)
    assert keys_apart(schema, {"line", "day", "hour"}) == {"order": ["line"]}
    assert keys_apart(schema, {"day", "hour"}) == {"order": []}
    assert columns_apart(schema, {"line", "day", "hour"}) == [("day", "hour")]
    assert columns_apart(schema, {"line", "day"}) == []
