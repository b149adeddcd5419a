"""One fit by ``sdv``, with its defaults, as a black box. Runs in the peer's own environment."""

import json
import sys
import time
import warnings

import pandas as pd
import torch
from measured import report
from sdv.metadata import Metadata
from sdv.single_table import CTGANSynthesizer, TVAESynthesizer

warnings.simplefilter("ignore")
job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])
frame = pd.read_parquet(job["table"])
start = time.perf_counter()
tables = {"table": frame}
metadata = Metadata.detect_from_dataframes(tables)
model = {"ctgan": CTGANSynthesizer, "tvae": TVAESynthesizer}[job["engine"]](
    metadata, epochs=job["epochs"], **job["settings"]
)
model.fit(tables)
fitted = time.perf_counter()
rows = model.sample(num_rows=job["rows"])
sampled = time.perf_counter()
(rows["table"] if isinstance(rows, dict) else rows).to_parquet(job["out"])
report(start, fitted, sampled)
