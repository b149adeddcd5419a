"""Do rows keep the rules that the schema holds?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.schema import Schema
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.constraints import Copy


def constraints(tables: Mapping[str, pa.Table], schema: Schema) -> dict[str, Any]:
    """The share of rows that break each constraint of the schema, in [0, 1].

    ``tables`` are "real", "synthetic" and, where there is one, "holdout". Returns {broken, fresh, real, rules}: the share
    of synthetic, holdout (None without one) and real rows that break any rule, and ``rules`` [{rule, words, columns, broken,
    fresh, real}], worst first. Combinations that occur are those of the real table, so a fresh row may break that rule, too.
    Of rows that are the same in columns declared unique, all but the first break it.

    >>> from lookalike.schema import ColumnSpec
    >>> from lookalike.schema.constraints import Predicate
    >>> schema = Schema([ColumnSpec(name="age", kind="integer", storage="int64")], [Predicate(expression="age < 120")])
    >>> constraints({"real": pa.table({"age": [1]}), "synthetic": pa.table({"age": [1, 130]})}, schema)["broken"]
    0.5
    """
    sides = {name: Rows(table, schema) for name, table in tables.items()}
    any_broken = {name: np.zeros(len(rows), bool) for name, rows in sides.items()}
    entries: list[dict[str, Any]] = []
    for constraint in schema.constraints:
        if isinstance(constraint, Copy):
            continue  # which no row breaks
        if any(name not in table.column_names for table in tables.values() for name in constraint.names):
            continue  # a key that one side lacks
        shares: dict[str, float | None] = {}
        for name, rows in sides.items():
            broken = ~kept(constraint, rows, sides["real"])
            any_broken[name] |= broken
            shares[name] = float(broken.mean())
        entries.append(
            {
                "rule": constraint.rule,
                "words": constraint.words,
                "columns": list(constraint.names),
                "broken": shares["synthetic"],
                "fresh": shares.get("holdout"),
                "real": shares["real"],
            }
        )
    entries.sort(key=lambda entry: -entry["broken"])
    return {
        "broken": float(any_broken["synthetic"].mean()),
        "fresh": float(any_broken["holdout"].mean()) if "holdout" in sides else None,
        "real": float(any_broken["real"].mean()),
        "rules": entries,
    }
