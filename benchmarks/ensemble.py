"""What is a mixture of engines worth, beside one engine alone?

    LOOKALIKE_DATA=… python benchmarks/ensemble.py shoppers
    LOOKALIKE_DATA=… python benchmarks/ensemble.py adult --only default learned --seeds 3
    LOOKALIKE_DATA=… python benchmarks/ensemble.py hospital --only best --drop encounter_id patient_nbr --cached

Each is fitted on the table's training part and judged by ``lookalike evaluate`` against the holdout. Members are not taken from the
cache, and all train one after another on one thread, so that seconds can be added up; beside each other they take as long as their share of cores.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any

import lookalike
from common import likeness, record, table_path
from lookalike.presets import named
from lookalike.table import as_table

CTGAN = {"engine": "ctgan", "settings": {"epochs": 100}}
ROSTERS: dict[str, dict[str, Any]] = {
    "ctgan": {"engine": "ctgan", "epochs": 100},
    "4 ctgan + tvae": {
        "engine": "ensemble",
        "members": [CTGAN] * 4 + [{"engine": "tvae", "settings": {"epochs": 100}}],
    },
    "4 ctgan + tvae, learned": {
        "engine": "ensemble",
        "members": [CTGAN] * 4 + [{"engine": "tvae", "settings": {"epochs": 100}}],
        "weights": "learned",
    },
    "4 ctgan of half the epochs + tvae, learned": {
        "engine": "ensemble",
        "members": [{"engine": "ctgan", "settings": {"epochs": 50}}] * 4
        + [{"engine": "tvae", "settings": {"epochs": 100}}],
        "weights": "learned",
    },
    "default": {"engine": "ensemble"},
    "learned": {"engine": "ensemble", "weights": "learned"},
    "best": named("best"),
    "best, not calibrated": {**named("best"), "calibrate": False},
}
HELD_AGAINST = 5_000
"""Rows a side for distances to the holdout."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--only", nargs="*", choices=list(ROSTERS), default=list(ROSTERS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--drop", nargs="*", default=[])
    parser.add_argument(
        "--cached", action="store_true", help="take members from the cache, and train them beside each other"
    )
    arguments = parser.parse_args()
    for name in arguments.only:
        for seed in range(arguments.seeds):
            row = {
                "table": arguments.table,
                "roster": name,
                "seed": seed,
                **measure(arguments.table, ROSTERS[name], seed, arguments.drop, arguments.cached),
            }
            print(json.dumps(row), flush=True)
            record("ensemble", [row])


def measure(table: str, settings: dict[str, Any], seed: int, drop: list[str], cached: bool) -> dict[str, Any]:
    """Fit, draw as many rows as were learned from, and judge."""
    alone = {"cache": False, "workers": 1} if settings["engine"] == "ensemble" and not cached else {}
    train, holdout = (as_table(table_path(table, part)).drop(drop) for part in ("train", "holdout"))
    train, holdout = train.data, holdout.data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lookalike.LookalikeWarning)
        start = time.perf_counter()
        twin = lookalike.fit(train, seed=seed, run=lookalike.Run(), **settings, **alone)
        fitted = time.perf_counter() - start
        rows = twin.sample(seed=seed)
        drawn = time.perf_counter() - start - fitted
        card = lookalike.evaluate(train, rows, holdout=holdout).to_dict()
        apart = twin.filter(holdout)
        mine, theirs = (apart.measure(side.slice(0, HELD_AGAINST)).distance for side in (rows, train))
    membership = card["privacy"]["membership"]
    members = twin.information["notes"].get("ensemble", {}).get("members", {})
    return {
        "fit_seconds": round(fitted, 1),
        "sample_seconds": round(drawn, 1),
        **likeness(card),
        "membership": {name: round(membership[name]["auc"], 3) for name in ("distance", "density")},
        "distance_to_holdout": round(float(mine.mean() / theirs.mean()), 4),
        "calibration": twin.information["notes"].get("calibrated"),
        "members": {
            label: {name: told[name] for name in ("weight", "quality", "closer_to_learned", "seconds") if name in told}
            for label, told in members.items()
        },
    }


if __name__ == "__main__":
    main()
