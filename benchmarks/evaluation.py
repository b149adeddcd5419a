"""How long does the whole scorecard take, part by part, and at what memory?

    LOOKALIKE_DATA=… python benchmarks/evaluation.py adult:income hospital:readmitted million

Each table runs in a process of its own, so that the peak memory is its own. The synthetic table is the training table with
every column shuffled by itself: no engine has to be fitted, and every part has work to do. ``million`` is a made-up table of
1,000,000 rows × 20 columns. ``first`` holds the imports of scikit-learn, XGBoost and LightGBM as well, ``again`` does not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common import peak_megabytes, record, table_path
from lookalike.evaluate import score
from lookalike.schema.infer import infer_schema

MILLION = 1_000_000


def made_up(rows: int, seed: int) -> pa.Table:
    """Ten numbers and ten labels that lean on one hidden number."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=rows)
    columns: dict[str, Any] = {}
    for place in range(10):
        columns[f"number {place}"] = np.round(hidden * place / 10 + random.normal(size=rows), 3)
        codes = np.clip((hidden + random.normal(size=rows) + 3) * (place + 1), 0, 6 * (place + 1)).astype(int)
        columns[f"label {place}"] = pa.array([f"level {code}" for code in range(64)]).take(pa.array(codes))
    return pa.table(columns)


def tables(name: str) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Training rows, shuffled columns, holdout."""
    if name == "million":
        real, holdout = made_up(MILLION, 0), made_up(MILLION // 10, 1)
    else:
        real, holdout = pq.read_table(table_path(name)), pq.read_table(table_path(name, "holdout"))
    random = np.random.default_rng(0)
    shuffled = {column: real[column].take(pa.array(random.permutation(real.num_rows))) for column in real.column_names}
    return real, pa.table(shuffled), holdout


def measure(spec: str) -> dict[str, Any]:
    """Two runs in this process."""
    name, _, target = spec.partition(":")
    real, synthetic, holdout = tables(name)
    schema, seconds, parts = infer_schema(real), [], []
    before = peak_megabytes()
    for seed in range(2):
        start = time.perf_counter()
        parts.append(score(real, synthetic, schema, holdout=holdout, target=target or None, seed=seed)["timings"])
        seconds.append(round(time.perf_counter() - start, 2))
    return {
        "table": name,
        "rows": real.num_rows,
        "columns": real.num_columns,
        "target": target or None,
        "first": seconds[0],
        "again": seconds[1],
        "parts": parts[1],
        "megabytes_before": round(before),
        "megabytes": round(peak_megabytes()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tables", nargs="+", help="NAME or NAME:TARGET, or million")
    parser.add_argument("--here", action="store_true", help="measure in this process, print JSON, record nothing")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measure(options.tables[0])))
        return
    found = []
    for spec in options.tables:
        done = subprocess.run([sys.executable, __file__, spec, "--here"], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
        print(json.dumps(found[-1]), flush=True)
    print(f"recorded in {record('evaluation', found)}")


if __name__ == "__main__":
    main()
