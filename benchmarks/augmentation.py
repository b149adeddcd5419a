"""Do rows made for rare classes help a model more than SMOTENC's do, or than the real rows repeated?

LOOKALIKE_DATA=… python benchmarks/augmentation.py adult shoppers --seeds 3 [--share 0.5] [--twins FOLDER]

Fits on the -train table, fills its classes up, and tests on the -holdout table. With --twins a fitted twin is kept there and
used again. At the end stands the table of docs/augmentation.md: means over seeds, ± the standard deviation of one seed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

import lookalike
from common import record, settings_of, table_path
from lookalike import Run
from lookalike.evaluate.augmentation import MEASURES, SIDES, augmentation
from lookalike.evaluate.prepare import prepare
from lookalike.refine.balance import class_counts, lacking
from lookalike.rng import derive_seed
from lookalike.table import as_table
from lookalike.twin import Twin

TARGETS = {"adult": "income", "shoppers": "Revenue", "hospital": "readmitted"}
DROPPED = {"hospital": ["encounter_id", "patient_nbr"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=sorted(TARGETS))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--share", type=float, help="of the largest class, up to which others are filled; halfway when left out"
    )
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--twins", type=Path, help="where fitted twins are kept")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, any setting")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", lookalike.LookalikeWarning)
    for name in arguments.tables:
        rows = []
        for seed in range(arguments.seeds):
            row = measure(name, seed, arguments)
            record("augmentation", [row])
            rows.append(row)
            show(name, rows[-1:])
        if len(rows) > 1:
            show(f"{name}, mean of {len(rows)} seeds", rows)


def measure(name: str, seed: int, arguments: argparse.Namespace) -> dict:
    target, dropped = TARGETS[name], DROPPED.get(name, [])
    real, holdout = (as_table(table_path(name, part)).drop(dropped) for part in ("train", "holdout"))
    twin = fitted(name, real, seed, arguments)
    start = time.perf_counter()
    more = lacking(class_counts(real.data[target], target), share=arguments.share)
    made = twin.sample_each(
        list(more.values()),
        [{target: name} for name in more],
        seed=derive_seed(seed, "augment"),
        temperature=arguments.temperature,
    )
    sampled = time.perf_counter()
    columns = prepare({"real": real.data, "synthetic": made.data, "holdout": holdout.data}, twin.schema)
    figures = augmentation(columns, target, seed)
    return {
        "table": name,
        "engine": twin.picked,
        "seed": seed,
        "settings": settings_of(arguments.set),
        "share": arguments.share,
        "temperature": arguments.temperature,
        "sample_seconds": round(sampled - start, 1),
        "judge_seconds": round(time.perf_counter() - sampled, 1),
        **{key: figures[key] for key in ("minority", "rows", "learners", "gains", "notes")},
    }


def fitted(name: str, real, seed: int, arguments: argparse.Namespace) -> Twin:
    path = None if arguments.twins is None else arguments.twins / f"{name}-{arguments.engine}-{seed}.twin"
    if path is not None and path.exists() and not arguments.set:
        return Twin.load(path)
    twin = lookalike.fit(real, engine=arguments.engine, seed=seed, run=Run(), **settings_of(arguments.set))
    if path is not None and not arguments.set:
        path.parent.mkdir(parents=True, exist_ok=True)
        twin.save(path)
    return twin


def show(title: str, rows: list[dict]) -> None:
    share = "halfway" if rows[0]["share"] is None else f"share {rows[0]['share']:g}"
    print(f"\n{title}: {rows[0]['engine']}, {share}, minority {rows[0]['minority']}")
    for learner in ("stack", "xgboost", "lightgbm"):
        for side in SIDES:
            found = [row["learners"][learner][side] for row in rows]
            cells = [spread([one[measure] for one in found]) for measure in (*MEASURES, "precision", "recall")]
            print(f"{learner:9s} {side:9s}", "  ".join(f"{cell:12s}" for cell in cells))
    for other in SIDES[:-1]:
        for place, measure in enumerate(MEASURES):
            gains = [row["gains"][other][measure] for row in rows]
            above = sum(one["interval"][0] > 0 for one in gains)
            below = sum(one["interval"][1] < 0 for one in gains)
            told = f"better in {above}, worse in {below} of {len(gains)}"
            print(
                f"ours − {other if place == 0 else '':9s} {measure:12s} {spread([one['gain'] for one in gains])}  ({told})"
            )


def spread(values: list[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{deviation}"


if __name__ == "__main__":
    main()
