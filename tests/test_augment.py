"""Real rows and made ones in one table: counts, kinds of frames, the origin, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import lookalike
from lookalike import Run
from lookalike.cli import app
from lookalike.errors import LookalikeWarning, OutputError, PrivacyError, SettingsError
from lookalike.evaluate import learners
from lookalike.splitting import split
from lookalike.table import as_table, write_table

runner = CliRunner()


def patients(rows=400, seed=1, ill=0.15):
    random = np.random.default_rng(seed)
    sick = random.random(rows) < ill
    return pa.table({
        "id": np.arange(rows) + 1000,
        "age": random.integers(18, 90, rows) + 8 * sick,
        "ward": np.array(["north", "south", "west"])[(random.integers(0, 2, rows) + sick)],
        "value": pa.array(np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows) + sick), from_pandas=True),
        "diagnosis": np.where(sick, "ill", "well"),
        "grade": random.choice([0, 1, 2], rows, p=[0.7, 0.2, 0.1]),
        "flag": sick ^ (random.random(rows) < 0.3),
    })  # fmt: skip


@pytest.fixture(autouse=True)
def short_fits(monkeypatch):
    monkeypatch.setattr(learners, "ROUNDS", 5)


def quick(data, **how):
    return lookalike.augment(data, **{"target": "diagnosis", "engine": "copula", "run": Run(), **how})


def counts_of(table, target="diagnosis"):
    return table[target].combine_chunks().value_counts().to_pylist()


def classes(table, target="diagnosis"):
    return {str(entry["values"]): entry["counts"] for entry in counts_of(table, target)}


# ------------------------------------------------------------------------------------------------------------- the rows


def test_real_rows_come_first_as_they_were_and_made_ones_are_told_apart():
    real = patients()
    made = quick(real, share=1)
    table = made.table
    assert table.slice(0, real.num_rows).drop_columns(["origin"]).equals(real)
    assert table["origin"].to_pylist() == ["real"] * real.num_rows + ["synthetic"] * sum(made.added.values())
    assert table.schema.names == [*real.schema.names, "origin"]
    assert set(table["diagnosis"].slice(real.num_rows).to_pylist()) == {"ill"}


def test_share_1_makes_classes_equal_and_halfway_is_the_mean_in_proportion():
    real = patients()
    was = classes(real)
    assert classes(quick(real, share=1).table) == dict.fromkeys(was, max(was.values()))
    halfway = classes(quick(real).table)
    assert halfway == {"well": was["well"], "ill": round((was["well"] * was["ill"]) ** 0.5)}


def test_counts_are_exact_and_leave_other_classes_alone():
    real = patients()
    was = classes(real, "grade")
    made = quick(real, target="grade", counts={2: 150, "1": 90})
    assert classes(made.table, "grade") == {"0": was["0"], "1": 90, "2": 150}
    assert made.table.schema.field("grade").type == real.schema.field("grade").type
    both = quick(real, target="grade", counts={2: 150}, share=1)
    assert classes(both.table, "grade") == {"0": was["0"], "1": was["0"], "2": 150}


def test_a_boolean_target_takes_its_values_in_any_spelling():
    made = quick(patients(), target="flag", counts={True: 220})
    assert classes(made.table, "flag")["True"] == 220
    assert made.added == quick(patients(), target="flag", counts={"TRUE": 220}).added


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_same_kind_of_frame_comes_back(library):
    real = patients()
    frame = real.to_pandas() if library == "pandas" else pl.from_arrow(real)
    if library == "pandas":
        frame["ward"] = frame["ward"].astype("category")
    made = quick(frame).table
    assert type(made) is type(frame)
    assert list(made.columns) == [*frame.columns, "origin"]
    for name in frame.columns:
        assert made[name].dtype == frame[name].dtype, name
    if library == "pandas":
        pd.testing.assert_frame_equal(made.iloc[: len(frame)].drop(columns="origin"), frame)


def test_made_rows_of_one_key_agree_and_are_nobodys():
    random = np.random.default_rng(0)
    visits = 700
    who = random.integers(0, 250, visits)
    real = patients(visits).drop(["id"]).append_column("patient_id", pa.array([f"P{9000 + 7 * i}" for i in who]))
    real = real.append_column("town", pa.array([f"town {i % 20}" for i in who]))
    made = quick(real, share=1, keys=["patient_id"]).table.slice(visits).to_pandas()
    assert not set(made["patient_id"]) & set(real["patient_id"].to_pylist())
    by_patient = made.groupby("patient_id")["town"]
    assert (by_patient.nunique() == 1).all() and by_patient.size().max() > 1


def test_keys_of_made_rows_are_nobodys_and_never_twice():
    real = patients()
    made = quick(real, target="grade", share=1, keys=["id"])
    ids = made.table["id"].to_pylist()
    assert len(set(ids)) == len(ids)


def test_the_same_seed_gives_the_same_table_and_another_another():
    first, again, other = (quick(patients(), seed=seed) for seed in (3, 3, 4))
    assert first.table.equals(again.table) and first.figures == again.figures
    assert not first.table.equals(other.table)


def test_missing_classes_stay_real_and_are_never_made():
    real = patients()
    cells = [None if place % 10 == 0 else cell for place, cell in enumerate(real["diagnosis"].to_pylist())]
    real = real.set_column(4, "diagnosis", pa.array(cells))
    made = quick(real, share=1).table
    assert made["diagnosis"].null_count == real["diagnosis"].null_count


def test_dropped_columns_are_left_out_and_the_origin_can_be_too():
    table = quick(patients(), drop=["id"], origin_column=None).table
    assert table.schema.names == ["age", "ward", "value", "diagnosis", "grade", "flag"]


# ---------------------------------------------------------------------------------------------------------- the measure


def test_it_is_measured_on_rows_that_nobody_saw():
    real, fresh = patients(), patients(300, seed=9)
    made = quick(real, holdout=fresh, share=1)
    assert sum(made.figures["rows"]["test"].values()) == 300
    assert sum(made.figures["rows"]["real"].values()) == real.num_rows
    assert made.figures["rows"]["added"]["ill"] == made.added["ill"]
    text = str(made)
    for words in (
        "real alone",
        "real, repeated",
        "real + SMOTENC",
        "real + ours",
        "minority F1",
        "AUC",
        "rarest class ill",
    ):
        assert words in text


def test_kept_back_rows_are_measured_on_and_learned_rows_filled_in_proportion():
    real = patients()
    made = quick(real, share=1, keep_back=0.25)
    rows = made.figures["rows"]
    assert sum(rows["test"].values()) == 100 and sum(rows["real"].values()) == 300
    assert rows["added"]["ill"] == pytest.approx(made.added["ill"] * rows["real"]["ill"] / classes(real)["ill"], abs=1)


def test_every_class_of_ten_rows_is_tested_on():
    real = patients()
    cells = ["odd" if place < 12 else cell for place, cell in enumerate(real["diagnosis"].to_pylist())]
    real = as_table(real.set_column(4, "diagnosis", pa.array(cells).dictionary_encode()))
    counts = classes(real.data)
    assert counts["odd"] == 12
    for seed in range(30):
        parts = split(real, 0.1, seed, classes="diagnosis")
        for name, rows in classes(parts.holdout.data).items():
            assert rows in (counts[name] // 10, counts[name] // 10 + 1)
        assert parts.holdout.num_rows == 40 and parts.train.num_rows == 360
        assert set(classes(parts.holdout.data)) == set(counts)
    again = split(real, 0.1, 29, classes="diagnosis")
    assert again.holdout.data.equals(parts.holdout.data)
    assert not split(real, 0.1, 28, classes="diagnosis").holdout.data.equals(parts.holdout.data)


def test_nothing_kept_back_measures_nothing_and_says_so():
    made = quick(patients(), keep_back=0)
    assert made.figures["learners"] is None and "no rows" in str(made)
    assert made.table["origin"].to_pylist().count("synthetic") == sum(made.added.values())


# ------------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"origin_column": "ward"}, "column 'ward'.*--origin-column"),
        ({"target": "value"}, "2 to 50 classes.*'value'"),
        ({"counts": {"dead": 100}}, "'dead'"),
        ({"counts": {"ill": 3}}, "ill=3"),
        ({"counts": {"ill": 1.5}}, "ill=1.5"),
        ({"share": 0}, "share=0"),
        ({"share": 1.5}, "share=1.5"),
        ({"share": 0.5, "balance": False}, "share=0.5 and balance=False"),
        ({"share": 0.01}, "lacks rows"),
        ({"balance": False}, "lacks rows"),
        ({"target": "id", "keys": ["id"]}, "'id' is taken for a key"),
        ({"temperature": 0.5}, "temperature"),
        ({"temperature": 0.5, "engine": "ensemble", "members": ["tvae", "trees"]}, "temperature needs a net"),
        ({"calibrate": True}, "Leave calibrate out"),
    ],
)
def test_what_cannot_be_is_refused_with_a_cure_before_anything_is_learned(how, words, tmp_path):
    with pytest.raises(SettingsError, match=words):
        quick(patients(), run=Run(tmp_path), **how)
    assert not list(tmp_path.iterdir())


def test_a_temperature_takes_the_net_where_auto_might_pick_trees():
    told = []
    made = quick(
        patients(), engine="auto", epochs=1, temperature=0.5, counts={"ill": 120}, say=lambda *words: told.append(words)
    )
    assert made.twin.engine == "autoregressive" and sum(made.added.values()) > 0
    assert ("engine", "autoregressive: auto may pick trees, which know no temperature", "--engine") in told


def test_a_privacy_budget_is_refused_because_real_rows_come_back():
    with pytest.raises(PrivacyError, match="without real rows"):
        quick(patients(), engine="auto", epsilon=1.0)


def test_a_class_of_few_rows_is_left_as_it_is_and_said():
    real = patients()
    cells = ["odd" if place < 3 else cell for place, cell in enumerate(real["diagnosis"].to_pylist())]
    real = real.set_column(4, "diagnosis", pa.array(cells))
    with pytest.warns(LookalikeWarning, match="1 classes of 'diagnosis' have fewer"):
        made = quick(real, share=1)
    assert classes(made.table)["odd"] == 3 and "odd" not in made.added
    with pytest.raises(SettingsError, match="odd has"):
        quick(real, counts={"odd": 50})


# ----------------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "patients.csv"
    write_table(as_table(patients()), path)
    return path


def run(*arguments, code=0):
    result = runner.invoke(app, ["augment", *map(str, arguments)])
    assert result.exit_code == code, result.output + str(result.exception)
    return result


def test_the_command_leaves_a_hybrid_its_figures_and_the_twin(csv):
    out = csv.with_name("hybrid.csv")
    output = run(csv, "--target", "diagnosis", "--balance", "--engine", "copula", "--out", out).output
    assert "real + SMOTENC" in output and "as private as they are" in output
    assert {path.name for path in csv.parent.iterdir()} == {
        "patients.csv", "hybrid.csv", "hybrid.json", "hybrid.twin", "hybrid-run",
    }  # fmt: skip
    lines, real = out.read_text().splitlines(), csv.read_text().splitlines()
    assert lines[0] == real[0] + ",origin"
    assert lines[1 : len(real)] == [line + ",real" for line in real[1:]]
    assert all(line.endswith(",synthetic") and ",ill," in line for line in lines[len(real) :])
    figures = json.loads(out.with_suffix(".json").read_text())
    assert len(lines) - len(real) == figures["added"]["ill"]
    assert figures["learners"]["stack"]["ours"]["minority_f1"] is not None


def test_json_is_the_figures_alone(csv):
    result = run(csv, "--target", "grade", "--count", "2=90", "--count", "1=120", "--engine", "copula", "--json")
    figures = json.loads(result.stdout)
    assert set(figures["added"]) == {"1", "2"} and figures["target"] == "grade"
    assert csv.with_name("patients-hybrid.csv").exists()


def test_files_in_the_way_stop_it_first(csv):
    csv.with_name("patients-hybrid.json").write_text("mine")
    assert "is never overwritten" in run(csv, "--target", "diagnosis", code=2).output
    assert "CLASS=ROWS" in run(csv, "--target", "diagnosis", "--count", "ill", code=2).output
    with pytest.raises(OutputError):
        from lookalike.presets import augment_to

        augment_to(csv, target="diagnosis")
    assert csv.with_name("patients-hybrid.json").read_text() == "mine"
