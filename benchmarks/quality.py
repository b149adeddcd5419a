"""How like the real table are our rows, how long did it take, at what memory?

LOOKALIKE_DATA=… python benchmarks/quality.py adult --engine ctgan --epochs 300 --seeds 1
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np

import lookalike
from common import peak_megabytes, record, settings_of, table_path
from lookalike import Run
from lookalike.table import as_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--engine", default="ctgan")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, any setting")
    arguments = parser.parse_args()
    settings = settings_of(arguments.set) | ({} if arguments.epochs is None else {"epochs": arguments.epochs})
    source = table_path(arguments.table)
    table = as_table(source)
    holdout = None if source.suffix == ".csv" else table_path(arguments.table, "holdout")
    for seed in range(arguments.seeds):
        row = measure(table, holdout, arguments.engine, seed, settings)
        print(json.dumps(row))
        record("quality", [{"table": arguments.table, **row}])


def measure(table, holdout, engine, seed, settings) -> dict:
    warnings.simplefilter("ignore", lookalike.LookalikeWarning)
    start = time.perf_counter()
    twin = lookalike.fit(table, engine=engine, seed=seed, run=Run(), **settings)
    fitted = time.perf_counter()
    synthetic = twin.sample(table.num_rows, seed=1)
    sampled = time.perf_counter()
    card = lookalike.evaluate(table, synthetic, holdout=holdout, schema=twin.schema).to_dict()
    fidelity, fresh = card["fidelity"], card["fidelity"]["fresh"] or {}
    return {
        "engine": engine,
        "seed": seed,
        "settings": settings,
        "epochs_run": len(twin.losses),
        "fit_seconds": round(fitted - start, 1),
        "sample_seconds": round(sampled - fitted, 2),
        "evaluate_seconds": round(time.perf_counter() - sampled, 2),
        "peak_megabytes": round(peak_megabytes()),
        "diagnostic": card["diagnostic"]["score"],
        **{
            name: round(fidelity[name], 4)
            for name in ("quality", "column_shapes", "pair_trends", "pair_trends_all")
            if fidelity[name] is not None
        },
        **{f"fresh_{name}": round(value, 4) for name, value in fresh.items() if value is not None},
        "exact_copies": card["privacy"]["exact_copies"]["count"],
        "dcr_share": np.nan if card["privacy"]["closeness"] is None else card["privacy"]["closeness"]["share"],
    }


if __name__ == "__main__":
    main()
