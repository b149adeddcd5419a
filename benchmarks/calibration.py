"""What does calibration change? The same fitted engine's rows as they come, and chosen from a pool raked to real counts.

LOOKALIKE_DATA=… python benchmarks/calibration.py adult shoppers --seeds 3 --calibrate pool=5
LOOKALIKE_DATA=… python benchmarks/calibration.py shoppers --engine ensemble --calibrate pool=25 --calibrate fine_pairs=100

Accuracy is given against the training rows and against the holdout, each beside what a fresh sample is expected to score;
detection and DCR share are means over --draws tables, as one draw of the same model moves them by .005.
"""

from __future__ import annotations

import argparse
import time
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np

import lookalike
from common import peak_megabytes, record, settings_of, table_path
from lookalike import Run
from lookalike.evaluate.accuracy import accuracy
from lookalike.evaluate.detection import detection
from lookalike.evaluate.membership import membership
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import prepare
from lookalike.evaluate.privacy import closeness_and_ratios
from lookalike.refine.calibrate import Calibration, CalibrationSettings
from lookalike.rng import derive_seed
from lookalike.schema.encoded import concatenate
from lookalike.table import as_table

BATCH = 50_000
FIGURES = ("accuracy_train", "accuracy_holdout", "fresh", "auc", "dcr_share", "member_distance", "member_density")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, any setting of the engine")
    parser.add_argument("--calibrate", action="append", default=[], help="NAME=VALUE, any setting of calibration")
    parser.add_argument("--twins", type=Path, help="a folder where fitted twins are kept and found again")
    arguments = parser.parse_args()
    settings = CalibrationSettings.build({"calibrate": True, **settings_of(arguments.calibrate)})
    warnings.simplefilter("ignore", lookalike.LookalikeWarning)
    print("table seed calibrated " + " ".join(FIGURES))
    for name in arguments.tables:
        for seed in range(arguments.seeds):
            twin = fitted(name, arguments.engine, seed, settings_of(arguments.set), arguments.twins)
            for row in measure(name, twin, settings, seed, arguments.draws):
                print(name, seed, row["calibrated"], *(f"{row[figure]:.4f}" for figure in FIGURES), flush=True)
                about = {"table": name, "engine": arguments.engine, "seed": seed, "set": arguments.set}
                record("calibration", [{**about, **row, "peak_megabytes": round(peak_megabytes())}])


def fitted(name, engine, seed, settings, folder):
    told = "".join(f"-{key}={value}" for key, value in settings.items() if not isinstance(value, (list, dict)))
    path = None if folder is None else folder / f"{name}-{engine}-{seed}{told}.twin"
    if path is not None and path.exists():
        return lookalike.load(path)
    twin = lookalike.fit(table_path(name), engine=engine, seed=seed, run=Run(), **settings)
    if path is not None:
        twin.save(path)
    return twin


def measure(name, twin, settings, seed, draws):
    """Two rows of figures: without, with."""
    table = as_table(table_path(name)).data
    real = twin.encoder.encode(table, seed=0)
    size = len(real)
    start = time.perf_counter()
    pool = drawn(twin, settings.pool * size, seed)
    pool_seconds = time.perf_counter() - start
    start = time.perf_counter()
    calibration = Calibration.fit(real, pool, settings, seed)
    fit_seconds = time.perf_counter() - start
    start = time.perf_counter()
    chosen = [pool.take(calibration.choose(pool, size, draw)) for draw in range(draws)]
    plain = [drawn(twin, size, derive_seed(seed, "plain", draw)) for draw in range(draws)]
    seconds = {
        "pool_seconds": round(pool_seconds, 1),
        "calibrate_seconds": round(fit_seconds, 2),
        "choose_seconds": round((time.perf_counter() - start) / draws, 2),
    }
    yield {"calibrated": False, **figures(name, twin, plain)}
    changed = settings.model_dump(exclude_unset=True)
    yield {
        "calibrated": True,
        **figures(name, twin, chosen),
        **seconds,
        "settings": changed,
        "notes": calibration.notes,
    }


def drawn(twin, rows, seed):
    parts = [
        twin.encoder.ties.settle(twin.model.sample(min(BATCH, rows - first), seed=derive_seed(seed, "pool", first)))
        for first in range(0, rows, BATCH)
    ]
    return concatenate(parts)


def figures(name, twin, tables):
    """Means over tables of what the judge says of each."""
    real, holdout = (as_table(table_path(name, part)).data for part in ("train", "holdout"))
    found = []
    for seed, encoded in enumerate(tables):
        synthetic = twin.encoder.decode(encoded, seed=seed)
        columns = prepare({"real": real, "synthetic": synthetic, "holdout": holdout}, twin.schema)
        encoder = Encoder(columns, seed)
        against = [bins(twin.schema, reference, synthetic, seed) for reference in (real, holdout)]
        members = membership(columns, ["synthetic", "holdout"], seed, encoder)
        found.append(
            [
                against[0]["overall"],
                against[1]["overall"],
                against[0]["max"]["overall"],
                detection(columns, seed)["auc"],
                closeness_and_ratios(columns, seed, encoder)[0]["share"],
                members["distance"]["auc"],
                members["density"]["auc"],
            ]
        )
    return dict(zip(FIGURES, np.mean(found, axis=0).round(5).tolist(), strict=True))


def bins(schema, reference, synthetic, seed):
    """mostlyai-qa's accuracy against these rows alone."""
    columns = prepare({"real": reference, "synthetic": synthetic}, schema)
    pairs = np.array(list(combinations(range(len(columns)), 2)))
    return accuracy(columns, ["synthetic"], (pairs, len(pairs)), seed).summary("synthetic")


if __name__ == "__main__":
    main()
