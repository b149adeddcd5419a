"""Columns that are the same as another in a part of the rows: where goods go to, what was paid of what was due."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from lookalike.dependence import MOST_LEVELS, follows, repeats, settled, surprising
from lookalike.schema.axis import as_floats
from lookalike.schema.breaches import Rows, together
from lookalike.schema.column import ColumnSpec
from lookalike.schema.constraints import Copy, copyable
from lookalike.schema.found.arithmetic import FEWEST_ROWS, GLANCE, MOST_COLUMNS, spread

FEWEST_SAME = 0.3
"""Share of the rows in which a column is the same as another, at least: what else goes with the column is told by the other there, and where that
is so in few rows more is lost than won."""
FEWEST_CELLS = 12
"""Different cells that it is so with, at least: a scale from 0 to 10 is learned point by point."""
MOST_COMMON = 4
"""Cells that are left out of account, the commonest that both have: none of either, and what a questionnaire writes for no answer."""
BEYOND_CHANCE = 3
"""How often a column must be the same as another for once that it would be if it were shuffled; of numbers, for once that they lie next
to each other, as the ages of a couple do."""


def find_copies(rows: Rows, sources: Mapping[str, Collection[str]], left_alone: Collection[str]) -> list[Copy]:
    """Return which columns are the same as another in a part of the rows, far more often than chance makes them so: the later column of two
    the copy, and of several it is like most.

    Such are numbers, dates in one unit and labels: the same in three tenths of the rows, of those without the commonest cells, too, and in 50,
    a dozen different cells. None is a column that another
    settles, is computed, or is among those ``left_alone``. ``sources`` are what each computed column is told by.

    >>> import pyarrow as pa
    >>> from lookalike.schema.infer import infer_schema
    >>> rng = np.random.default_rng(0)
    >>> bill, other = (rng.choice([f"town {i}" for i in range(40)], 300) for _ in range(2))
    >>> table = pa.table({"bill": bill, "ship": np.where(rng.random(300) < 0.8, bill, other)})
    >>> [found.words for found in find_copies(Rows(table, infer_schema(table)), {}, [])]
    ['ship = bill in a part of the rows']
    """
    told: dict[str, Collection[str]] = dict(sources)
    found: list[Copy] = []
    for first, second, _ in sorted(_same(rows), key=lambda pair: -pair[2]):
        for target, source in ((second, first), (first, second)):
            # of a target or a sensitive column rows are asked for, balanced, and made fair
            asked_for = rows.schema[target].role in ("target", "sensitive")
            free = (
                not asked_for and target not in told and target not in left_alone and not follows(source, target, told)
            )
            if free and not _is_settled(rows, target):
                told[target] = (source,)
                found.append(Copy(column=target, of=source))
                break
    return found


def _same(rows: Rows) -> Iterator[tuple[str, str, float]]:
    """Pairs of columns that are often the same, in the table's order, and in what share of the rows they are."""
    kinds = ("integer", "float", "datetime", "category")
    specs = [spec for spec in rows.schema.modelled if spec.kind in kinds][:MOST_COLUMNS]
    cells = _cells(rows, specs)
    glance = spread(len(rows), GLANCE)
    few = {name: own[glance] for name, own in cells.items()}
    for place, one in enumerate(specs):
        for other in specs[place + 1 :]:
            # half of it, as a glance may miss some
            if not copyable(one, other) or (few[one.name] == few[other.name]).mean() < FEWEST_SAME / 2:
                continue
            same = cells[one.name] == cells[other.name]
            if _beyond_chance(cells[one.name], cells[other.name], same, one.kind != "category"):
                yield one.name, other.name, float(same.mean())


def _cells(rows: Rows, specs: Sequence[ColumnSpec]) -> dict[str, np.ndarray]:
    """(n,) float64 of each column: numbers, or what stands for a label in all of them; NaN where a cell is missing."""
    labels = [spec.name for spec in specs if not spec.numeric]
    found = {spec.name: as_floats(rows.natural(spec.name)) for spec in specs if spec.numeric}
    if labels:
        codes = together([rows.values(name) for name in labels]).reshape(len(labels), len(rows))
        found |= dict(zip(labels, np.where(codes == 0, np.nan, codes), strict=True))
    return found


def _beyond_chance(one: np.ndarray, other: np.ndarray, same: np.ndarray, numbers: bool) -> bool:
    """Whether two columns of (n,) cells are the ``same`` (n,) more often than chance makes them so."""
    there = ~np.isnan(one) & ~np.isnan(other)
    if same.sum() < max(FEWEST_ROWS, FEWEST_SAME * len(same)) or same.sum() == there.sum():
        return False
    shared, times = np.unique(one[same], return_counts=True)
    common, cells = shared[np.argsort(-times, kind="stable")[:MOST_COMMON]], len(shared)
    # who smokes none does so for no years: of those who do it says nothing
    others = ~np.isin(one, common) & ~np.isin(other, common)
    if same[others].sum() < FEWEST_SAME * others.sum():
        return False
    # a district named as its only part is no copy: of most labels it is never so
    if cells < FEWEST_CELLS or (not numbers and any(2 * cells < len(np.unique(part[there])) for part in (one, other))):
        return False
    values, places = np.unique(np.concatenate([one[there], other[there]]), return_inverse=True)
    first, second = places.reshape(2, -1)
    counts = [np.bincount(part, minlength=len(values)) / len(part) for part in (first, second)]
    usual = float(counts[0] @ counts[1]) * len(first)
    if numbers:
        usual = max(usual, *((first - second == step).sum() for step in (1, -1)))
    return bool(same.sum() >= BEYOND_CHANCE * usual)


def _is_settled(rows: Rows, name: str) -> bool:
    """Whether another column settles it, a key's too."""
    own = together([rows.values(name)])
    for spec in rows.schema.kept:
        if spec.name == name or spec.kind == "constant":
            continue
        codes = together([rows.values(spec.name)])
        counts = np.bincount(codes)
        tells = len(counts) <= MOST_LEVELS and repeats(counts) and surprising(counts, np.bincount(own))
        if tells and settled(codes, own, len(counts)) is not None:
            return True
    return False
