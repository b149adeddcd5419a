"""The same steps by ``ctgan`` and by us, alternating in one run: who is faster, and by how much?

    LOOKALIKE_DATA=… python benchmarks/peers.py adult --engine ctgan --epochs 5 --pairs 3

The peer runs in its own virtual environment (made on first use) with its defaults, as a black box; its code is
Business-Source licensed and neither read nor shipped here. Both get the same table, the same epochs, the same threads,
and one process each; early stopping and the held-out part are off on our side, so that both take the same steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from common import record, table_path

PEERS = Path(__file__).parent / ".peers"
PEER = "ctgan==0.12.1"
THEIRS = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd, torch
from ctgan import CTGAN, TVAE
path, engine, epochs = sys.argv[1:]
frame = pd.read_parquet(path).dropna(axis=1, how="any") if path.endswith("parquet") else pd.read_csv(path)
discrete = [name for name in frame if frame[name].dtype.kind not in "if"]
start = time.perf_counter()
{"ctgan": CTGAN, "tvae": TVAE}[engine](epochs=int(epochs)).fit(frame, discrete)
print(json.dumps({"seconds": time.perf_counter() - start, "columns": frame.shape[1], "rows": len(frame),
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
OURS = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd, lookalike
path, engine, epochs = sys.argv[1:]
frame = pd.read_parquet(path).dropna(axis=1, how="any") if path.endswith("parquet") else pd.read_csv(path)
start = time.perf_counter()
lookalike.fit(frame, engine=engine, epochs=int(epochs), early_stopping=False, run=lookalike.Run())
print(json.dumps({"seconds": time.perf_counter() - start, "columns": frame.shape[1], "rows": len(frame),
                  "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def peer_python() -> str:
    """The peer's own environment, made on first use."""
    python = PEERS / "ctgan" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / "ctgan")], check=True)
        for package in ("torch==2.13.0", PEER, "pyarrow"):
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", package], check=True)
    return str(python)


def run(python: str, code: str, *arguments: str) -> dict:
    done = subprocess.run([python, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--engine", default="ctgan", choices=["ctgan", "tvae"])
    parser.add_argument("--epochs", default="5")
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    path = str(table_path(arguments.table))
    theirs_python = peer_python()
    pairs = []
    for place in range(arguments.pairs):
        theirs = run(theirs_python, THEIRS, path, arguments.engine, arguments.epochs)
        ours = run(sys.executable, OURS, path, arguments.engine, arguments.epochs)
        pairs.append((theirs, ours))
        print(
            f"pair {place + 1}: theirs {theirs['seconds']:.1f} s, ours {ours['seconds']:.1f} s, ratio {theirs['seconds'] / ours['seconds']:.1f}"
        )
    ratios = [theirs["seconds"] / ours["seconds"] for theirs, ours in pairs]
    row = {
        "table": arguments.table,
        "engine": arguments.engine,
        "epochs": int(arguments.epochs),
        "peer": PEER,
        "rows": pairs[0][1]["rows"],
        "columns": pairs[0][1]["columns"],
        "their_seconds": round(statistics.median(theirs["seconds"] for theirs, _ in pairs), 2),
        "our_seconds": round(statistics.median(ours["seconds"] for _, ours in pairs), 2),
        "median_ratio": round(statistics.median(ratios), 2),
        "their_peak_megabytes": round(max(theirs["peak"] for theirs, _ in pairs)),
        "our_peak_megabytes": round(max(ours["peak"] for _, ours in pairs)),
    }
    print(json.dumps(row))
    record("peers", [row])


if __name__ == "__main__":
    main()
