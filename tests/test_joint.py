"""What columns settle together: found where it holds, with few exceptions, and nowhere by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.joint import find_together, settled_together


def prices(rows: int = 5000, seed: int = 0) -> dict[str, np.ndarray]:
    """The price is an article's in a size; which prices are alike, and all else, is chance."""
    random = np.random.default_rng(seed)
    article, size, shop = random.integers(0, 40, rows), random.integers(0, 4, rows), random.integers(0, 12, rows)
    listed = random.integers(0, 60, (40, 4))
    return {"article": article, "size": size, "shop": shop, "price": listed[article, size]}


def found(columns: dict[str, np.ndarray]) -> set[tuple[frozenset[str], str]]:
    return {(frozenset(together), dependent) for together, dependent, *_ in find_together(columns)}


def test_a_list_of_prices_is_found_and_nothing_else():
    assert found(prices()) == {(frozenset({"article", "size"}), "price")}


def test_three_columns_may_be_needed():
    random = np.random.default_rng(0)
    a, b, c = random.integers(0, 4, (3, 4000))
    columns = {"a": a, "b": b, "c": c, "sum": (a + b + c) % 4}
    names = list(columns)
    assert found(columns) == {(frozenset(names) - {one}, one) for one in names}, "each follows from the others"
    assert found({name: random.permutation(codes) for name, codes in columns.items()}) == set()


def test_a_few_exceptions_leave_their_combinations_open_and_many_are_no_rule():
    columns = prices()
    price = columns["price"]
    for wrong, holds in ((0, True), (5, True), (200, False)):
        cells = price.copy()
        cells[np.arange(wrong) * 7] += 1
        settles = settled_together([columns["article"], columns["size"]], cells)
        assert (settles is not None) is holds
        if settles is not None:
            rows, due = settles
            assert (due < 0).sum() <= wrong
            open_rows = due[rows] < 0
            assert (due[rows] == cells)[~open_rows].all() and open_rows[np.arange(wrong) * 7].all()


def test_a_combination_of_one_row_settles_nothing():
    columns = prices()
    columns["article"] = np.append(columns["article"], 40)
    alone = {name: np.append(codes, 1) if name != "article" else codes for name, codes in columns.items()}
    settles = settled_together([alone["article"], alone["size"]], alone["price"])
    assert settles is not None
    rows, due = settles
    assert due[rows[-1]] == -1 and (due[rows[:-1]] >= 0).mean() > 0.99


@pytest.mark.parametrize("other", ["shop", "size"])
def test_a_column_that_is_not_needed_is_left_out(other):
    columns = prices()
    columns["kind"] = columns["article"] % 5
    names = ["article", other] if other == "shop" else ["article", "size", "shop"]
    dependent = "kind" if other == "shop" else "price"
    assert settled_together([columns[name] for name in names], columns[dependent]) is None


def test_what_is_settled_alone_is_not_asked_for():
    columns = prices()
    columns["kind"] = columns["article"] % 5
    assert found(columns) == {(frozenset({"article", "size"}), "price")}


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(30, 600))
def test_chance_finds_nothing(seed: int, columns: int, rows: int):
    random = np.random.default_rng(seed)
    table = {j: random.integers(0, random.integers(1, 12), rows) for j in range(columns)}
    assert found(table) == set()  # type: ignore[arg-type]


def test_of_very_many_columns_the_coarsest_are_looked_at():
    random = np.random.default_rng(0)
    columns = {f"c{j}": random.integers(0, 5, 500) for j in range(1500)}
    columns["price"] = columns["c1"] * 7 + columns["c2"] * 3
    (_, dependent), *rest = found(columns)
    assert dependent == "price" and not rest
