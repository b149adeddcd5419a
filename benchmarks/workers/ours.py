"""One fit by lookalike, in a process of its own, as the peers get one."""

import json
import sys
import time
import warnings

import pandas as pd
import torch
from measured import report

import lookalike
from lookalike import fit  # loads what a fit needs, as the peers' imports do, before the clock starts

warnings.simplefilter("ignore")
job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])
frame = pd.read_parquet(job["table"])
settings = job["settings"] | ({"epochs": job["epochs"]} if job["epochs"] else {})
start = time.perf_counter()
twin = fit(frame, engine=job["engine"], run=lookalike.Run(), seed=job["seed"], **settings)
fitted = time.perf_counter()
rows = twin.sample(job["rows"], seed=job["seed"])
sampled = time.perf_counter()
rows.to_parquet(job["out"])
told = twin.information["notes"].get("training", {})
gap = {"memory_gap": told["memory_gap"]} if "memory_gap" in told else {}
report(start, fitted, sampled, picked=twin.picked, epochs=len(twin.losses), **gap)
