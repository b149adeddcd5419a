"""What does a privacy budget buy? Accuracy, detection, the share of rows nearer to training, seconds; by ε and engine.

LOOKALIKE_DATA=… python benchmarks/private.py adult --epsilon 1 3 8 --engine marginals --seeds 3
LOOKALIKE_DATA=… python benchmarks/private.py adult --schema public.json   # a declared domain
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import lookalike
from common import record, settings_of, table_path
from lookalike import Run, pipeline
from lookalike.table import as_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[1.0, 3.0, 8.0])
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--engine", nargs="+", default=["marginals"])
    parser.add_argument("--schema", help="a schema that declares the domain")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, any setting")
    arguments = parser.parse_args()
    train, holdout = table_path(arguments.table), table_path(arguments.table, "holdout")
    for engine in arguments.engine:
        for epsilon in arguments.epsilon:
            for seed in range(arguments.seeds):
                privacy = {"epsilon": epsilon, "delta": arguments.delta, "schema": arguments.schema}
                row = measure(train, holdout, engine, seed, privacy | settings_of(arguments.set))
                print(json.dumps(row), flush=True)
                record("private", [{"table": arguments.table, **row}])


def measure(train, holdout, engine, seed, settings) -> dict:
    """One fit, as many rows as trained on, judged against train and holdout. Noise is fresh: seeds only tell runs apart."""
    warnings.simplefilter("ignore", lookalike.LookalikeWarning)
    start = time.perf_counter()
    twin = lookalike.fit(train, engine=engine, seed=seed, run=Run(), **settings)
    fitted = time.perf_counter()
    rows = as_table(train).num_rows
    synthetic = twin.sample(rows, seed=seed + 1)
    sampled = time.perf_counter()
    card = pipeline.evaluate(train, synthetic, holdout=holdout).to_dict()
    accuracy = card["fidelity"]["accuracy"]
    return {
        "engine": engine,
        "epsilon": settings["epsilon"],
        "spent": None if twin.privacy is None else round(twin.privacy.epsilon(), 4),
        "schema": settings["schema"],
        "seed": seed,
        **{name: round(accuracy[name], 4) for name in ("overall", "univariate", "bivariate", "trivariate")},
        "fresh": round(accuracy["max"]["overall"], 4),
        "detection_auc": round(card["fidelity"]["detection"]["auc"], 4),
        "dcr_share": round(card["privacy"]["closeness"]["share"], 4),
        "fit_seconds": round(fitted - start, 1),
        "sample_seconds": round(sampled - fitted, 2),
    }


if __name__ == "__main__":
    main()
