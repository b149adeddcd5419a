"""Figures that bear a known name are the known figures: those of sdmetrics 0.32.0 and mostlyai-qa 1.10.11."""

from __future__ import annotations

import warnings

import pytest

from evaluate import frozen
from lookalike.evaluate import score

# Made once with sdmetrics 0.32.0, pandas 2.3.3, on the tables of frozen.py:
#   report = QualityReport(); report.generate(real, synthetic, frozen.sdmetrics_metadata()); report.get_properties()
# and the same for DiagnosticReport; "pair_trends_all" with both real_*_threshold = 0.
FROZEN = {
    "quality": 0.9326466095902928,
    "column_shapes": 0.9607285753934209,
    "pair_trends": 0.9045646437871646,
    "pair_trends_all": 0.931390169393806,
}
FROZEN_DIAGNOSTIC = {"score": 0.9968563941299791, "validity": 0.9937127882599581, "structure": 1.0}
FROZEN_SHAPES = {"age": 0.997333333, "income": 0.905333333, "debt": 0.867238964, "city": 0.953984881, "member": 0.977}

# Made once with mostlyai-qa 1.10.11 on the same tables and a holdout of 700 rows, shift 2, by benchmarks/parity.py's
# ``their_figures``; it rounds the figure of each column, pair and triple to five places.
FROZEN_ACCURACY = {
    "overall": 0.8872104761904763,
    "univariate": 0.978048888888889,
    "bivariate": 0.8927344444444445,
    "trivariate": 0.7908480952380953,
}
FROZEN_MAX = {
    "overall": 0.923758902116402,
    "univariate": 0.9682677777777778,
    "bivariate": 0.9286783333333332,
    "trivariate": 0.8743305952380952,
}


def tables():
    return frozen.table(1500, 0), frozen.table(1200, 1)


def test_quality_equals_the_frozen_figures():
    fidelity = score(*tables(), frozen.SCHEMA)["fidelity"]
    assert {name: fidelity[name] for name in FROZEN} == pytest.approx(FROZEN, abs=1e-6)
    shapes = {entry["column"]: entry["score"] for entry in fidelity["columns"]}
    assert {name: shapes[name] for name in FROZEN_SHAPES} == pytest.approx(FROZEN_SHAPES, abs=1e-6)


def test_diagnostic_equals_the_frozen_figures():
    diagnostic = score(*tables(), frozen.SCHEMA)["diagnostic"]
    assert {name: diagnostic[name] for name in FROZEN_DIAGNOSTIC} == pytest.approx(FROZEN_DIAGNOSTIC, abs=1e-6)


def test_accuracy_equals_the_frozen_figures():
    accuracy = score(*tables(), frozen.SCHEMA, holdout=frozen.table(700, 2))["fidelity"]["accuracy"]
    assert {name: accuracy[name] for name in FROZEN_ACCURACY} == pytest.approx(FROZEN_ACCURACY, abs=5e-6)
    assert accuracy["max"] == pytest.approx(FROZEN_MAX, abs=5e-6)


def test_every_figure_equals_sdmetrics_where_it_is_installed():
    pytest.importorskip("sdmetrics", reason="sdmetrics is not installed: parity is held against frozen figures only")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs_shapes, theirs_pairs, theirs_validity, their_quality, their_diagnostic = reports()
    card = score(*tables(), frozen.SCHEMA)
    assert card["fidelity"]["quality"] == pytest.approx(their_quality, abs=1e-6)
    assert card["diagnostic"]["score"] == pytest.approx(their_diagnostic, abs=1e-6)
    assert {entry["column"]: entry["score"] for entry in card["fidelity"]["columns"]} == pytest.approx(
        theirs_shapes, abs=1e-6
    )
    assert {entry["column"]: entry["score"] for entry in card["diagnostic"]["columns"]} == pytest.approx(
        theirs_validity, abs=1e-6
    )
    ours = {tuple(entry["columns"]): entry for entry in card["fidelity"]["pair_scores"]}
    assert {names for names, entry in ours.items() if entry["strong"]} == set(theirs_pairs)
    assert {names: ours[names]["score"] for names in theirs_pairs} == pytest.approx(theirs_pairs, abs=1e-6)


def reports():
    from sdmetrics.reports.single_table import DiagnosticReport, QualityReport

    real, synthetic = (table.drop_columns(["comment"]).to_pandas() for table in tables())
    quality, diagnostic = QualityReport(), DiagnosticReport()
    for report in (quality, diagnostic):
        report.generate(real.copy(), synthetic.copy(), frozen.sdmetrics_metadata(), verbose=False)
    shapes = quality.get_details("Column Shapes").set_index("Column")["Score"].to_dict()
    pairs = quality.get_details("Column Pair Trends")
    strong = pairs[pairs["Meets Threshold?"].fillna(False)]
    validity = diagnostic.get_details("Data Validity").set_index("Column")["Score"].to_dict()
    named = {(row["Column 1"], row["Column 2"]): row["Score"] for _, row in strong.iterrows()}
    return shapes, named, validity, quality.get_score(), diagnostic.get_score()
