"""Constraints by construction: what was encoded comes back to the cell, and whatever an engine draws keeps the rules."""

from __future__ import annotations

import json
import warnings
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from conftest import scrambled
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.encode.holes import encode_known, with_lacking
from lookalike.errors import InputError, LookalikeWarning, SchemaError
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.constraints import Combinations, Copy, Formula, Inequality, NullTogether, Range, Share
from lookalike.schema.infer import infer_schema

DAY0 = date(2020, 1, 1)


def schema_of(table: pa.Table, *constraints, **kinds) -> Schema:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        schema = infer_schema(table)
    for name, kind in kinds.items():
        schema = schema.replace(name, kind=kind)
    return Schema(list(schema), constraints)


def encoder_of(table: pa.Table, schema: Schema, **how) -> TableEncoder:
    encoder = TableEncoder(schema, EncoderSettings(**{"intervals": "quantiles", "rare_rows": 1, **how}))
    encoder.fit(table, seed=0)
    return TableEncoder.from_state(schema, json.loads(json.dumps(encoder.state())))


def check(table: pa.Table, schema: Schema, *, rows: int = 3000, **how) -> pa.Table:
    """The two laws; returns the scrambled rows."""
    encoder = encoder_of(table, schema, **how)
    back = encoder.decode(encoder.encode(table, seed=0), seed=0)
    assert back.equals(table), [name for name in table.column_names if back[name] != table[name]]
    drawn = encoder.decode(scrambled(encoder, rows), seed=3)
    assert drawn.schema == table.schema
    for constraint in schema.constraints:
        share = kept(constraint, Rows(drawn, schema), Rows(table, schema)).mean()
        assert share == 1, (constraint.words, share)
    for spec in schema.modelled:
        if not table[spec.name].null_count:
            assert not drawn[spec.name].null_count, f"{spec.name} never was missing"
    return drawn


def with_gaps(cells: list, every: int, storage=None) -> pa.Array:
    return pa.array([None if place % every == 0 else cell for place, cell in enumerate(cells)], storage)


def pairs(kind: str) -> tuple[pa.Array, pa.Array]:
    """(low, high) of 300 rows, ties among them."""
    rng = np.random.default_rng(7)
    low, more = rng.integers(0, 400, 300).tolist(), (rng.integers(0, 40, 300) * rng.integers(0, 2, 300)).tolist()
    high = [a + b for a, b in zip(low, more, strict=True)]
    zone = timezone.utc
    moments = [datetime(2021, 1, 1, tzinfo=zone) + timedelta(hours=a) for a in low]
    ends = [moment + timedelta(minutes=b) for moment, b in zip(moments, more, strict=True)]
    return {
        "whole": (pa.array(low), pa.array(high)),
        "gaps": (with_gaps(low, 7), with_gaps(high, 5)),
        "small": (pa.array([a % 50 for a in low], pa.int8()), pa.array([a % 50 + b for a, b in zip(low, more, strict=True)], pa.int8())),
        "unsigned": (pa.array(low, pa.uint64()), pa.array([2**64 - 1 - a for a in low], pa.uint64())),
        "extreme": (pa.array([-(2**63) + a for a in low], pa.int64()), pa.array([2**63 - 1 - b for b in more], pa.int64())),
        "mixed signs": (pa.array([-a for a in low], pa.int64()), pa.array(high, pa.uint64())),
        "cents": (pa.array([a / 100 for a in low]), pa.array([b / 100 for b in high])),
        "float32": (pa.array([a / 10 for a in low], pa.float32()), pa.array([b / 10 for b in high], pa.float64())),
        "coarser above": (pa.array([a / 100 for a in low]), pa.array([-(-b // 10) / 10 for b in high])),
        "decimals": (
            pa.array([Decimal(a) / 100 for a in low], pa.decimal128(10, 2)),
            pa.array([Decimal(b) / 100 for b in high], pa.decimal128(12, 4)),
        ),
        "decimal beside whole": (pa.array(low), pa.array([Decimal(4 * b + 1) / 4 for b in high], pa.decimal128(10, 2))),
        "float beside whole": (pa.array([a / 4 for a in low]), pa.array([a // 4 + 1 + b for a, b in zip(low, more, strict=True)])),
        "days": (pa.array([DAY0 + timedelta(a) for a in low]), pa.array([DAY0 + timedelta(b) for b in high])),
        "zones": (pa.array(moments, pa.timestamp("us", "Europe/Vienna")), pa.array(ends, pa.timestamp("ns", "UTC"))),
        "day then moment": (
            pa.array([DAY0 + timedelta(a) for a in low]),
            pa.array([datetime(2020, 1, 1) + timedelta(a, minutes=b) for a, b in zip(low, more, strict=True)], pa.timestamp("us")),
        ),
        "moment then day": (
            pa.array([datetime(2020, 1, 1) + timedelta(a, minutes=7) for a in low], pa.timestamp("ms")),
            pa.array([DAY0 + timedelta(b + 1) for b in high]),
        ),
        "text dates": (
            pa.array([(DAY0 + timedelta(a)).strftime("%d.%m.%Y") for a in low]),
            pa.array([(DAY0 + timedelta(b)).strftime("%Y-%m-%d") for b in high]),
        ),
        "text numbers": (pa.array([f"{a / 100:.2f}" for a in low]), pa.array([f"{b:,}" for b in (1000 + b for b in high)])),
        "text with stand-ins": (pa.array(["?" if a % 9 == 0 else str(a) for a in low]), pa.array([str(b) for b in high])),
        "all of low missing": (pa.nulls(300, pa.int64()), pa.array(high)),
    }[kind]  # fmt: skip


KINDS = [
    "whole", "gaps", "small", "unsigned", "extreme", "mixed signs", "cents", "float32", "coarser above", "decimals",
    "decimal beside whole", "float beside whole", "days", "zones", "day then moment", "moment then day", "text dates",
    "text numbers", "text with stand-ins",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["low first", "high first"])
def test_a_pair_in_order(kind, order):
    low, high = pairs(kind)
    columns = {"low": low, "high": high} if order == "low first" else {"high": high, "low": low}
    table = pa.table({**columns, "other": ["a", "b", "c"] * 100})
    drawn = check(table, schema_of(table, Inequality(columns=("low", "high"))))
    if kind == "gaps":
        assert {(a is None, b is None) for a, b in zip(*drawn.select(["low", "high"]).to_pydict().values(), strict=True)} == {
            (False, False), (True, False), (False, True), (True, True)
        }  # fmt: skip


@pytest.mark.parametrize("kind", ["whole", "gaps", "cents", "days", "decimals", "text dates"])
def test_strictly_in_order(kind):
    low, high = pairs(kind)
    table = pa.table({"low": low, "high": high})
    schema = schema_of(table, Inequality(columns=("low", "high"), strict=True))
    table = table.filter(pa.array(kept(schema.constraints[0], Rows(table, schema))))
    assert 100 < table.num_rows < 300
    check(table, schema)


def test_drawn_cells_stay_in_the_range_that_was_seen():
    low, high = pairs("whole")
    table = pa.table({"low": low, "high": high})
    drawn = check(table, schema_of(table, Inequality(columns=("low", "high"))))
    for name in table.column_names:
        numbers = drawn[name].to_numpy()
        assert table[name].to_numpy().min() <= numbers.min() and numbers.max() <= table[name].to_numpy().max()


def test_a_chain_skips_what_is_missing():
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.integers(0, 30, (400, 4)), 1)
    table = pa.table({name: with_gaps(steps[:, place].tolist(), 3 + place) for place, name in enumerate("abcd")})
    drawn = check(table, schema_of(table, Inequality(columns=("a", "b", "c", "d")))).to_pydict()
    alone = [
        row
        for row in zip(*drawn.values(), strict=True)
        if row[1] is None and row[2] is None and None not in (row[0], row[3])
    ]
    assert alone and all(row[0] <= row[3] for row in alone)


def test_two_bounds_below_one_column_and_one_above():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 50, 300), rng.integers(0, 50, 300)
    c = np.maximum(a, b) + rng.integers(0, 9, 300)
    table = pa.table({"c": c, "a": a, "b": b, "d": c + rng.integers(1, 4, 300)})
    rules = Inequality(columns=("a", "c")), Range(column="c", low="b", high="d"), Range(column="a", low=0, high=49)
    check(table, schema_of(table, *rules))


def test_declared_bounds_hold_without_those_that_were_seen():
    numbers = np.random.default_rng(0).normal(50, 9, 500).clip(20, 80).round(2)
    table = pa.table(
        {
            "x": numbers,
            "y": (numbers + 1).round(2),
            "m": pa.array([Decimal(str(n)) for n in numbers], pa.decimal128(8, 2)),
        }
    )
    rules = [Range(column=name, low=19, high=81.5) for name in table.column_names]
    schema = schema_of(table, *rules, Inequality(columns=("x", "y")))
    drawn = check(table, schema, enforce_min_max_values=False, intervals="modes")
    assert min(drawn["x"].to_pylist()) < 20


@pytest.mark.parametrize("allowed", [False, True])
def test_combinations_are_never_made_up(allowed):
    rng = np.random.default_rng(0)
    place = rng.choice(40, 800, p=np.arange(1, 41)[::-1] / 820)
    table = pa.table({
        "city": [f"c{i % 11}" for i in place],
        "other": rng.normal(size=800).round(1),
        "zone": pa.array([None if i % 5 == 2 else int(i % 5) for i in place], pa.int16()),
        "kind": pa.array([["x", "y", None][i % 3] for i in place]).dictionary_encode(),
    })  # fmt: skip
    seen = set(zip(*(table[name].to_pylist() for name in ("city", "zone", "kind")), strict=True))
    rule = Combinations(columns=("city", "zone", "kind"), allowed=tuple(sorted(seen, key=str)) if allowed else None)
    drawn = check(table, schema_of(table, rule, zone="integer"), keep_rules=False)
    made = set(zip(*(drawn[name].to_pylist() for name in ("city", "zone", "kind")), strict=True))
    assert made == seen
    pooled = encoder_of(table, schema_of(table, rule, zone="integer"), rare_rows=15)
    drawn = pooled.decode(scrambled(pooled), seed=1)
    assert set(zip(*(drawn[name].to_pylist() for name in ("city", "zone", "kind")), strict=True)) <= seen


def test_overlapping_combinations_and_an_order_among_them():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 500)
    b, free = a + rng.integers(0, 3, 500), rng.integers(0, 4, 500)
    table = pa.table({"a": a, "b": b, "c": b % 2, "low": b - free})
    rules = (
        Combinations(columns=("a", "b")),
        Combinations(columns=("b", "c")),
        Inequality(columns=("a", "b")),
        Inequality(columns=("low", "b")),
    )
    encoder = encoder_of(table, schema_of(table, *rules))
    assert list(encoder.encoders) == ["a × b × c", "b minus low"]
    check(table, schema_of(table, *rules))


@pytest.mark.parametrize("kind", ["float", "integer", "decimal", "text"])
def test_a_formula_is_computed(kind):
    rng = np.random.default_rng(0)
    amount, price, tax = rng.integers(1, 9, 400), rng.integers(100, 2000, 400), rng.integers(0, 300, 400)
    total = price * amount + tax
    written = {
        "float": lambda cents: pa.array(cents / 100),
        "integer": lambda cents: pa.array(cents),
        "decimal": lambda cents: pa.array([Decimal(int(c)) / 100 for c in cents], pa.decimal128(12, 2)),
        "text": lambda cents: pa.array([f"{c / 100:.2f}" for c in cents]),
    }[kind]
    table = pa.table({"price": written(price), "total": written(total), "amount": amount, "tax": written(tax)})
    schema = schema_of(table, Formula(column="total", equals="price * amount + tax"))
    assert list(encoder_of(table, schema).encoders) == ["price", "amount", "tax"]
    check(table, schema)


def test_a_formula_whose_gaps_do_not_follow():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 100, 400), rng.integers(0, 100, 400)
    table = pa.table(
        {"a": with_gaps(a.tolist(), 4), "b": b, "sum": with_gaps((a + b).tolist(), 5), "half": np.rint((a + b) / 2)}
    )
    rules = Formula(column="sum", equals="a + b"), Formula(column="half", equals="(a + b) / 2", tolerance=0.5)
    check(table, schema_of(table, *rules))


def test_a_formula_that_rounds_up():
    price = np.arange(1, 402)
    vat = np.floor(price * 19 / 10 / 100 * 100 + 0.5) / 100
    table = pa.table({"price": price / 10, "vat": np.floor(price * 1.9 + 0.5 + 1e-9) / 100})
    assert (vat >= 0).all()
    check(table, schema_of(table, Formula(column="vat", equals="price * 0.19")))


def test_a_share_is_kept_and_its_number_computed():
    rng = np.random.default_rng(0)
    price = rng.integers(0, 90_000, 400) / 100
    tax = np.round(price * rng.choice([0, 0.07, 0.19], 400), 2)
    rule = Share(column="tax", of="price", shares=(0.19, 0, 0.07))
    for gaps, holes in ((False, False), (True, False), (True, True)):
        table = pa.table(
            {
                "tax": with_gaps(tax.tolist(), 5) if gaps else tax,
                "price": with_gaps(price.tolist(), 7) if holes else price,
                "unit": with_gaps(["kg", "g"] * 200, 5) if gaps and not holes else ["kg", "g"] * 200,
            }
        )
        rules = (rule, NullTogether(columns=("tax", "unit"))) if gaps and not holes else (rule,)
        drawn = check(table, schema_of(table, *rules))
        shares = drawn["tax"].to_numpy() / np.maximum(drawn["price"].to_numpy(), 1e-9)
        assert len(np.unique(np.round(shares[drawn["price"].to_numpy() > 100], 2))) >= 3
    with pytest.raises(InputError, match=r"1 cells of column 'tax' are no share of the fitted table .tax = 0.19, 0 or"):
        encoder_of(table, schema_of(table, rule)).encode(
            table.set_column(0, "tax", pa.array([0.0, 5e4] + [0.0] * 398)), seed=0
        )


def test_a_share_and_a_total():
    rng = np.random.default_rng(0)
    price = rng.integers(100, 90_000, 400) / 100
    tax = np.round(price * rng.choice([0.07, 0.19], 400), 2)
    table = pa.table({"total": np.round(price + tax, 2), "tax": tax, "price": price})
    rules = Formula(column="total", equals="price + tax"), Share(column="tax", of="price", shares=(0.07, 0.19))
    check(table, schema_of(table, *rules))
    circle = Share(column="price", of="total", shares=(0.5,))
    assert len(encoder_of(table, schema_of(table, *rules, circle)).rewrites.steps) == 2


def test_a_copy_is_the_same_as_often_as_drawn():
    rng = np.random.default_rng(0)
    towns = np.array([f"town {number}" for number in range(50)])
    often, due = rng.random(400) < 0.7, rng.integers(100, 90_000, 400)
    bill, day = rng.choice(towns, 400), np.datetime64("2024-01-01") + rng.integers(0, 900, 400)
    table = pa.table({
        "ship": with_gaps(np.where(often, bill, rng.choice(towns, 400)).tolist(), 9),
        "paid": with_gaps(np.where(often, due, rng.integers(100, 90_000, 400)).tolist(), 7, pa.float64()),
        "given": np.where(often, day, day[::-1]),
        "bill": with_gaps(bill.tolist(), 11),
        "due": due,
        "asked": day,
    })  # fmt: skip
    pairs = {"ship": "bill", "paid": "due", "given": "asked"}
    schema = schema_of(table, *(Copy(column=column, of=of) for column, of in pairs.items()))
    drawn = check(table, schema)
    flags = scrambled(encoder_of(table, schema), 3000)
    names = [column.name for column in flags.columns]
    for column, of in pairs.items():
        same = flags.codes[:, names.index(f"{column} same as {of}")].astype(bool)
        there = drawn[column].is_valid().to_numpy() & drawn[of].is_valid().to_numpy()
        alike = np.array(
            [one == other for one, other in zip(*(drawn[name].to_pylist() for name in (column, of)), strict=True)]
        )
        assert 0.3 < same.mean() < 0.7
        # beyond what was seen in the column nothing is copied
        assert alike[same & there].mean() > 0.98
        assert alike[~same & there].mean() < 0.2


def coarser(kind: str) -> tuple[pa.Array, pa.Array]:
    """(source, copy) of 900 rows: the copy is the same wherever it may be, in two rows of three, and written more coarsely or in another type."""
    rng = np.random.default_rng(4)
    cents, often = rng.integers(100, 90_000, 900) * rng.choice([1, 100], 900), rng.random(900) < 0.7
    days = np.datetime64("1969-01-01") + rng.integers(0, 900, 900)
    seconds = np.datetime64("1969-12-01T00:00:00") + rng.integers(0, 4000, 900) * rng.choice([900, 1800, 420], 900)

    def part(source: np.ndarray, on: np.ndarray) -> np.ndarray:
        return np.where(on & often, source, rng.permutation(source[on])[np.arange(900) % on.sum()])

    whole = cents % 100 == 0
    return {
        "decimals": (pa.array(cents / 100), pa.array(part(cents / 100, whole))),
        "steps": (pa.array(cents), pa.array(part(cents, whole))),
        "steps of floats": (pa.array(cents / 10), pa.array(part(cents / 10, whole))),
        "whole of decimals": (pa.array(cents / 100), pa.array(part(cents // 100, whole))),
        "decimals of whole": (pa.array(cents // 100), pa.array(part(cents // 100, whole)).cast(pa.decimal128(24, 2))),
        "32 bits": (pa.array(cents / 100), pa.array(part(cents / 100, cents > 0), pa.float32())),
        "of 32 bits": (pa.array(cents / 100, pa.float32()), pa.array(part(cents / 100, cents > 0))),
        "weekdays": (pa.array(days), pa.array(part(days, np.is_busday(days)))),
        "quarters of hours": (pa.array(seconds), pa.array(part(seconds, seconds.astype(int) % 900 == 0))),
    }[kind]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    ["decimals", "steps", "steps of floats", "whole of decimals", "decimals of whole", "32 bits", "of 32 bits", "weekdays",
     "quarters of hours"],
)  # fmt: skip
def test_what_is_copied_is_such_as_the_column_may_hold(kind):
    due, paid = coarser(kind)
    table = pa.table({"due": due, "paid": paid})
    schema = schema_of(table, Copy(column="paid", of="due"))
    encoder = encoder_of(table, schema)
    codes, names = encoder.encode(table, seed=0).codes, [column.name for column in encoder.columns]
    alike = np.array([one == other for one, other in zip(*(schema_rows(table, schema)), strict=True)])
    assert (codes[:, names.index("paid same as due")].astype(bool) == alike).all()
    drawn = check(table, schema)
    for one, other in zip(infer_schema(drawn), infer_schema(table), strict=True):
        assert (one.decimals, one.step, one.falls_on) == (other.decimals, other.step, other.falls_on), one.name


def schema_rows(table: pa.Table, schema: Schema) -> list[list]:
    """The cells of the two columns of a table as they compare."""
    return [Rows(table, schema).natural(name).to_pylist() for name in table.column_names]


@pytest.mark.parametrize("storage", [pa.int64(), pa.float64(), pa.decimal128(24, 2)])
def test_a_quotient_varies_as_it_does_where_its_parts_vary_more(storage):
    rng = np.random.default_rng(0)
    people = rng.lognormal(12, 2, 400).astype(np.int64) + 50
    miles = np.rint(people * rng.uniform(7, 12, 400)).astype(np.int64)
    table = pa.table({
        "each": (miles / people).round(2),
        "miles": with_gaps(miles.tolist(), 7, pa.int64()).cast(storage),
        "people": people,
    })  # fmt: skip
    table = table.set_column(
        0,
        "each",
        pa.array(np.where(table["miles"].is_valid().to_numpy(), table["each"].to_numpy(), np.nan), from_pandas=True),
    )
    rule = Formula(column="each", equals="miles / people", in_proportion=True)
    drawn = check(table, schema_of(table, rule))
    made, most = drawn["miles"].drop_null().to_pylist(), max(table["miles"].drop_null().to_pylist())
    assert max(made) <= most and made.count(most) < 2, "the one who drove most is not in every hundredth row"
    each = drawn["each"].drop_null().to_numpy()
    assert np.quantile(each, 0.02) > 6.5 and np.quantile(each, 0.98) < 12.5
    loose = check(table, schema_of(table, Formula(column="each", equals="miles / people")))
    assert np.quantile(loose["each"].drop_null().to_numpy(), 0.98) > 100


def test_a_proportion_to_what_is_nought_or_missing():
    rng = np.random.default_rng(0)
    hours = np.where(rng.random(400) < 0.2, 0, rng.integers(1, 200, 400))
    pay = np.round(np.where(hours == 0, rng.integers(0, 90, 400), hours * rng.uniform(12, 60, 400)), 2)
    table = pa.table({"pay": pay, "hours": with_gaps(hours.tolist(), 9)})
    rate = np.where((hours > 0) & table["hours"].is_valid().to_numpy(), (pay / np.maximum(hours, 1)).round(2), np.nan)
    table = table.append_column("rate", pa.array(rate, from_pandas=True))
    schema = schema_of(table, Formula(column="rate", equals="pay / hours", in_proportion=True))
    check(table, schema)
    encoder = encoder_of(table, schema)
    encoded = dict(zip([column.name for column in encoder.columns], encoder.encode(table, seed=0).codes.T, strict=True))
    known = table["rate"].is_valid().to_numpy()
    for name, there in (("pay per hours", known), ("pay alone", ~known)):
        assert len(np.unique(encoded[name][there])) > 5 and len(np.unique(encoded[name][~there])) == 1, name


@pytest.mark.parametrize("storage", [pa.int64(), pa.float64(), pa.decimal128(24, 2)])
def test_a_proportion_keeps_the_steps_and_is_missing_with_others(storage):
    rng = np.random.default_rng(0)
    people = rng.integers(20, 4000, 400)
    miles = np.rint(people * rng.uniform(7, 12, 400) / 25).astype(np.int64) * 25
    table = pa.table({
        "miles": with_gaps(miles.tolist(), 7, pa.int64()).cast(storage),
        "people": people,
        "trips": with_gaps(rng.integers(0, 90, 400).tolist(), 7),
        "each": pa.array(miles / people, mask=np.arange(400) % 7 == 0),
    })  # fmt: skip
    rule = Formula(column="each", equals="miles / people", in_proportion=True)
    schema = schema_of(table, rule, NullTogether(columns=("miles", "trips")))
    # of decimals no step is looked for, but one may be declared
    drawn = check(table, schema.replace("miles", step=2500) if pa.types.is_decimal(storage) else schema)
    assert all(cell % 25 == 0 for cell in drawn["miles"].drop_null().to_pylist())


def test_nothing_is_copied_that_was_never_in_the_column():
    rng = np.random.default_rng(0)
    often, lacking = rng.random(900) < 0.8, np.arange(900) % 5 == 0
    due, bill = rng.integers(1000, 9000, 900), rng.integers(0, 60, 900)
    paid = np.where(often & (due < 5000) & (due > 2000), due, rng.integers(2000, 5000, 900))
    ship = np.where(often & (bill < 30), bill, rng.integers(0, 30, 900))
    table = pa.table({
        "due": pa.array(due, mask=lacking),
        "paid": pa.array(np.where(lacking, 0, paid), mask=np.arange(900) % 9 == 0),
        "tip": pa.array(rng.integers(0, 90, 900), mask=np.arange(900) % 9 == 0),
        "bill": [f"town {place}" for place in bill],
        "ship": [f"town {place}" for place in ship],
    })  # fmt: skip
    rules = Copy(column="paid", of="due"), Copy(column="ship", of="bill"), NullTogether(columns=("paid", "tip"))
    schema = schema_of(table, *rules)
    drawn = check(table, schema)
    assert set(drawn["ship"].to_pylist()) <= set(table["ship"].to_pylist())
    assert drawn["paid"].drop_null().to_numpy().max() <= 5000
    encoder = encoder_of(table, schema)
    encoded, names = encoder.encode(table, seed=0), [column.name for column in encoder.columns]
    codes = dict(zip(names, encoded.codes.T, strict=True))
    for column, of in (("paid", "due"), ("ship", "bill")):
        same = codes[f"{column} same as {of}"].astype(bool) & table[column].is_valid().to_numpy()
        assert 0.2 < same.mean() < 0.6
        assert len(np.unique(codes[f"{column} otherwise"][same])) == 1, "what it would be otherwise is not told"
        assert len(np.unique(codes[f"{column} otherwise"][~same])) > 20


def test_what_a_copied_label_settles_holds():
    rng = np.random.default_rng(0)
    bill = rng.integers(0, 50, 900)
    ship = np.where(rng.random(900) < 0.7, bill, rng.integers(0, 50, 900))
    table = pa.table({"bill": [f"town {place}" for place in bill], "ship": [f"town {place}" for place in ship]})
    table = table.append_column("state", pa.array([f"state {place % 7}" for place in ship]))
    drawn = check(table, schema_of(table, Copy(column="ship", of="bill")))
    assert all(
        int(town[5:]) % 7 == int(state[6:])
        for town, state in zip(*(drawn[name].to_pylist() for name in ("ship", "state")), strict=True)
    )


def test_what_is_missing_together_stays_so():
    rng = np.random.default_rng(0)
    gone = rng.random(300) < 0.3
    table = pa.table({
        "end": pa.array(np.arange(300) + rng.integers(0, 9, 300), mask=gone),
        "unit": pa.array(np.where(rng.random(300) < 0.2, "g", "mg"), mask=gone),
        "start": pa.array(np.arange(300), mask=gone),
        "flag": pa.array(rng.random(300) < 0.5, mask=gone),
        "free": pa.array(rng.random(300).round(2), mask=rng.random(300) < 0.5),
    })  # fmt: skip
    rules = (
        NullTogether(columns=("end", "unit", "flag")),
        NullTogether(columns=("start", "unit")),
        Inequality(columns=("start", "end")),
    )
    drawn = check(table, schema_of(table, *rules))
    assert 0 < drawn["unit"].null_count < drawn.num_rows


def test_circles_are_left_to_a_check():
    table = pa.table({"a": [1, 2, 3] * 50, "b": [2, 4, 6] * 50, "c": [4, 8, 12] * 50})
    rules = (
        Formula(column="c", equals="2 * b"),
        Formula(column="b", equals="c / 2"),
        Inequality(columns=("b", "c")),
        Inequality(columns=("a", "b")),
    )
    schema = schema_of(table, *rules)
    encoder = encoder_of(table, schema)
    assert [step.targets for step in encoder.rewrites.steps] == [("b",), ("c",)]
    assert encoder.decode(encoder.encode(table, seed=0), seed=0).equals(table)


def test_names_that_are_taken_are_left_alone():
    table = pa.table({"a": [1, 2] * 50, "b": [2, 4] * 50, "b minus a": ["x", "y"] * 50})
    check(table, schema_of(table, Inequality(columns=("a", "b"))))


def test_a_condition_on_what_follows_from_others_is_refused():
    table = pa.table({"a": [1, 2] * 50, "b": [2, 4] * 50})
    encoder = encoder_of(table, schema_of(table, Inequality(columns=("a", "b"))))
    with pytest.raises(SchemaError, match=r"'b' follows from others by a constraint \(a ≤ b\)"):
        encoder.codes_asked("b", 4)
    assert encoder.codes_asked("a", 2) == {0: 1}
    with pytest.raises(SchemaError, match="100 rows have 'b' without all of 'a', which it follows from"):
        encode_known(encoder, with_lacking(encoder, table.drop(["a"])), open_to=["a"], seed=0)


def test_rows_that_break_an_order_are_encoded_as_the_nearest_that_keep_it():
    table = pa.table({"a": [1, 2, 2, 1] * 25, "b": [1, 4, 2, 4] * 25})
    encoder = encoder_of(table, schema_of(table, Inequality(columns=("a", "b"))))
    other = pa.table({"a": [2, 1], "b": [1, 0]})
    assert encoder.decode(encoder.encode(other, seed=0), seed=0).to_pydict() == {"a": [2, 1], "b": [2, 1]}


# A century of microseconds is too much for a residual to tell neighbours apart (it may be one off), sixty years are not.
CELLS = {
    "int64": (st.integers(-(2**38), 2**38), pa.int64()),
    "uint64": (st.integers(0, 2**38), pa.uint64()),
    "int8": (st.integers(-100, 100), pa.int8()),
    "cents": (st.integers(-(10**6), 10**6).map(lambda cents: cents / 100), pa.float64()),
    "decimal": (st.decimals(-9999, 9999, places=2), pa.decimal128(10, 2)),
    "fine": (st.decimals(-9999, 9999, places=4), pa.decimal128(12, 4)),
    "date": (st.dates(date(1950, 1, 1), date(2100, 1, 1)), pa.date32()),
    "moment": (st.datetimes(datetime(1970, 1, 1), datetime(2030, 1, 1)), pa.timestamp("us")),
    "text": (st.dates(date(1950, 1, 1), date(2100, 1, 1)).map(lambda day: day.strftime("%d.%m.%Y")), pa.string()),
}
NUMBERS = ["int64", "uint64", "int8", "cents", "decimal", "fine"]
DATES = ["date", "moment", "text"]
PAIRED = [
    (one, other)
    for group in (NUMBERS, DATES)
    for one in group
    for other in group
    if other in ("int64", "uint64", "cents", *DATES) or one == other
]  # what lies above must have room


@given(
    data=st.data(),
    kinds=st.sampled_from(PAIRED),
    strict=st.booleans(),
    intervals=st.sampled_from(["modes", "quantiles"]),
)
@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_decoding_what_was_encoded_gives_the_cells_back(data, kinds, strict, intervals):
    rows = data.draw(st.integers(2, 30))
    columns = {}
    for name, kind in zip(("low", "high"), kinds, strict=True):
        cells, storage = CELLS[kind]
        columns[name] = pa.array(data.draw(st.lists(st.none() | cells, min_size=rows, max_size=rows)), storage)
    table = pa.table(columns)
    schema = Schema([spec_of(name, table[name], kind) for name, kind in zip(columns, kinds, strict=True)],
                    [Inequality(columns=("low", "high"), strict=strict)])  # fmt: skip
    table = table.filter(pa.array(kept(schema.constraints[0], Rows(table, schema))))
    if table.num_rows:
        check(table, schema, intervals=intervals, rows=200)


def spec_of(name: str, column: pa.ChunkedArray, kind: str) -> ColumnSpec:
    more = {"cents": {"decimals": 2}, "text": {"format": "%d.%m.%Y", "step": 86_400}}.get(kind, {})
    wanted = "datetime" if kind in DATES else "float" if kind in ("cents", "decimal", "fine") else "integer"
    return ColumnSpec(name=name, kind=wanted, storage=str(column.type), **more)
