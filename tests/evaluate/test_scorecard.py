from __future__ import annotations

import copy
import json
import warnings
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate import frozen
from lookalike.errors import InputError, SchemaError
from lookalike.evaluate import fidelity, pairs, score, yardstick
from lookalike.evaluate.prepare import prepare
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_schema

LAYOUT = {
    "lookalike_scorecard", "version", "seed", "rows", "columns", "yardstick", "diagnostic", "fidelity", "associations",
    "privacy", "utility", "verdicts", "worst", "notes", "timings",
}  # fmt: skip


def without_timings(card):
    card = copy.deepcopy(card)
    card.pop("timings")
    return card


def small_schema():
    return Schema([
        ColumnSpec(name="number", kind="float", storage="double"),
        ColumnSpec(name="whole", kind="integer", storage="int64"),
        ColumnSpec(name="label", kind="category", storage="string"),
    ])  # fmt: skip


def small_tables(minimum_rows=1):
    row = st.tuples(
        st.none() | st.floats(-1e6, 1e6, allow_nan=False),
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from(["a", "b", "c", "<b>"]),
    )
    types = (pa.float64(), pa.int64(), pa.string())

    def build(rows):
        columns = [pa.array(list(cells), kind) for cells, kind in zip(zip(*rows, strict=True), types, strict=True)]
        return pa.table(columns, names=["number", "whole", "label"])

    return st.lists(row, min_size=minimum_rows, max_size=12).map(build)


def every_score(card):
    fidelity, diagnostic = card["fidelity"], card["diagnostic"]
    yield from (fidelity[name] for name in ("quality", "column_shapes", "pair_trends", "pair_trends_all"))
    yield from (diagnostic[name] for name in ("score", "validity", "structure"))
    yield from (part["quality"] for part in (fidelity["even"], fidelity["fresh"]) if part)
    for part in (fidelity["accuracy"], fidelity["accuracy"]["even"], fidelity["accuracy"]["fresh"]):
        for figures in (part, part["max"]) if part else ():
            yield from (figures[name] for name in ("overall", "univariate", "bivariate", "trivariate"))
    yield fidelity["detection"]["auc"]
    yield from (entry["score"] for entry in [*fidelity["columns"], *fidelity["pair_scores"], *diagnostic["columns"]])
    yield card["privacy"]["exact_copies"]["share"]
    if card["privacy"]["closeness"]:
        yield card["privacy"]["closeness"]["share"]


def test_layout_is_json_and_documented():
    from lookalike.evaluate import scorecard

    card = score(frozen.table(300, 0), frozen.table(200, 1), frozen.SCHEMA, holdout=frozen.table(150, 2))
    assert set(card) == LAYOUT
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert all(part in scorecard.__doc__ for part in LAYOUT)
    assert card["rows"] == {"real": 300, "synthetic": 200, "holdout": 150}
    assert card["columns"]["keys"] == card["columns"]["dropped"] == 1
    for part in ("even", "fresh", "accuracy", "detection", "pairs", "columns", "pair_scores"):
        assert part in card["fidelity"] and part in scorecard.__doc__
    for entries in ("columns", "pair_scores"):
        assert all(key in scorecard.__doc__ for key in card["fidelity"][entries][0])


def test_no_value_of_any_cell_is_in_the_scorecard():
    schema = Schema(
        [
            ColumnSpec(name="city", kind="category", storage="string"),
            ColumnSpec(name="pay", kind="integer", storage="int64"),
        ]
    )
    table = pa.table({"city": ["Xanadu"] * 9 + ["Atlantis"], "pay": [*range(9), 987_654_321]})
    text = json.dumps(score(table, table, schema, holdout=table))
    assert "Xanadu" not in text and "Atlantis" not in text and "987654321" not in text


def test_the_same_seed_gives_the_same_card():
    arguments = (frozen.table(700, 0), frozen.table(600, 1), frozen.SCHEMA)
    first, second = (score(*arguments, holdout=frozen.table(500, 2), seed=4) for _ in range(2))
    assert without_timings(first) == without_timings(second)


@settings(max_examples=40)
@given(small_tables(), small_tables(), st.none() | small_tables())
def test_scores_lie_between_0_and_1_and_never_warn(real, synthetic, holdout):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = score(real, synthetic, small_schema(), holdout=holdout)
    assert all(value is None or -1e-9 <= value <= 1 + 1e-9 for value in every_score(card))


def test_a_range_of_the_least_floats_is_no_overflow():
    def numbers(*cells: float | None) -> pa.Table:
        gaps = [None] * len(cells)
        return pa.table(
            [pa.array(cells, pa.float64()), pa.array(gaps, pa.int64()), pa.array(gaps, pa.string())],
            names=["number", "whole", "label"],
        )

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        card = score(numbers(None, None), numbers(2.0), small_schema(), holdout=numbers(0.0, 1.1125369292536007e-308))
    assert all(value is None or 0 <= value <= 1 for value in every_score(card))


@settings(max_examples=30)
@given(small_tables())
def test_a_table_scores_1_against_itself(table):
    card = score(table, table, small_schema(), holdout=table)
    fidelity = card["fidelity"]
    for entry in [*fidelity["columns"], *fidelity["pair_scores"]]:
        assert entry["score"] is None or entry["score"] == pytest.approx(1)
        assert entry["fresh"] == entry["score"]
    assert card["privacy"]["exact_copies"]["share"] == 1
    assert card["diagnostic"]["structure"] == 1


@settings(max_examples=25)
@given(small_tables(), small_tables(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(real, synthetic, random):
    order = list(range(real.num_rows))
    random.shuffle(order)
    first = score(real, synthetic, small_schema(), holdout=synthetic)
    second = score(real.take(pa.array(order)), synthetic, small_schema(), holdout=synthetic)
    for name in ("quality", "column_shapes", "pair_trends", "pair_trends_all"):
        assert first["fidelity"][name] == (
            None if second["fidelity"][name] is None else pytest.approx(second["fidelity"][name])
        )
    assert first["privacy"]["exact_copies"]["count"] == second["privacy"]["exact_copies"]["count"]


@settings(max_examples=25)
@given(small_tables(), small_tables())
def test_column_shapes_are_symmetric(first, second):
    one, other = (
        score(*pair, small_schema())["fidelity"]["column_shapes"] for pair in ((first, second), (second, first))
    )
    assert one == (None if other is None else pytest.approx(other))


AWKWARD = {
    "all missing number": ("float", "double", pa.array([None, None, None], pa.float64())),
    "all missing label": ("category", "string", pa.array([None, None, None], pa.string())),
    "constant number": ("float", "double", pa.array([3.0, 3.0, 3.0])),
    "constant kind": ("constant", "string", pa.array(["x", "x", "x"])),
    "all unique": ("category", "string", pa.array(["a", "b", "c"])),
    "huge": ("float", "double", pa.array([1e308, -1e308, 0.0])),
    "subnormal": ("float", "double", pa.array([5e-324, 0.0, 1e-310])),
    "uint64": ("integer", "uint64", pa.array([2**64 - 1, 0, 7], pa.uint64())),
    "over 2^53": ("integer", "int64", pa.array([2**60, 2**60 + 1, 2**60 + 2])),
    "dates": ("datetime", "date32[day]", pa.array([0, 1, None], pa.date32())),
    "decimal": ("float", "decimal128(5, 2)", pa.array([Decimal(1), Decimal("2.5"), None], pa.decimal128(5, 2))),
    "text": ("text", "string", pa.array(["some", "free", "text"])),
    "key": ("key", "int64", pa.array([1, 2, 3])),
    "dictionary": ("category", "dictionary<values=string, indices=int8, ordered=0>", pa.array(["a", None, "b"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))),
    "<script>'\"&": ("boolean", "bool", pa.array([True, False, None])),
}  # fmt: skip


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_columns_alone(name, rows):
    kind, storage, array = AWKWARD[name]
    table = pa.table({name: array.slice(0, rows)})
    card = score(table, table, Schema([ColumnSpec(name=name, kind=kind, storage=storage)]), holdout=table)
    json.dumps(card, allow_nan=False)
    assert all(entry["score"] in (None, 1.0) for entry in card["fidelity"]["columns"])


@pytest.mark.parametrize("rows", [1, 3])
def test_awkward_columns_together(rows):
    schema = Schema([ColumnSpec(name=name, kind=kind, storage=storage) for name, (kind, storage, _) in AWKWARD.items()])
    table = pa.table({name: array for name, (_, _, array) in AWKWARD.items()}).slice(0, rows)
    json.dumps(score(table, table, schema, holdout=table), allow_nan=False)


def test_a_table_of_keys_only_has_nothing_to_compare():
    schema = Schema([ColumnSpec(name="id", kind="key", storage="int64", role="primary_key")])
    card = score(pa.table({"id": [1, 2]}), pa.table({"id": [3, 3]}), schema, holdout=pa.table({"id": [5, 6]}))
    assert card["fidelity"]["quality"] is None and card["worst"] == {"column": None, "pair": None}
    assert card["diagnostic"]["columns"][0]["score"] == 0.5


def test_without_a_holdout_nothing_is_invented():
    card = score(frozen.table(300, 0), frozen.table(200, 1), frozen.SCHEMA)
    assert card["yardstick"]["strength"] == "none" and "No yardstick" in card["yardstick"]["note"]
    assert card["fidelity"]["fresh"] is None and card["diagnostic"]["fresh"] is None
    assert card["fidelity"]["even"] is None and card["fidelity"]["accuracy"]["even"] is None
    assert card["fidelity"]["accuracy"]["fresh"] is None and card["fidelity"]["detection"]["fresh"] is None
    assert card["fidelity"]["detection"]["against"] == "real"
    assert all(entry["even"] is None and entry["fresh"] is None for entry in card["fidelity"]["columns"])
    assert card["privacy"]["closeness"] is None and card["privacy"]["exact_copies"]["fresh"] is None
    assert card["rows"]["holdout"] is None and card["associations"]["fresh"] is None


def test_a_small_holdout_is_called_weak_and_a_foreign_one_skewed():
    real = frozen.table(600, 0)
    assert score(real, real, frozen.SCHEMA, holdout=frozen.table(50, 2))["yardstick"]["strength"] == "weak"
    rows = np.random.default_rng(0).normal(size=(900, 3))
    rows[600:] += 2.0
    whole = pa.table({name: rows[:, place] for place, name in enumerate("abc")})
    schema = infer_schema(whole)
    assert (
        score(whole.slice(0, 600), whole.slice(0, 600), schema, holdout=whole.slice(600))["yardstick"]["strength"]
        == "skewed"
    )
    mixed = whole.take(pa.array(np.random.default_rng(1).permutation(900)))
    assert (
        score(mixed.slice(0, 600), mixed.slice(0, 600), schema, holdout=mixed.slice(600))["yardstick"]["strength"]
        == "good"
    )


def test_worst_first_is_the_greatest_shortfall_against_the_yardstick():
    card = score(frozen.table(600, 0), frozen.table(600, 1), frozen.SCHEMA, holdout=frozen.table(600, 2))
    for entries in (card["fidelity"]["columns"], card["fidelity"]["pair_scores"]):
        shortfalls = [
            entry["fresh"] - entry["score"]
            for entry in entries
            if entry["score"] is not None and entry["fresh"] is not None
        ]
        assert shortfalls == sorted(shortfalls, reverse=True)
    assert card["worst"]["column"] == card["fidelity"]["columns"][0]


NAMES = ("quality", "column_shapes", "pair_trends", "pair_trends_all")


def normal_table(rows, seed):
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    noisy = size + random.normal(size=rows)
    return pa.table({"size": size, "price": noisy, "zone": [f"z{place}" for place in np.digitize(noisy, [-1, 0, 1])]})


@pytest.mark.parametrize("kept_back", [150, 1400])
def test_a_small_holdout_is_set_beside_as_small_a_draw_from_the_synthetic_table(kept_back):
    real, synthetic = normal_table(1500, 0), normal_table(1500, 1)
    card = score(real, synthetic, infer_schema(real), holdout=normal_table(kept_back, 2))["fidelity"]
    figures = {name: card[name] for name in NAMES}
    even = {name: card["even"][name] for name in NAMES}
    assert card["even"]["rows"] == kept_back and card["even"]["draws"] == (10 if kept_back == 150 else 1)
    assert (even == figures) == (kept_back == 1400)
    if kept_back == 150:
        # the synthetic table is as good as a fresh one: only the number of rows made the yardstick look too kind
        assert card["quality"] > card["fresh"]["quality"] + 0.01
        assert (
            abs(card["even"]["quality"] - card["fresh"]["quality"])
            < 0.5 * (card["quality"] - card["fresh"]["quality"]) + 0.01
        )
        assert card["accuracy"]["even"]["max"]["overall"] == pytest.approx(
            card["accuracy"]["fresh"]["max"]["overall"], abs=0.01
        )
    for entry in card["columns"]:
        assert (entry["even"] == entry["score"]) == (kept_back == 1400)


def test_even_and_fresh_have_the_same_reference():
    """Against training and holdout rows together a fresh table of 2,000 rows looks better than the holdout by .012."""
    apart = []
    for seed in range(6):
        real, synthetic, holdout = (normal_table(1500, 3 * seed + place) for place in range(3))
        accuracy = score(real, synthetic, infer_schema(real), holdout=holdout, seed=seed)["fidelity"]["accuracy"]
        apart.append(accuracy["even"]["bivariate"] - accuracy["fresh"]["bivariate"])
        assert accuracy["bivariate"] > accuracy["even"]["bivariate"] + 0.003
    assert abs(np.mean(apart)) < 0.004


def test_many_small_draws_say_what_few_rows_are_expected_to_say():
    """40 rows kept back: one draw's column shapes vary by .03, the mean of ten by a third of that."""
    real, synthetic = normal_table(400, 0), normal_table(400, 1)
    columns = prepare({"real": real, "synthetic": synthetic, "holdout": normal_table(40, 2)}, infer_schema(real))
    spreads = []
    for limit in (1, 10):
        means = []
        for seed in range(20):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(yardstick, "DRAWS", limit)
                drawn, even = yardstick.even_out(columns, {"real": 400, "synthetic": 400, "holdout": 40}, seed)
            assert even.draws == limit and len(set(even.synthetic)) == limit
            entries = fidelity.joined(fidelity.shapes(drawn, even.sides), even)
            means.append(np.mean([entry["score_even"] for entry in entries]))
        spreads.append(np.std(means))
    assert spreads[1] < 0.5 * spreads[0]


def test_a_large_holdout_is_thinned_to_the_synthetic_table():
    real = normal_table(1500, 0)
    large = score(real, normal_table(150, 1), infer_schema(real), holdout=normal_table(1500, 2))["fidelity"]
    whole = score(real, normal_table(1500, 1), infer_schema(real), holdout=normal_table(1500, 2))["fidelity"]
    assert large["even"] == {**{name: large[name] for name in NAMES}, "rows": 150, "draws": 10}
    assert large["fresh"]["column_shapes"] < whole["fresh"]["column_shapes"] - 0.01
    assert large["accuracy"]["fresh"]["max"]["overall"] < whole["accuracy"]["fresh"]["max"]["overall"]


def test_shuffled_columns_fail_and_copies_and_fresh_rows_pass():
    real, holdout, fresh = (normal_table(1200, seed) for seed in range(3))
    random = np.random.default_rng(9)
    shuffled = pa.table({name: fresh[name].take(pa.array(random.permutation(1200))) for name in fresh.column_names})
    cards = {
        name: score(real, table, infer_schema(real), holdout=holdout)["fidelity"]
        for name, table in (("fresh", fresh), ("copy", real), ("shuffled", shuffled))
    }
    for name in ("fresh", "copy"):
        card = cards[name]
        assert card["pair_trends_all"] > card["fresh"]["pair_trends_all"] - 0.02
        assert card["accuracy"]["bivariate"] > card["accuracy"]["max"]["bivariate"] - 0.01
        assert card["detection"]["interval"][0] <= 0.5
    card = cards["shuffled"]
    assert card["column_shapes"] > card["fresh"]["column_shapes"] - 0.02
    assert card["pair_trends_all"] < card["fresh"]["pair_trends_all"] - 0.1
    assert card["accuracy"]["bivariate"] < card["accuracy"]["max"]["bivariate"] - 0.1
    assert card["detection"]["interval"][0] > 0.7
    assert card["accuracy"]["triples"]["worst"][0]["accuracy"] < card["accuracy"]["triples"]["worst"][0]["accuracy_max"]


def test_too_many_pairs_are_sampled_and_said(monkeypatch):
    monkeypatch.setattr(pairs, "MAXIMUM_PAIRS", 7)
    card = score(frozen.table(100, 0), frozen.table(100, 1), frozen.SCHEMA)
    assert card["fidelity"]["pairs"]["scored"] == len(card["fidelity"]["pair_scores"]) == 7
    assert any(note.startswith("7 of 36 pairs") for note in card["notes"])


def test_empty_tables_and_missing_columns_are_refused_by_name():
    table = frozen.table(20, 0)
    with pytest.raises(InputError, match="synthetic table has none"):
        score(table, table.slice(0, 0), frozen.SCHEMA)
    with pytest.raises(SchemaError, match=r"synthetic table.*'income'"):
        score(table, table.drop_columns(["income"]), frozen.SCHEMA)
    broken = table.set_column(1, "age", pa.array(["?"] * 20))
    with pytest.raises(InputError, match=r"synthetic table.*'age'"):
        score(table, broken, frozen.SCHEMA)
