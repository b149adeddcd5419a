"""The same table by a peer and by us, alternating in one run: how long do fit and sampling take, at what memory, how well?

    LOOKALIKE_DATA=… python benchmarks/fit.py adult --peer ctgan --engine ctgan --epochs 300 --pairs 1
    LOOKALIKE_DATA=… python benchmarks/fit.py adult --peer mostlyai --engine auto --target income --pairs 3

Peers run in their own virtual environments (made on first use) with their defaults, as black boxes; the code of ``ctgan``
and ``sdv`` is Business-Source licensed and neither read nor shipped here. Both sides get the same rows, epochs and threads, a process
each. ``mostlyai-engine`` takes dates that are text for labels, and hides the rare ones: both sides get them as dates. ``ctgan`` takes no missing cells: its labels get one for missing, columns of numbers with gaps are left out, on both
sides. Early stopping is off, so that both take the same steps. The ratio of a pair is theirs ÷ ours, fit and sampling
together; the median over pairs is what counts, as seconds of a shared machine come and go.

A pair has a seed of its own (the peers draw theirs), and so has its judge: with one for all, each pair would be judged on
the same 10,000 rows of train and holdout, and their luck would be every pair's (adult's DCR share: .503 to .518 over four
seeds of the judge). With ``--target`` models are trained on both sides' rows and tested on the holdout. The figures of likeness are ours to compute, on both tables alike: see ``parity.py`` for how they compare with others'.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

import lookalike
from common import likeness, peer_python, record, settings_of, table_path

DATE = r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?"
WORKERS = Path(__file__).parent / "workers"
PEERS = {
    "ctgan": ["torch==2.13.0", "ctgan==0.12.1", "pyarrow"],
    "sdv": ["torch==2.13.0", "sdv==2.0.0", "pyarrow"],
    "mostlyai": ["torch==2.13.0", "mostlyai-engine==2.7.3", "pyarrow"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--peer", default="ctgan", choices=list(PEERS))
    parser.add_argument("--engine", default="ctgan", help="ours; ctgan and tvae are the peer's, too")
    parser.add_argument("--epochs", type=int, default=0, help="0: each side's default")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--target", help="the column to predict, for utility")
    parser.add_argument("--drop", nargs="*", default=[], help="columns to leave out, on both sides")
    parser.add_argument("--python", help="a Python that has the peer, in place of an environment made for it")
    parser.add_argument("--only", choices=["theirs", "ours"], help="one side alone")
    parser.add_argument("--rows", type=int, default=0, help="use so many rows of the table; 0: all")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE, any setting of ours")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, Path(folder))


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    train, holdout = (
        load(arguments.table, part, arguments.peer, arguments.rows).drop(columns=arguments.drop)
        for part in ("train", "holdout")
    )
    train.to_parquet(folder / "train.parquet")
    job = {
        "table": str(folder / "train.parquet"),
        "engine": arguments.engine,
        "epochs": arguments.epochs or (300 if arguments.peer in ("ctgan", "sdv") else 0),
        "rows": len(train),
        "threads": arguments.threads,
    }
    sides: dict[str, tuple[str, str, dict[str, Any]]] = {}
    if arguments.only != "ours":
        python = arguments.python or peer_python(arguments.peer, PEERS[arguments.peer])
        sides["theirs"] = python, f"{arguments.peer}_peer", {}
    if arguments.only != "theirs":
        sides["ours"] = sys.executable, "ours", settings_of(arguments.set)
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for seed in range(arguments.pairs):
        for side, (python, worker, settings) in sides.items():
            here = {"settings": settings, "seed": seed, "out": str(folder / f"{side}.parquet")}
            done = run(python, worker, job | here)
            done |= judge(train, pd.read_parquet(folder / f"{side}.parquet"), holdout, arguments.target, seed)
            found[side].append(done)
            print(side, json.dumps(done), flush=True)
    row = {
        "table": arguments.table,
        "rows": len(train),
        "columns": train.shape[1],
        "engine": arguments.engine,
        "settings": settings_of(arguments.set),
        "dropped": arguments.drop,
        "epochs": job["epochs"],
        "threads": arguments.threads,
        "peer": PEERS[arguments.peer][1],
        "pairs": arguments.pairs,
        **{side: {name: middle(runs, name) for name in runs[0]} for side, runs in found.items()},
    }
    if not arguments.only:
        row["median_ratio"] = round(statistics.median(map(ratio, found["theirs"], found["ours"])), 2)
    print(json.dumps(row))
    record("fit", [row])


def load(name: str, part: str, peer: str, rows: int) -> pd.DataFrame:
    """The part of the table, without what the peer cannot take."""
    path = table_path(name, part)
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    frame = frame.head(rows) if rows else frame
    if peer == "ctgan":
        gaps = [column for column in frame if frame[column].isna().any()]
        frame = frame.drop(columns=[column for column in gaps if frame[column].dtype.kind in "ifM"])
        for column in set(gaps) & set(frame):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), "missing")
    if peer == "mostlyai":
        for column in frame.select_dtypes(["object", "string"]):
            if frame[column].dropna().astype(str).str.fullmatch(DATE).all():
                frame[column] = pd.to_datetime(frame[column], format="ISO8601").astype("datetime64[us]")
    return frame


def run(python: str, worker: str, job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([python, str(WORKERS / f"{worker}.py"), json.dumps(job)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in told.items()}


def judge(
    train: pd.DataFrame, synthetic: pd.DataFrame, holdout: pd.DataFrame, target: str | None, seed: int
) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lookalike.LookalikeWarning)
        card = lookalike.evaluate(train, synthetic, holdout=holdout, target=target, seed=seed)
    useful = card["utility"]["headline"] or {}
    return {
        **likeness(card),
        "rules_broken": card["fidelity"]["dependencies"]["broken"],
        **{name: round(value, 4) for name, value in useful.items() if isinstance(value, float)},
    }


def middle(runs: list[dict[str, Any]], name: str) -> Any:
    """The median of numbers, the most frequent of words."""
    values = [found[name] for found in runs]
    return statistics.mode(values) if isinstance(values[0], str) else statistics.median(values)


def ratio(theirs: dict[str, Any], ours: dict[str, Any]) -> float:
    return sum(theirs[part] for part in ("fit_seconds", "sample_seconds")) / sum(
        ours[part] for part in ("fit_seconds", "sample_seconds")
    )


if __name__ == "__main__":
    main()
