"""Encoded tables to train on: a toy one whose columns depend on each other, and awkward ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lookalike.schema.encoded import EncodedColumn, EncodedTable


def column(name: str, interval: list[bool]) -> EncodedColumn:
    return EncodedColumn(name, len(interval), np.array(interval))


def toy_table(rows: int, seed: int = 0) -> EncodedTable:
    """Three columns: a colour, a size that mostly follows it, an amount with a spike at code 0 and two modes."""
    rng = np.random.default_rng(seed)
    colour = rng.choice(3, rows, p=[0.6, 0.3, 0.1])
    size = np.where(rng.random(rows) < 0.9, colour % 2, 1 - colour % 2)
    amount = np.where(rng.random(rows) < 0.3, 0, 1 + size)
    residual = np.where(amount > 0, np.clip(rng.normal(0.1, 0.2, rows), -1, 1), 0.0)
    columns = (column("colour", [False] * 3), column("size", [False] * 2), column("amount", [False, True, True]))
    return EncodedTable(
        columns,
        np.stack([colour, size, amount], 1).astype(np.int32),
        np.stack([np.zeros(rows), np.zeros(rows), residual], 1),
    )


def _plain(rows: int, *intervals: list[bool]) -> EncodedTable:
    rng = np.random.default_rng(1)
    columns = tuple(column(f"c{j}", interval) for j, interval in enumerate(intervals))
    codes = np.stack([rng.integers(0, c.cardinality, rows) for c in columns], 1).astype(np.int32)
    inside = np.stack([c.interval[codes[:, j]] for j, c in enumerate(columns)], 1)
    return EncodedTable(columns, codes, np.where(inside, rng.uniform(-1.1, 1.1, codes.shape), 0.0))


AWKWARD = {
    "two rows": _plain(2, [False] * 3, [True] * 2),
    "one row": _plain(1, [False] * 3, [True] * 2),
    "one column": _plain(50, [False] * 4),
    "one number": _plain(50, [True] * 4),
    "constants": _plain(50, [False], [True]),
    "constant and category": _plain(37, [False], [False] * 2),
    "only intervals": _plain(50, [True] * 2, [True] * 3),
    "a spike": _plain(50, [False, True], [True, False, False]),
    "many levels": _plain(300, [False] * 400, [False] * 2),
    "codes that never occur": EncodedTable(
        (column("c", [False] * 9),), np.full((40, 1), 4, np.int32), np.zeros((40, 1))
    ),
}


@pytest.fixture
def toy() -> EncodedTable:
    return toy_table(600)


@pytest.fixture(params=AWKWARD)
def awkward(request: pytest.FixtureRequest) -> EncodedTable:
    return AWKWARD[request.param]


@pytest.fixture(scope="session")
def make_toy() -> Callable[..., EncodedTable]:
    return toy_table
