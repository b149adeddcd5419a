"""How many rows a second come out, frame and all, theirs and ours; and does memory stay put on the way to a file?

    LOOKALIKE_DATA=… python benchmarks/sampling.py adult --peer sdv --rows 100000

The peer is ``sdv`` (what its users call) or ``ctgan`` (what ``sdv`` calls, without its frame around it).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fit import PEERS, load, run

import lookalike
from common import peer_python, record, table_path

TO_FILE = """
import json, resource, sys, time, lookalike
twin = lookalike.load(sys.argv[1])
twin.sample(1000, seed=0)
start = time.perf_counter()
twin.sample_to(sys.argv[2], int(sys.argv[3]), seed=1)
print(json.dumps({"seconds": round(time.perf_counter() - start, 2),
                  "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--engines", nargs="+", default=["ctgan", "tvae"], choices=["ctgan", "tvae"])
    parser.add_argument("--peer", default="sdv", choices=["sdv", "ctgan"])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--file-rows", type=int, nargs="*", default=[100_000, 1_000_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for engine in arguments.engines:
            row = {"table": arguments.table, "engine": engine, "peer": PEERS[arguments.peer][1], "rows": arguments.rows}
            row |= frames(arguments, engine, Path(folder))
            if arguments.file_rows:
                row["to_parquet"] = to_file(arguments, engine, Path(folder))
            print(json.dumps(row))
            record("sampling", [row])


def frames(arguments: argparse.Namespace, engine: str, folder: Path) -> dict[str, float]:
    """Rows a second of both sides after one epoch, alternating; the first sampling after a fit, as a user meets it."""
    load(arguments.table, "train", arguments.peer, 0).to_parquet(folder / "train.parquet")
    job = {"table": str(folder / "train.parquet"), "engine": engine, "epochs": 1, "rows": arguments.rows, "seed": 0}
    job |= {"threads": os.cpu_count(), "settings": {}, "out": str(folder / "rows.parquet")}
    theirs, ours = [], []
    for _ in range(arguments.pairs):
        python = peer_python(arguments.peer, PEERS[arguments.peer])
        theirs.append(arguments.rows / run(python, f"{arguments.peer}_peer", job)["sample_seconds"])
        ours.append(arguments.rows / run(sys.executable, "ours", job)["sample_seconds"])
    return {
        "their_rows_a_second": round(statistics.median(theirs)),
        "our_rows_a_second": round(statistics.median(ours)),
        "median_ratio": round(statistics.median(b / a for a, b in zip(theirs, ours, strict=True)), 1),
    }


def to_file(arguments: argparse.Namespace, engine: str, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds and peak memory of sampling straight to Parquet, a process for each number of rows."""
    twin = folder / f"{engine}.twin"
    lookalike.fit(table_path(arguments.table), engine=engine, epochs=1, run=lookalike.Run()).save(twin)
    found = {}
    for rows in arguments.file_rows:
        command = [sys.executable, "-c", TO_FILE, str(twin), str(folder / f"{rows}.parquet"), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[str(rows)] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
