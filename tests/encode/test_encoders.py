"""Every registered encoder through the conformance suite, on random columns of every storage type."""

from __future__ import annotations

import warnings
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lookalike
from lookalike import registry
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.encode.numeric import NumericEncoder
from lookalike.errors import InputError, LookalikeWarning, NotFittedError, SchemaError
from lookalike.schema import ColumnSpec, Values, parse, spell
from lookalike.schema.infer import infer_column, infer_schema
from lookalike.testing import check_encoder


def cells(values, storage):
    """Columns of 2 to 150 cells, missing ones among them."""
    return st.lists(st.none() | values, min_size=2, max_size=150).map(lambda cells: pa.array(cells, storage))


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
COLUMNS = st.one_of(
    cells(st.integers(-(2**63), 2**63 - 1), pa.int64()),
    cells(st.integers(0, 2**64 - 1), pa.uint64()),
    cells(st.integers(-100, 100), pa.int8()),
    cells(FINITE, pa.float64()),
    cells(st.floats(allow_nan=False, allow_infinity=False, width=32), pa.float32()),
    cells(st.floats(allow_nan=False, allow_infinity=False, width=16).map(np.float16), pa.float16()),
    cells(st.integers(-(10**6), 10**6).map(lambda cents: cents / 100), pa.float64()),
    cells(st.decimals(-9999, 9999, places=2), pa.decimal128(10, 2)),
    cells(st.booleans(), pa.bool_()),
    cells(TEXT, pa.string()),
    cells(st.sampled_from(["yes", "no"]), pa.string()),
    cells(st.integers(-(10**9), 10**9).map(str), pa.string()),
    cells(st.integers(0, 10**6).map(lambda cents: f"{cents / 100:.2f}"), pa.string()),
    cells(st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: day.strftime("%d.%m.%Y")), pa.string()),
    cells(st.dates(), pa.date32()),
    cells(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), pa.timestamp("us")),
    cells(
        st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(timezone.utc)),
        pa.timestamp("ns", "UTC"),
    ),
    cells(st.timedeltas(timedelta(-(10**4)), timedelta(10**4)), pa.duration("us")),
    cells(st.times(), pa.time64("us")),
)


@given(column=COLUMNS, intervals=st.sampled_from(["modes", "quantiles"]))
@settings(max_examples=200)
def test_any_column_keeps_the_promises(column, intervals):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        try:
            spec = infer_column("c", column)
        except InputError as error:
            assert "mixes several date formats" in str(error)
            return
    if spec.kind in registry.ENCODERS and spec.kind != "key":
        check_encoder(
            registry.load(registry.ENCODERS, spec.kind, "kind"), spec, column, EncoderSettings(intervals=intervals)
        )


@given(column=COLUMNS)
@settings(max_examples=100)
def test_parse_then_spell_gives_the_cells_back(column):
    """Text formats, widths and decimals survive: spelling what was parsed gives the very cells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        try:
            spec = infer_column("c", column)
        except InputError:
            return
    if spec.kind in ("key", "text"):
        return
    back = spell(parse(column, spec), spec)
    assert back.type == column.type
    if pa.types.is_floating(column.type) or spec.kind == "float":
        wanted, found = column.to_pylist(), back.to_pylist()
        assert [cell if cell is None else float(cell) for cell in wanted] == [
            cell if cell is None else float(cell) for cell in found
        ]
    else:
        assert spell(parse(back, spec), spec).equals(back)
        if not spec.missing_text:
            assert back.equals(column)


@pytest.mark.parametrize("kind", sorted(set(registry.ENCODERS) - {"key"}))
def test_every_registered_kind_refuses_to_work_unfitted(kind):
    encoder = registry.load(registry.ENCODERS, kind, "kind")(ColumnSpec(name="a", kind=kind), EncoderSettings())
    with pytest.raises(NotFittedError, match="'a'"):
        encoder.column  # noqa: B018


def numeric(numbers, **settings):
    from lookalike.encode.numeric import NumericEncoder

    numbers = np.asarray(numbers)
    encoder = NumericEncoder(
        ColumnSpec(name="a", kind="integer" if numbers.dtype.kind == "i" else "float"), EncoderSettings(**settings)
    )
    encoder.fit(Values(missing=np.zeros(len(numbers), bool), numbers=numbers), np.random.default_rng(0))
    return encoder


def there_and_back(encoder, numbers) -> list[float]:
    values, rng = Values(np.zeros(len(numbers), bool), numbers=np.asarray(numbers)), np.random.default_rng(0)
    return encoder.decode(*encoder.encode(values, rng), rng).numbers.tolist()


def test_a_label_of_one_row_comes_back_in_one_table_of_two():
    """Its share is not known to be one row's: with the gamma distribution of its count c it comes back with chance 1 − 2^−c."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.arange(2_000), 2_000 + np.arange(1_000).repeat(2), np.full(16_000, 3_000)])
    spec = ColumnSpec(name="label", kind="category")
    encoder = registry.load(registry.ENCODERS, "category", "kind")(spec, EncoderSettings())
    values = parse(pa.array(rows.astype(str)), spec)
    encoder.fit(values, np.random.default_rng(1))
    made = spell(encoder.decode(*encoder.encode(values, rng), rng), spec).to_pylist()
    shown = np.isin(np.arange(3_000).astype(str), made)
    assert abs(shown[:2_000].mean() - 0.5) < 0.03 and abs(shown[2_000:].mean() - 0.75) < 0.04
    again = type(encoder)(spec, encoder.settings)
    again.restore(encoder.state())
    pool = np.full(500, encoder.missing_code - 1)
    once, twice = (one.decode(pool, np.zeros(500), np.random.default_rng(2)) for one in (encoder, again))
    assert (once.codes == twice.codes).all()


class TestNumbers:
    def test_a_sentinel_is_a_code_of_its_own(self):
        rng = np.random.default_rng(0)
        encoder = numeric(np.concatenate([np.full(300, -999), rng.integers(10_000, 90_000, 2000)]))
        assert encoder.spikes.tolist() == [-999]

    def test_a_capped_maximum_is_a_code_of_its_own(self):
        rng = np.random.default_rng(0)
        numbers = np.minimum(rng.exponential(300, 3000), 700).round(1)
        assert 700.0 in numeric(numbers).spikes

    def test_a_smooth_number_has_no_spikes(self):
        rng = np.random.default_rng(0)
        assert len(numeric(rng.normal(0, 1, 3000)).spikes) == 0
        assert len(numeric(rng.normal(4000, 1000, 3000).round().astype(np.int64)).spikes) == 0

    def test_a_number_of_few_values_has_a_code_for_each(self):
        encoder = numeric(np.arange(600) % 6)
        assert encoder.spikes.tolist() == [0, 1, 2, 3, 4, 5]
        assert not encoder.column.has_residual

    @pytest.mark.parametrize("intervals", ["modes", "quantiles"])
    def test_a_rare_value_of_few_goes_to_one_beside_it(self, intervals: str):
        encoder = numeric([*np.arange(600) % 10, 11, 4, 4, 4, -2], intervals=intervals)
        assert encoder.spikes.tolist() == list(range(10)) and not encoder.column.has_residual
        assert there_and_back(encoder, [-2, 4, 9, 11]) == [0, 4, 9, 9]
        apart = numeric([*np.repeat([0, 10, 20], 200), 13, 8], intervals=intervals)
        assert there_and_back(apart, [13, 8]) == [10, 10]

    def test_a_tail_of_rare_values_is_an_interval(self):
        tail = [31, 33, 34, 38, 39, 41, 44, 46, 52, 58, 60, 73]
        encoder = numeric([*np.arange(900) % 30, *tail], intervals="quantiles")
        assert encoder.spikes.tolist() == list(range(30)) and there_and_back(encoder, tail) == tail
        codes, _ = encoder.encode(Values(np.zeros(12, bool), numbers=np.array(tail)), np.random.default_rng(0))
        drawn = encoder.decode(
            codes.repeat(50), np.random.default_rng(1).uniform(-1, 1, 600), np.random.default_rng(2)
        ).numbers
        assert drawn.min() >= 30 and 60 < drawn.max() <= 73 and (drawn == 73).mean() < 1 / 12
        low = numeric([*np.arange(900) % 30, *np.negative(tail)], intervals="quantiles")
        assert there_and_back(low, np.negative(tail)) == np.negative(tail).tolist()

    def test_a_condition_on_a_rare_value_is_refused(self):
        frame = pd.DataFrame({"visits": [*np.arange(400) % 10, 33], "arm": list("ab") * 200 + ["a"]})
        twin = lookalike.fit(frame, engine="copula", run=lookalike.Run())
        assert (twin.sample(5, where={"visits": 9}).visits == 9).all()
        with pytest.raises(SchemaError, match="'visits' never came near it, or in too few rows"):
            twin.sample(5, where={"visits": 33})

    def test_two_values_and_small_tables_keep_their_rare_ones(self):
        assert numeric([*np.zeros(500, int), 1, 1]).spikes.tolist() == [0, 1]
        assert numeric([*np.arange(80) % 4, 9]).spikes.tolist() == [0, 1, 2, 3, 9]

    def test_decimals_are_kept(self):
        encoder = numeric(np.linspace(0, 1, 500))
        encoder.spec = encoder.spec.replace(decimals=2)
        codes = np.zeros(200, np.int32)
        drawn = encoder.decode(codes, np.linspace(-1, 1, 200), np.random.default_rng(0)).numbers
        assert np.array_equal(drawn, drawn.round(2))

    def test_rounding_and_range_can_be_left_free(self):
        encoder = numeric(np.linspace(0, 1, 500), enforce_min_max_values=False)
        drawn = encoder.decode(
            np.full(200, encoder.column.cardinality - 1, np.int32), np.linspace(-1, 1, 200), np.random.default_rng(0)
        ).numbers
        assert drawn.max() > 1

    def test_tails_of_modes_do_not_pile_up_on_the_ends(self):
        """The ends are one person's values each."""
        numbers = np.random.default_rng(0).exponential(100, 3000).round(2)
        encoder, rng = numeric(numbers), np.random.default_rng(1)
        codes, residuals = encoder.encode(Values(np.zeros(3000, bool), numbers=numbers), rng)
        noisy = np.clip(residuals + rng.normal(0, 0.3, 3000), -1, 1)
        drawn = encoder.decode(codes, noisy, rng).numbers
        assert (drawn == numbers.min()).sum() + (drawn == numbers.max()).sum() <= 2
        assert numbers.min() <= drawn.min() and drawn.max() <= numbers.max()

    def test_declared_bounds_hold(self):
        encoder = numeric(np.linspace(-1, 1, 500))
        encoder.spec = encoder.spec.replace(minimum=0.0)
        drawn = encoder.decode(np.zeros(200, np.int32), np.linspace(-1, 1, 200), np.random.default_rng(0)).numbers
        assert drawn.min() >= 0

    @pytest.mark.parametrize(
        ("numbers", "storage", "bounds"),
        [
            (np.arange(2_000) % 9, "int64", (2, 5)),
            (np.where(np.arange(2_000) % 2, 0, np.arange(2_000)), "int64", (10, 1_200.5)),
            (np.arange(2_000, dtype=np.uint64), "uint64", (-5, 1e30)),
            (np.where(np.arange(2_000) % 2, 0.0, np.linspace(-9, 9, 2_000)), "double", (0.5, 3.25)),
        ],
        ids=["few", "a spike", "beyond the type", "floats"],
    )
    def test_declared_bounds_hold_for_frequent_values_too(self, numbers, storage, bounds):
        spec = ColumnSpec(
            name="n",
            kind="float" if storage == "double" else "integer",
            storage=storage,
            minimum=bounds[0],
            maximum=bounds[1],
        )
        encoder = NumericEncoder(spec, EncoderSettings(intervals="quantiles"))
        values, rng = Values(np.zeros(2_000, bool), numbers=numbers), np.random.default_rng(0)
        encoder.fit(values, rng)
        codes, _ = encoder.encode(values, rng)
        drawn = encoder.decode(codes, rng.uniform(-1, 1, 2_000), rng).numbers
        assert drawn.dtype == numbers.dtype and bounds[0] <= drawn.min() and drawn.max() <= bounds[1]

    @pytest.mark.parametrize(
        "treatment", [{"outliers": "clip", "outlier_quantile": 0.01}, {"outliers": "z", "outlier_z": 3.0}]
    )
    def test_outliers_are_clipped_on_request(self, treatment):
        numbers = np.concatenate([np.random.default_rng(0).normal(0, 1, 1000), [1e6]])
        assert numeric(numbers, **treatment).high < 10
        assert numeric(numbers).high == 1e6

    def test_step_of_integers(self):
        spec = infer_column("a", pa.array([1000 * i for i in range(7, 90)]))
        assert spec.step == 1000


class TestCategories:
    def test_rare_levels_share_a_code_and_come_back_by_frequency(self):
        from lookalike.encode.category import CategoryEncoder

        column = pa.array(["common"] * 190 + ["r1"] * 3 + ["r2"] * 4 + ["r3"] * 3)
        spec = ColumnSpec(name="a", kind="category")
        shares = []
        for seed in range(300):
            encoder = CategoryEncoder(spec, EncoderSettings())
            encoder.fit(parse(column, spec), np.random.default_rng(seed))
            assert encoder.column.cardinality == 2
            drawn = encoder.decode(np.full(100, 1, np.int32), np.zeros(100), np.random.default_rng(seed))
            shares.append(np.bincount(drawn.codes, minlength=4) / 100)
        assert np.mean(shares, 0) == pytest.approx([0, 0.3, 0.4, 0.3], abs=0.03)
        assert np.std(shares, 0)[1:].min() > 0.1  # what three or four rows tell of a share

    def test_rare_levels_can_be_hidden(self):
        from lookalike.encode.category import CategoryEncoder

        column = pa.array(["common"] * 190 + ["r1"] * 3 + ["r2"] * 4)
        spec = ColumnSpec(name="a", kind="category")
        encoder = CategoryEncoder(spec, EncoderSettings(rare_categories="hide"))
        encoder.fit(parse(column, spec), np.random.default_rng(0))
        drawn = spell(encoder.decode(np.ones(100, np.int32), np.zeros(100), np.random.default_rng(1)), spec).to_pylist()
        assert set(drawn) == {"common"}

    def test_what_is_hidden_is_in_no_vocabulary_and_cannot_be_asked_for(self):
        labels = pd.Categorical(["a"] * 100 + ["b"] * 90 + ["Mr Lonely"] * 3)
        frame = pd.DataFrame({"who": labels, "size": np.arange(193) % 50})
        twin = lookalike.fit(frame, engine="copula", rare_categories="hide", run=lookalike.Run())
        assert set(twin.sample(400, seed=0)["who"].cat.categories) == {"a", "b"}
        for asked in ("Mr Lonely", "nobody"):
            with pytest.raises(SchemaError, match="'who' never"):
                twin.sample(5, seed=0, where={"who": asked})

    def test_a_table_of_nothing_but_rare_levels_cannot_hide_them(self):
        from lookalike.encode.category import CategoryEncoder

        column = pa.array([f"v{i // 2}" for i in range(200)])
        spec = ColumnSpec(name="a", kind="category")
        with pytest.raises(InputError, match="every level of column 'a' is rare"):
            CategoryEncoder(spec, EncoderSettings(rare_categories="hide")).fit(
                parse(column, spec), np.random.default_rng(0)
            )


def test_a_cell_of_a_kind_never_seen_is_refused_without_being_shown():
    table = pa.table({"n": [*range(50)] * 4})
    encoder = TableEncoder(infer_schema(table))
    encoder.fit(table, seed=0)
    with pytest.raises(InputError, match="however: 2 cells of column 'n' are missing"):
        encoder.encode(pa.table({"n": pa.array([1, None, None], pa.int64())}), seed=0)


def test_a_table_goes_there_and_back(awkward):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        schema = infer_schema(awkward)
    encoder = TableEncoder(schema)
    encoder.fit(awkward, seed=0)
    back = encoder.decode(encoder.encode(awkward, seed=0), seed=0)
    assert back.column_names == awkward.column_names
    for name in encoder.encoders:
        if name != "big":  # beyond 2⁵³ a residual cannot tell neighbours apart; the range and type hold
            assert back.column(name).combine_chunks().equals(awkward.column(name).combine_chunks()), name
    money = back.column("money").to_pylist()
    assert all(isinstance(cell, Decimal) for cell in money)


@pytest.mark.parametrize("intervals", ["modes", "quantiles"])
def test_nanoseconds_of_a_year_end_on_the_last_day(intervals):
    """A year of nanoseconds is beyond 2⁵³: a float holds its days, not all between them."""
    days = np.datetime64("2024-01-01", "ns") + np.arange(300).repeat(4) * np.timedelta64(1, "D")
    table = pa.table({"day": days})
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals=intervals))
    encoder.fit(table, seed=0)
    drawn = encoder.decode(encoder.encode(table, seed=0), seed=1).column("day").to_numpy()
    assert (drawn == drawn.astype("datetime64[D]")).all() and drawn.max() == days.max()
