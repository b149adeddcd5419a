"""One fit by the package ``ctgan``, with its defaults, as a black box. Runs in the peer's own environment."""

import json
import sys
import time
import warnings

import pandas as pd
import torch
from ctgan import CTGAN, TVAE
from measured import report

warnings.simplefilter("ignore")
job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])
frame = pd.read_parquet(job["table"])
discrete = [name for name in frame if frame[name].dtype.kind not in "if"]
start = time.perf_counter()
model = {"ctgan": CTGAN, "tvae": TVAE}[job["engine"]](epochs=job["epochs"], **job["settings"])
model.fit(frame, discrete)
fitted = time.perf_counter()
rows = model.sample(job["rows"])
sampled = time.perf_counter()
rows.to_parquet(job["out"])
report(start, fitted, sampled)
