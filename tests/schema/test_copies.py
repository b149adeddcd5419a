"""Copies found: columns that are the same as another far beyond chance; couples' ages, flags and what another column settles are none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lookalike.errors import LookalikeWarning, SchemaError
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.constraints import Copy
from lookalike.schema.found.discover import with_rules_to_keep
from lookalike.schema.infer import infer_schema

ROWS = 600


def found(**columns) -> set[str]:
    table = pa.table(columns)
    rules = with_rules_to_keep(table, infer_schema(table)).constraints
    return {rule.words for rule in rules if isinstance(rule, Copy)}


def towns(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([f"town {number}" for number in range(60)], ROWS)


def part(rng: np.random.Generator, share: float, same: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.where(rng.random(ROWS) < share, same, other)


def test_labels_numbers_and_dates_that_are_often_the_same():
    rng = np.random.default_rng(0)
    bill, due = towns(rng), rng.integers(100, 90_000, ROWS) / 100
    asked = np.datetime64("2024-01-01") + rng.integers(0, 900, ROWS)
    assert found(
        bill=bill,
        due=due,
        asked=asked,
        ship=part(rng, 0.8, bill, towns(rng)),
        paid=part(rng, 0.4, due, (due * rng.uniform(0, 2, ROWS)).round(2)),
        given=part(rng, 0.5, asked, asked[rng.permutation(ROWS)]),
    ) == {f"{copy} in a part of the rows" for copy in ("ship = bill", "paid = due", "given = asked")}


def test_the_one_that_it_is_like_most_and_no_circle():
    rng = np.random.default_rng(0)
    bill = towns(rng)
    ship = part(rng, 0.9, bill, towns(rng))
    home = part(rng, 0.7, ship, towns(rng))
    assert found(bill=bill, ship=ship, home=home) == {
        "ship = bill in a part of the rows",
        "home = ship in a part of the rows",
    }


@pytest.mark.parametrize("seed", range(5))
def test_chance_couples_and_flags_are_none(seed):
    rng = np.random.default_rng(seed)
    hers = rng.integers(20, 60, ROWS)
    assert not found(
        hers=hers,
        his=hers + np.rint(rng.normal(0, 2, ROWS)).astype(int),
        one=rng.poisson(3, ROWS),
        other=rng.poisson(3, ROWS),
        yes=rng.integers(0, 2, ROWS),
        no=rng.integers(0, 2, ROWS),
        amount=part(rng, 0.6, np.zeros(ROWS), rng.random(ROWS).round(4)),
        rest=part(rng, 0.6, np.zeros(ROWS), rng.random(ROWS).round(4)),
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_both_have_where_there_is_none_of_either_makes_no_copy(seed):
    rng = np.random.default_rng(seed)
    which = rng.choice(5, 4000, p=[0.28, 0.02, 0.02, 0.02, 0.66])
    never, code = which == 0, np.array([0, 97, 98, 99, 0])[which]
    cigarettes, years = (np.where(which < 4, code, rng.integers(1, 30, 4000)) for _ in range(2))
    assert (cigarettes == years).mean() > 0.35
    assert not found(cigarettes=cigarettes, years=years)
    due = np.where(never, 0, rng.integers(1, 9000, 4000))
    paid = np.where(rng.random(4000) < 0.4, due, due // 2)
    assert found(due=due, paid=paid) == {"paid = due in a part of the rows"}, (
        "a copy with and without the commonest cell"
    )


def test_what_another_column_settles_is_none():
    rng = np.random.default_rng(0)
    town_of = towns(rng)
    shop, bill = rng.integers(1000, 1120, ROWS), towns(rng)
    bill = part(rng, 0.8, town_of[shop - 1000], bill)
    assert found(shop=shop.astype(str), bill=bill, shop_town=town_of[shop - 1000]) == {
        "bill = shop_town in a part of the rows"
    }


def test_keys_of_several_rows_each_do_not_stand_in_the_way():
    rng = np.random.default_rng(0)
    bill, customer = towns(rng), [f"C{number}" for number in rng.integers(10_000, 10_200, ROWS)]
    table = pa.table({"customer_id": customer, "bill": bill, "ship": part(rng, 0.8, bill, towns(rng))})
    with pytest.warns(LookalikeWarning, match="key of several rows each"):
        schema = infer_schema(table)
    rules = with_rules_to_keep(table, schema).constraints
    assert [rule.words for rule in rules] == ["ship = bill in a part of the rows"]


def test_what_is_the_same_in_few_rows_is_none():
    rng = np.random.default_rng(0)
    due = rng.integers(100, 90_000, ROWS) / 100
    assert not found(due=due, paid=part(rng, 0.2, due, rng.integers(100, 90_000, ROWS) / 100))


def test_parts_named_as_their_district_are_none():
    rng = np.random.default_rng(0)
    district = rng.integers(0, 20, ROWS)
    part_of_it = np.where(rng.random(ROWS) < 0.4, 0, rng.integers(1, 5, ROWS))
    names = [
        f"town {one}" if other == 0 else f"part {one}-{other}" for one, other in zip(district, part_of_it, strict=True)
    ]
    assert not found(part=names, district=[f"town {one}" for one in np.where(rng.random(ROWS) < 0.05, 0, district)])


def test_a_copy_is_of_its_own_kind():
    specs = [ColumnSpec(name="town", kind="category", storage="string"), ColumnSpec(name="age", kind="integer")]
    with pytest.raises(
        SchemaError, match="a copy is of a column of the same kind, however: 'town' is category in string"
    ):
        Schema(specs, [Copy(column="town", of="age")])


@pytest.mark.parametrize("role", ["target", "sensitive"])
def test_a_column_that_is_asked_for_is_no_copy(role):
    rng = np.random.default_rng(3)
    bill = towns(rng)
    table = pa.table({"bill": bill, "ship": part(rng, 0.8, bill, towns(rng))})
    schema = infer_schema(table)
    for asked_for, copy in (
        ("ship", "bill = ship in a part of the rows"),
        ("bill", "ship = bill in a part of the rows"),
    ):
        rules = with_rules_to_keep(table, schema.replace(asked_for, role=role)).constraints
        assert [rule.words for rule in rules] == [copy]
