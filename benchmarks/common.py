"""What every benchmark needs: the tables, the machine in words, and a dated file for what was found."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def table_path(name: str, part: str = "train") -> Path:
    """``adult`` → ``$LOOKALIKE_DATA/adult-train.parquet``."""
    folder = os.environ.get("LOOKALIKE_DATA")
    if not folder:
        sys.exit("Set LOOKALIKE_DATA to the folder that holds the tables.")
    candidates = [Path(folder) / f"{name}-{part}.parquet", Path(folder) / f"{name}.csv"]
    found = next((path for path in candidates if path.exists()), None)
    if found is None or (part != "train" and found.suffix == ".csv"):
        sys.exit(f"{candidates[0]} does not exist.")
    return found


def machine() -> str:
    """The machine in a few words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}, {platform.system()}"


def peak_megabytes() -> float:
    """Largest memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if platform.system() == "Linux" else 1024**2)


def record(question: str, rows: list[dict[str, Any]]) -> Path:
    """Append rows to today's file for this question."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{question}-{date.today().isoformat()}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({**row, "machine": machine()}) + "\n")
    return path
