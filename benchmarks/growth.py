"""How do time an epoch and memory grow with rows, columns and levels? One process for each size, on made-up tables.

python benchmarks/growth.py --engine ctgan
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from step import encode, make_task, time_steps

from common import peak_megabytes, record

STEPS = 60

SIZES = {
    "rows": [1_000, 10_000, 100_000, 1_000_000],
    "columns": [5, 50, 500],
    "levels": [2, 1_000, 10_000, 100_000],
}
USUAL = {"rows": 10_000, "columns": 15, "levels": 10}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="ctgan")
    parser.add_argument("--what", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one), arguments.engine)))
        return
    for what in arguments.what:
        for size in SIZES[what]:
            shape = USUAL | {what: size} | ({"rows": 200_000} if what == "levels" else {})
            command = [sys.executable, __file__, "--engine", arguments.engine]
            done = subprocess.run([*command, "--one", json.dumps(shape)], capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            row = {
                "what": what,
                "engine": arguments.engine,
                **shape,
                **json.loads(done.stdout.strip().splitlines()[-1]),
            }
            print(json.dumps(row), flush=True)
            record("growth", [row])


def made_up(rows: int, columns: int, levels: int) -> pd.DataFrame:
    """A third numbers, the rest labels; all lean on one hidden number. The first column has ``levels`` levels, as even as can be."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=rows)
    frame = {"levels": np.char.add("level-", rng.permutation(np.arange(rows) % levels).astype(str))}
    for place in range(1, columns):
        values = hidden + rng.normal(size=rows)
        cut = np.digitize(values, np.linspace(-2, 2, 7)).astype(str)
        frame[f"column_{place}"] = np.exp(values) if place % 3 == 0 else cut
    return pd.DataFrame(frame)


def measure(shape: dict[str, int], engine: str) -> dict[str, float]:
    frame = made_up(**shape)
    base = peak_megabytes()
    start = time.perf_counter()
    encoded = encode(frame, engine, {"columns": {"levels": {"kind": "category"}}})
    coded = time.perf_counter()
    task = make_task(encoded, engine, {})
    times = time_steps(task, STEPS)
    return {
        "encode_seconds": round(coded - start, 2),
        "milliseconds_a_step": round(statistics.median(times), 2),
        "seconds_an_epoch": round(statistics.median(times) * task.steps / 1e3, 2),
        "batch": task.batch,
        "codes": sum(column.cardinality for column in encoded.columns),
        "peak_megabytes": round(peak_megabytes()),
        "table_megabytes": round(base),
    }


if __name__ == "__main__":
    main()
