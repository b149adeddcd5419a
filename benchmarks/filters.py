"""What a filter drops of rows that it should not mind: a fresh real sample, and what is left of it then.

One half of the holdout stands for a perfect synthetic table; the other is the judge's yardstick. Both readings of the
k-rule beside no filter at all, the same row count for all three.

    python benchmarks/filters.py adult shoppers housing [--queries 5000] [--no-judge]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pyarrow as pa

from common import record, table_path
from lookalike import evaluate
from lookalike.evaluate.verdicts import read
from lookalike.refine.filter import REASONS, Filter, FilterSettings
from lookalike.schema.infer import infer_schema
from lookalike.table import as_table

READINGS = {"no filter": None, "crowds spared": 0.05, "crowds not spared": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--queries", type=int, default=10**9, help="rows of the fresh sample that are looked at")
    parser.add_argument("--no-judge", action="store_true", help="shares and seconds alone")
    options = parser.parse_args()
    for name in options.tables:
        record("filters", measure(name, options.queries, judge=not options.no_judge))


def measure(name: str, queries: int, *, judge: bool) -> list[dict[str, Any]]:
    real, held = (as_table(table_path(name, part)).data for part in ("train", "holdout"))
    order = np.random.default_rng(0).permutation(held.num_rows)
    fresh, yardstick = (held.take(pa.array(part)) for part in np.array_split(order, 2))
    fresh = fresh.slice(0, queries)
    schema, found = infer_schema(real), []
    kept = {}
    for reading, crowd in READINGS.items():
        row: dict[str, Any] = {"table": name, "reading": reading, "real": real.num_rows, "fresh": fresh.num_rows}
        kept[reading] = fresh
        if crowd is not None:
            start = time.perf_counter()
            apart = Filter(real, schema, FilterSettings(crowd_distance=crowd))
            kept[reading] = fresh.filter(pa.array(apart.keep(fresh)))
            row["seconds"] = round(time.perf_counter() - start, 2)
            row |= {reason: round(apart.dropped[reason] / fresh.num_rows, 4) for reason in REASONS[1:]}
        found.append(row)
    rows = min(table.num_rows for table in kept.values())
    for row in found:
        if judge:
            card = evaluate(real, kept[str(row["reading"])].slice(0, rows), holdout=yardstick, schema=schema).to_dict()
            row |= {"judged": rows} | figures(card)
        print(row, flush=True)
    return found


def figures(card: dict[str, Any]) -> dict[str, float]:
    """Accuracy, the detector's AUC, and what lies near to training rows."""
    wanted = (
        "accuracy",
        "accuracy_shortfall",
        "detection_auc",
        "dcr_share",
        "nndr_ratio",
        "nndr_excess",
        "membership_auc",
    )
    values = {name: read(card, name)[0] for name in wanted}
    return {name: round(value, 4) for name, value in values.items() if value is not None}


if __name__ == "__main__":
    main()
