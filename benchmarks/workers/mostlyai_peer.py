"""One fit by ``mostlyai-engine``, with its defaults, as a black box. Runs in the peer's own environment."""

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pandas as pd
import torch
from measured import report
from mostlyai import engine

warnings.simplefilter("ignore")
job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])
frame = pd.read_parquet(job["table"])
with tempfile.TemporaryDirectory() as folder:
    start = time.perf_counter()
    engine.split(tgt_data=frame, workspace_dir=folder, model_type="TABULAR")
    engine.analyze(workspace_dir=folder)
    engine.encode(workspace_dir=folder)
    engine.train(workspace_dir=folder, **({"max_epochs": job["epochs"]} if job["epochs"] else {}), **job["settings"])
    fitted = time.perf_counter()
    engine.generate(workspace_dir=folder, sample_size=job["rows"])
    rows = pd.read_parquet(Path(folder) / "SyntheticData")
    sampled = time.perf_counter()
rows.to_parquet(job["out"])
report(start, fitted, sampled)
