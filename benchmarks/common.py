"""What every benchmark needs: the tables, the machine in words, and a dated file for what was found."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PEERS = Path(__file__).parent / ".peers"


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
    import torch  # only now: a script that measures memory has no more in it than what it measures

    cards = [torch.cuda.get_device_name(card) for card in range(torch.cuda.device_count())]
    return ", ".join(
        [f"{os.cpu_count()} cores", model, *cards, f"Python {platform.python_version()}", platform.system()]
    )


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


def likeness(card: Any) -> dict[str, float]:
    """What a scorecard says of likeness and closeness, rounded to what is worth reading."""
    fidelity, privacy = card["fidelity"], card["privacy"]
    accuracy, membership = fidelity["accuracy"], privacy["membership"]
    return {
        "quality": round(fidelity["quality"], 4),
        "accuracy": round(accuracy["overall"], 4),
        "accuracy_of_fresh": round(accuracy["overall"] / accuracy["max"]["overall"], 4),
        "detection_auc": round(fidelity["detection"]["auc"], 3),
        "dcr_share": round(privacy["closeness"]["share"], 4),
        "membership_auc": round(max(membership["distance"]["auc"], membership["density"]["auc"]), 3),
    }


def settings_of(items: list[str]) -> dict[str, Any]:
    """``["epochs=3", "precision=bfloat16"]`` → ``{"epochs": 3, "precision": "bfloat16"}``."""
    settings = {}
    for item in items:
        name, _, value = item.partition("=")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def peer_python(name: str, packages: list[str]) -> str:
    """The Python of a virtual environment of its own under ``.peers``, made on first use; packages one after the other.

    Torch comes first in a list that holds it, so that no later package pulls a build for graphics cards. Its companions for
    pictures and sound, which some packages pull in, are taken out: built for another torch, they break the import of those.
    """
    python = PEERS / name / "bin" / "python"
    done = PEERS / name / "installed.json"
    if not done.exists() or json.loads(done.read_text(encoding="utf-8")) != packages:
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / name)], check=True)
        for package in packages:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", package], check=True)
        remove = [str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "torchvision", "torchaudio"]
        subprocess.run(remove, check=True, stderr=subprocess.DEVNULL)
        done.write_text(json.dumps(packages), encoding="utf-8")
    return str(python)
