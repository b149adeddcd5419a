"""What becomes of missing cells, columns derived by an expression, and outliers: each does what it says."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike
from conftest import quick_fit
from lookalike import LookalikeWarning, preparing
from lookalike.encode.base import EncoderSettings
from lookalike.encode.missing import treat_missing
from lookalike.errors import SchemaError, SettingsError
from lookalike.schema import Schema
from lookalike.schema.infer import infer_schema


def gaps() -> pa.Table:
    return pa.table({
        "n": pa.array([1, 5, 5, 9, 20, None], pa.int16()),
        "text": ["1.5", "?", "2.5", "1.5", "9.0", "2.0"],
        "day": pa.array([date(2024, 1, day) if day else None for day in (1, 0, 3, 3, 9, 8)]),
        "label": pa.array(["a", "b", None, "b", "c", "a"]).dictionary_encode(),
        "flag": [True, None, False, False, True, False],
        "whole": [1, 2, 3, 4, 5, 6],
    })  # fmt: skip


def treated(table: pa.Table, how: str = "model", **own) -> pa.Table:
    schema = infer_schema(table)
    for name, one in own.items():
        schema = schema.replace(name, missing=one)
    assert Schema.from_json(schema.to_json()) == schema
    return treat_missing(table, schema, EncoderSettings(missing=how))


def test_what_is_filled_in():
    table = gaps()
    mode, median = treated(table, "mode"), treated(table, "median")
    assert mode.schema == median.schema == table.schema
    assert (mode["n"][5].as_py(), median["n"][5].as_py()) == (5, 5)
    assert (mode["text"][1].as_py(), median["text"][1].as_py()) == ("1.5", "2.0")
    assert (mode["day"][1].as_py(), median["day"][1].as_py()) == (date(2024, 1, 3), date(2024, 1, 3))
    assert mode["label"].to_pylist()[2] == median["label"].to_pylist()[2] == "a"
    assert mode["flag"][1].as_py() is False
    assert treated(table) is table


@pytest.mark.filterwarnings("ignore:column:lookalike.LookalikeWarning")
def test_one_column_alone_and_rows_dropped():
    table = gaps()
    one = treated(table, n="median")
    assert one["n"].null_count == 0 and one["day"].null_count == 1
    with pytest.warns(LookalikeWarning, match=r"2 of 6 rows have missing cells and are not learned from"):
        kept = treated(table, "drop_rows", n="model")
    assert kept["whole"].to_pylist() == [1, 4, 5, 6]
    with pytest.raises(SchemaError, match="every row has one"):
        treated(pa.table({"a": [1, None], "b": [None, 2]}), "drop_rows")
    with pytest.raises(SchemaError, match="column 'a' has none"):
        treated(pa.table({"a": pa.nulls(3, pa.int64()), "b": [1, 2, 3]}), "mode")


@pytest.mark.parametrize("how", ["mode", "median", "drop_rows"])
def test_a_twin_makes_no_missing_cell_where_none_was_learned(how):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "a": pd.Series(rng.integers(0, 99, 300), dtype="Int64").mask(rng.random(300) < 0.2),
        "b": pd.Series(rng.choice(["x", "y"], 300)).mask(rng.random(300) < 0.2),
    })  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        assert quick_fit(frame, engine="copula").sample(500).isna().any().all()
        made = quick_fit(frame, engine="copula", missing=how).sample(500)
    assert not made.isna().any().any() and (made.dtypes == frame.dtypes).all()


@pytest.mark.parametrize(("how", "most"), [("keep", 10_000), ("clip", 200), ("z", 200)])
def test_outliers_are_treated_as_asked(how, most):
    rng = np.random.default_rng(0)
    numbers = np.append(rng.integers(0, 100, 2000), [10_000, 9_000, 8_000])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        made = quick_fit(pd.DataFrame({"a": numbers, "b": numbers % 3}), engine="copula", outliers=how).sample(5000)
    assert made["a"].max() <= most and (how == "keep") == (made["a"].max() > 200)


def test_derived_columns_are_computed_before_all_else():
    frame = pd.DataFrame(
        {
            "income": [">50K", "<=50K"] * 60,
            "hours": [str(hour % 50) for hour in range(120)],
            "born": ["01.02.1990", "03.04.1980"] * 60,
        }
    )
    derive = {"rich": "income == '>50K'", "pay": "hours * 2", "young": "born > '1985-01-01' and rich"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        table, schema = preparing.prepare(frame, derive=derive, target="rich", drop=["income"])
        made = quick_fit(frame, engine="copula", derive=derive, drop=["income"]).sample(50)
    assert table.names == ["hours", "born", "rich", "pay", "young"] == list(made)
    assert (
        schema["rich"].role == "target"
        and table.data["rich"].to_pylist() == table.data["young"].to_pylist() == [True, False] * 60
    )
    assert table.data["pay"].to_pylist()[:3] == [0, 2, 4]
    assert made["rich"].dtype == bool and made["pay"].dtype == np.int64
    for bad, message in (({"hours": "hours + 1"}, "'hours' is there already"), ({"x": "gone > 1"}, "'gone' is none")):
        with pytest.raises(SettingsError, match=message):
            preparing.prepare(frame, derive=bad)


def test_the_command_derives(tmp_path):
    frame = pd.DataFrame({"a": np.arange(300) % 50, "b": np.arange(300) % 7})
    frame.to_csv(tmp_path / "t.csv", index=False)
    command = [sys.executable, "-m", "lookalike", "fit", "t.csv", "--out", "t.twin", "--engine", "copula", "--quiet"]
    done = subprocess.run([*command, "--derive", "big = a > 25"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(lookalike.load(tmp_path / "t.twin").sample(5).column_names) == ["a", "b", "big"]
    wrong = subprocess.run([*command, "--force", "--derive", "big"], cwd=tmp_path, capture_output=True, text=True)
    assert wrong.returncode == 2 and "NAME=EXPRESSION" in wrong.stderr
