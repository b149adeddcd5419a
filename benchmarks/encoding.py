"""How long does it take to learn the columns, to encode and to decode; and what does it cost to fit mixtures on a subsample?

LOOKALIKE_DATA=… python benchmarks/encoding.py kaggle-users --repeat 10 --fit-rows 1000 10000 100000
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pyarrow as pa

import lookalike
from common import peak_megabytes, record, table_path
from lookalike import preparing
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.evaluate.fidelity import shapes
from lookalike.evaluate.prepare import prepare
from lookalike.schema import EncodedTable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--repeat", type=int, default=1, help="lay the table end to end so many times")
    parser.add_argument("--fit-rows", type=int, nargs="+", default=[EncoderSettings().fit_rows])
    arguments = parser.parse_args()
    table, schema = preparing.prepare(table_path(arguments.table))
    data = pa.concat_tables([table.data] * arguments.repeat).combine_chunks()
    for rows in arguments.fit_rows:
        row = {"table": arguments.table, "rows": data.num_rows, "columns": data.num_columns, "fit_rows": rows}
        row |= measure(data, schema, EncoderSettings(fit_rows=rows))
        print(json.dumps(row))
        record("encoding", [row])


def measure(data: pa.Table, schema: lookalike.Schema, settings: EncoderSettings) -> dict[str, float]:
    start = time.perf_counter()
    encoder = TableEncoder(schema, settings)
    encoder.fit(data, seed=0)
    fitted = time.perf_counter()
    encoded = encoder.encode(data, seed=0)
    coded = time.perf_counter()
    encoder.decode(encoded, seed=0)
    decoded = time.perf_counter()
    return {
        "fit_seconds": round(fitted - start, 2),
        "encode_seconds": round(coded - fitted, 2),
        "decode_seconds": round(decoded - coded, 2),
        "shapes_of_independent_columns": round(independent(data, schema, encoder, encoded), 5),
        "peak_megabytes": round(peak_megabytes()),
    }


def independent(data: pa.Table, schema: lookalike.Schema, encoder: TableEncoder, encoded: EncodedTable) -> float:
    """Column shapes when codes are real but what lies inside a mode is drawn anew: what the encoding itself costs.

    Residuals are drawn from a normal cut at ±1, which is what a mode stands for.
    """
    rng = np.random.default_rng(0)
    drawn = np.clip(rng.normal(0, 0.25, encoded.residuals.shape), -1, 1) * (encoded.residuals != 0)
    synthetic = encoder.decode(EncodedTable(encoded.columns, encoded.codes, drawn), seed=1)
    scores = [
        entry["score_synthetic"]
        for entry in shapes(prepare({"real": data, "synthetic": synthetic}, schema), ["synthetic"])
    ]
    return float(np.nanmean(scores))


if __name__ == "__main__":
    main()
