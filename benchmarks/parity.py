"""Are our figures those that sdmetrics and mostlyai-qa give?

    LOOKALIKE_DATA=… python benchmarks/parity.py adult shoppers --epochs 5 --rows 5000

Both peers run in one virtual environment of their own (made on first use), on the same parsed cells as we do: numbers as
floats, dates as timestamps, labels as text. Four "generators" make the synthetic table: a twin of few epochs, the training
rows with every column shuffled by itself, these with the first of every two rows as it was, and one half of the holdout
(the other half is then the holdout of all).

sdmetrics' subsampling is off. mostlyai-qa's own functions are called in the order its report calls them, without its plots;
distances are taken on at most 5,000 rows of each table, the same ones for both, over all columns at once (its report
shows the largest share of those over seven subsets of the columns). ``dcr_share_theirs`` is our kernel on the rows as
mostlyai-qa encoded them: where it agrees and ``dcr_share`` does not, what differs is how labels are told apart.
``overfitting`` is sdmetrics' DCROverfittingProtection, on 500 synthetic rows against 2,500 of each real table.

Where figures may part: mostlyai-qa replaces a label column by random tokens of its text as soon as more than 5 % of one
table's rows hold a value of their own (printed as "texts"); it draws other triples than we do beyond 10,000; and its
distances embed labels, where ours call them equal or not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import lookalike
from common import peer_python, record, table_path
from lookalike.evaluate import privacy
from lookalike.evaluate.accuracy import accuracy
from lookalike.evaluate.fidelity import quality, shapes
from lookalike.evaluate.pairs import pair_trends
from lookalike.evaluate.prepare import Column, prepare
from lookalike.neighbours import Rows, nearest
from lookalike.schema import Schema
from lookalike.schema.infer import infer_schema
from lookalike.table import as_table

PEERS = ["torch==2.13.0", "sdmetrics==0.32.0", "mostlyai-qa==1.10.11", "pyarrow"]
DISTANCE_ROWS = 5_000
ACCURACIES = ("overall", "univariate", "bivariate", "trivariate")
ALLOWED = dict.fromkeys(["dcr_share", "dcr_share_theirs"], 0.01) | dict.fromkeys(
    [*ACCURACIES, *(f"{name}_max" for name in ACCURACIES)], 0.002
)
SAME = 1e-6
"""What figures that are nowhere subsampled may differ by."""
GENERATORS = ("twin", "shuffled", "fresh", "copied")
THEIRS = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
from pathlib import Path
import numpy as np, pandas as pd
folder = Path(sys.argv[1])
metadata = json.loads((folder / "metadata.json").read_text())
frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("real", "synthetic", "holdout")}

from sdmetrics.reports.single_table import QualityReport
result, start = {}, time.perf_counter()
for suffix, thresholds in (("", {}), ("_all", {"real_correlation_threshold": 0, "real_association_threshold": 0})):
    report = QualityReport()
    report.num_rows_subsample = None
    for name, value in thresholds.items():
        setattr(report, name, value)
    report.generate(frames["real"].copy(), frames["synthetic"].copy(), metadata, verbose=False)
    parts = report.get_properties().set_index("Property")["Score"]
    result["pair_trends" + suffix] = float(parts["Column Pair Trends"])
    if not suffix:
        result["quality"], result["column_shapes"] = float(report.get_score()), float(parts["Column Shapes"])
result["sdmetrics_seconds"] = time.perf_counter() - start

from sdmetrics.single_table import DCROverfittingProtection
rows = json.loads(sys.argv[3])
result["overfitting"] = DCROverfittingProtection.compute(
    real_training_data=frames["real"].head(rows["real"]), synthetic_data=frames["synthetic"].head(rows["synthetic"]),
    real_validation_data=frames["holdout"].head(rows["holdout"]), metadata={"tables": {"table": metadata}}, table_name="table")

from mostlyai.qa import _accuracy as qa, _distances as distances, _sampling as sampling
start = time.perf_counter()
real = sampling.prepare_data_for_accuracy(df_tgt=frames["real"].copy(), setup="1:1")
holdout = sampling.prepare_data_for_accuracy(df_tgt=frames["holdout"].copy(), setup="1:1", ori_dtypes=real.dtypes.to_dict())
synthetic = sampling.prepare_data_for_accuracy(df_tgt=frames["synthetic"].copy(), setup="1:1", ori_dtypes=real.dtypes.to_dict())
reference, bins = qa.bin_data(pd.concat([real, holdout], ignore_index=True), 10)
synthetic, _ = qa.bin_data(synthetic, bins)
parts = {"univariate": qa.calculate_univariates, "bivariate": qa.calculate_bivariates, "trivariate": qa.calculate_trivariates}
for name, calculate in parts.items():
    figures = calculate(reference, synthetic)
    result[name], result[name + "_max"] = (float(figures[key].astype(float).mean()) for key in ("accuracy", "accuracy_max"))
for suffix in ("", "_max"):
    values = [result[name + suffix] for name in parts]
    result["overall" + suffix] = float(np.nanmean(values))
result["texts"] = sorted({name for frame in frames.values() for name in frame
                          if sampling.is_text_heuristic(sampling.harmonize_dtype(frame[name]))})
result["accuracy_seconds"] = time.perf_counter() - start

start = time.perf_counter()
few = {name: frame.head(int(sys.argv[2])) for name, frame in frames.items()}
encoded = sampling.prepare_data_for_embeddings(
    syn_tgt_data=few["synthetic"], trn_tgt_data=few["real"], hol_tgt_data=few["holdout"])
to_real = distances.calculate_dcrs_nndrs(encoded[1], encoded[0])[0]
to_holdout = distances.calculate_dcrs_nndrs(encoded[2], encoded[0])[0]
result["dcr_share"] = float(distances.calculate_dcr_share(to_real, to_holdout))
np.savez(folder / "encoded.npz", **dict(zip(("synthetic", "real", "holdout"), map(np.asarray, encoded))))
result["dcr_share_theirs"] = result["dcr_share"]
result["distance_seconds"] = time.perf_counter() - start
print(json.dumps(result))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=GENERATORS)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, help="rows of each table at most; all when left out")
    parser.add_argument("--drop", nargs="*", default=[], help="columns to leave out")
    arguments = parser.parse_args()
    python = peer_python("judges", PEERS)
    failed = False
    for name in arguments.tables:
        real, holdout = load(name, arguments.rows, arguments.drop)
        for generator in arguments.generators:
            row = {"table": name, "generator": generator, **compare(python, real, holdout, generator, arguments.epochs)}
            failed |= bool(row["apart"])
            record("parity", [row])
    sys.exit(int(failed))


def load(name: str, rows: int | None, drop: list[str]) -> tuple[pa.Table, pa.Table]:
    """Training rows and holdout, shuffled; a table without a holdout of its own is cut in half."""
    source = table_path(name)
    tables = [as_table(source).data]
    if source.suffix == ".csv":
        order = np.random.default_rng(0).permutation(tables[0].num_rows)
        tables = [tables[0].take(pa.array(half)) for half in np.array_split(order, 2)]
    else:
        tables.append(as_table(table_path(name, "holdout")).data)
    return tuple(shuffled(table.drop_columns([c for c in drop if c in table.column_names]), rows) for table in tables)


def shuffled(table: pa.Table, rows: int | None = None) -> pa.Table:
    return table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)[:rows]))


def made_by(generator: str, real: pa.Table, holdout: pa.Table, epochs: int) -> tuple[Schema, pa.Table, pa.Table]:
    """The schema, the synthetic table and what is left as a holdout."""
    if generator == "twin":
        twin = lookalike.fit(real, engine="tvae", epochs=epochs, early_stopping=False, run=lookalike.Run())
        return twin.schema, pa.concat_tables(batch.data for batch in twin.batches(real.num_rows, seed=1)), holdout
    schema = infer_schema(real)
    if generator == "shuffled":
        random = np.random.default_rng(2)
        columns = [column.take(pa.array(random.permutation(real.num_rows))) for column in real.columns]
        return schema, pa.table(columns, names=real.column_names), holdout
    if generator == "copied":
        _, strangers, _ = made_by("shuffled", real, holdout, epochs)
        both = pa.concat_tables([real, strangers])
        kept = np.arange(real.num_rows) + real.num_rows * (np.arange(real.num_rows) % 2)
        return schema, both.take(pa.array(kept)), holdout
    half = holdout.num_rows // 2
    return schema, holdout.slice(0, half), holdout.slice(half)


def compare(python: str, real: pa.Table, holdout: pa.Table, generator: str, epochs: int) -> dict[str, Any]:
    schema, synthetic, holdout = made_by(generator, real, holdout, epochs)
    tables = {"real": real, "synthetic": synthetic, "holdout": holdout}
    few = min(DISTANCE_ROWS, *(table.num_rows for table in tables.values()))
    columns = prepare(tables, schema)
    ours = our_figures(columns, prepare({name: table.slice(0, few) for name, table in tables.items()}, schema))
    protected = {"synthetic": privacy.PROTECTION_QUERIES, **dict.fromkeys(["real", "holdout"], privacy.PROTECTION_ROWS)}
    protected = {name: min(most, few) for name, most in protected.items()}
    least = prepare({name: tables[name].slice(0, rows) for name, rows in protected.items()}, schema)
    ours["overfitting"] = privacy.protection(least, ["synthetic", "holdout"], seed=0)["overfitting"]
    theirs, encoded = their_figures(python, columns, few, protected)
    ours["dcr_share_theirs"] = share(**{name: dense(rows) for name, rows in encoded.items()})
    figures = {name: (ours[name], theirs[name]) for name in ours if name in theirs}
    apart = [name for name, (mine, other) in figures.items() if abs(mine - other) > ALLOWED.get(name, SAME)]
    print(f"{'':16}{'ours':>12}{'theirs':>12}{'difference':>12}")
    for name, (mine, other) in figures.items():
        print(f"{name:16}{mine:12.6f}{other:12.6f}{mine - other:12.1e}{'  !' if name in apart else ''}")
    return {
        "rows": {name: table.num_rows for name, table in tables.items()},
        "columns": len(columns),
        **{name: {"ours": round(mine, 7), "theirs": round(other, 7)} for name, (mine, other) in figures.items()},
        "apart": apart,
        "texts": theirs["texts"],
        "seconds": {name: round(both[name], 2) for both in (ours, theirs) for name in both if name.endswith("seconds")},
        "peers": PEERS,
    }


def dense(rows: np.ndarray) -> Rows:
    """Encoded rows (n, p) as our kernel takes them."""
    rows = rows.astype(np.float32)
    return Rows(rows, np.zeros((0, len(rows)), np.int32), np.square(rows).sum(axis=1))


def share(synthetic: Rows, real: Rows, holdout: Rows) -> float:
    """The DCR share of encoded rows, by our kernel."""
    to_real, to_holdout = (nearest(synthetic, side, 1).distances[:, 0] for side in (real, holdout))
    return float((to_real < to_holdout).mean() + (to_real == to_holdout).mean() / 2)


def our_figures(columns: list[Column], few: list[Column]) -> dict[str, float]:
    start = time.perf_counter()
    pairs = pair_trends(columns, ["synthetic"], seed=0)
    figures = quality(shapes(columns, ["synthetic"]), pairs, "synthetic")
    quality_seconds = time.perf_counter() - start
    start = time.perf_counter()
    scored = accuracy(columns, ["synthetic"], (pairs.places, pairs.possible), seed=0).summary("synthetic")
    maxima = {f"{name}_max": value for name, value in scored.pop("max").items()}
    return {
        **figures,
        **scored,
        **maxima,
        "dcr_share": privacy.closeness(few, seed=0)["share"],
        "our_quality_seconds": quality_seconds,
        "our_accuracy_seconds": time.perf_counter() - start,
    }


def their_figures(
    python: str, columns: list[Column], few: int, protected: dict[str, int]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Their figures, and the rows as they encode them for distances."""
    sdtypes = {"integer": "numerical", "float": "numerical", "datetime": "datetime", "boolean": "boolean"}
    metadata = {
        "columns": {column.name: {"sdtype": sdtypes.get(column.spec.kind, "categorical")} for column in columns}
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "metadata.json").write_text(json.dumps(metadata))
        for side in ("real", "synthetic", "holdout"):
            pd.DataFrame({column.name: cells(column, side) for column in columns}).to_parquet(
                Path(folder) / f"{side}.parquet"
            )
        command = [python, "-c", THEIRS, folder, str(few), json.dumps(protected)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        with np.load(Path(folder) / "encoded.npz") as encoded:
            return dict(json.loads(done.stdout.strip().splitlines()[-1])), dict(encoded)


def cells(column: Column, side: str) -> pd.Series:
    """A column as their readers expect it; the ticks of a date count as nanoseconds, which keeps their order."""
    part = column.sides[side]
    if not column.numeric:
        assert column.vocabulary is not None
        levels = np.array([*map(str, column.vocabulary.to_pylist()), None], dtype=object)
        return pd.Series(levels[part.codes], dtype=object)
    assert part.numbers is not None
    if column.spec.kind == "datetime":
        return pd.Series(part.numbers.astype("datetime64[ns]")).mask(part.missing)
    return pd.Series(part.numbers.astype(np.float64)).mask(part.missing)


if __name__ == "__main__":
    main()
