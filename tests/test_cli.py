"""The command, as a person and as a pipeline use it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

import lookalike
from conftest import ctrl_c
from lookalike.cli import app
from lookalike.cli.screen import Screen, write
from lookalike.cli.words import gather
from lookalike.demo import demo_table
from lookalike.errors import LookalikeWarning
from lookalike.run import Run
from lookalike.table import as_table, write_table

runner = CliRunner()


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "shop.csv"
    write_table(as_table(demo_table(300)), path)
    return path


def run(*arguments, code=0):
    result = runner.invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output + str(result.exception)
    return result.output


def quick(path, *arguments, **options):
    return run("make", path, "--engine", "tvae", "--epochs", 2, *arguments, **options)


def test_the_surface_is_frozen():
    """Changing a command or a flag is a decision."""
    import typer

    group = typer.main.get_command(app)
    surface = {
        name: sorted(flag for parameter in command.params for flag in parameter.opts if flag != "--help")
        for name, command in group.commands.items()
    }
    common = [
        "--config",
        "--derive",
        "--device",
        "--drop",
        "--engine",
        "--epochs",
        "--force",
        "--key",
        "--minutes",
        "--out",
        "--quiet",
        "--resume",
        "--schema",
        "--seed",
        "--set",
        "--verbose",
        "table",
    ]
    budget = ["--delta", "--epsilon", "--subject"]
    assert surface == {
        "make": sorted(
            [
                *common,
                *budget,
                "--escape-formulas",
                "--filter",
                "--preset",
                "--raw",
                "--holdout",
                "--json",
                "--keep-back",
                "--quick",
                "--require",
                "--rows",
                "--target",
            ]
        ),
        "fit": sorted([*common, *budget]),
        "sample": sorted(
            [
                "twin",
                "--apart-from",
                "--balance",
                "--decorrelate",
                "--escape-formulas",
                "--force",
                "--out",
                "--quiet",
                "--rows",
                "--seed",
                "--set",
                "--temperature",
                "--verbose",
                "--where",
            ]
        ),
        "impute": sorted(
            [
                "twin",
                "table",
                "--complete",
                "--escape-formulas",
                "--force",
                "--out",
                "--quiet",
                "--seed",
                "--verbose",
            ]
        ),
        "augment": sorted(
            [
                *common,
                "--balance",
                "--count",
                "--escape-formulas",
                "--holdout",
                "--json",
                "--keep-back",
                "--origin-column",
                "--share",
                "--target",
                "--temperature",
            ]
        ),
        "evaluate": sorted(
            [
                "real",
                "synthetic",
                "--config",
                "--fail-under",
                "--force",
                "--holdout",
                "--json",
                "--out",
                "--quiet",
                "--schema",
                "--seed",
                "--target",
                "--verbose",
            ]
        ),
        "schema": ["--constraints", "--verbose", "table"],
        "config": [],
        "cache": ["--clear", "--verbose"],
        "demo": ["--folder", "--verbose"],
    }


def test_make_leaves_three_files_and_a_run_folder(csv):
    output = quick(csv)
    folder = csv.parent
    assert {path.name for path in folder.iterdir()} == {
        "shop.csv", "shop-lookalike.csv", "shop-lookalike.html", "shop.twin", "shop-lookalike-run",
    }  # fmt: skip
    assert "Nothing is proven about these rows" in (folder / "shop-lookalike.html").read_text(encoding="utf-8")
    fake, real = as_table(folder / "shop-lookalike.csv"), as_table(csv)
    assert fake.names == real.names and fake.num_rows == real.num_rows
    assert not set(fake.data["customer_id"].to_pylist()) & set(real.data["customer_id"].to_pylist())
    for label in ("table", "kept back", "engine", "training", "sampling", "alike", "safe", "look at"):
        assert re.search(rf"^{label}\b", output, re.M), f"{label} is not said:\n{output}"
    assert "30 rows that no engine sees" in output and "weak" in output
    kept = {path.name for path in (folder / "shop-lookalike-run").iterdir()}
    assert {"log.txt", "losses.csv", "run.json", "scorecard.json"} <= kept
    assert (folder / "shop-lookalike-run" / "losses.csv").read_text().count("\n") == 3
    information = json.loads((folder / "shop-lookalike-run" / "run.json").read_text())
    assert information["seed"] == 0 and information["settings"]["epochs"] == 2 and "torch" in information["versions"]


def test_the_look_alike_reads_like_the_original(csv):
    quick(csv)
    line = (csv.parent / "shop-lookalike.csv").read_text().splitlines()[1].split(",")
    assert re.fullmatch(r"CUST-\d{6}", line[0]) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", line[1])
    assert line[7] in ("yes", "no") and line[9] in ("true", "false")


def test_nothing_is_overwritten_without_force(csv):
    quick(csv)
    assert "is never overwritten, however" in quick(csv, code=2)
    quick(csv, "--force")


@pytest.mark.parametrize("spelled", ["as it is", "otherwise"])
def test_what_is_read_is_never_written_over(csv, tmp_path, spelled):
    before = csv.read_bytes()
    out = csv
    if spelled == "otherwise":  # as A.csv for a.csv on a Mac, where file systems ignore case
        out = tmp_path / "other.csv"
        out.hardlink_to(csv)
    for command in (
        ("make", csv, "--quick"),
        ("fit", csv, "--engine", "copula"),
        ("augment", csv, "--target", "churned"),
    ):
        assert "what is read is never written over" in run(*command, "--out", out, "--force", code=2)
    assert csv.read_bytes() == before


@pytest.mark.parametrize("command", ["make", "fit"])
def test_a_folder_is_no_table(command):
    assert "a table is a file" in run(command, ".", code=2)


def test_other_places_formats_and_counts(csv, tmp_path):
    quick(csv, "--out", tmp_path / "other.parquet", "--rows", 77)
    assert as_table(tmp_path / "other.parquet").num_rows == 77
    assert (tmp_path / "other.html").exists() and (tmp_path / "other.twin").exists()


def test_quick_is_marked_as_a_trial(csv):
    output = run("make", csv, "--engine", "tvae", "--quick")
    assert re.search(r"^trial\b", output, re.M)
    assert "trial" in (csv.parent / "shop-lookalike.html").read_text().lower()


def test_a_holdout_file_replaces_the_split(csv, tmp_path):
    write_table(as_table(demo_table(250, seed=9)), tmp_path / "fresh.csv")
    assert "all rows of the table are learned from" in quick(csv, "--holdout", tmp_path / "fresh.csv")


def test_without_a_yardstick_figures_are_missing_not_invented(csv):
    output = quick(csv, "--keep-back", 0, "--json")
    card = (
        json.loads(output[output.index("{") :].splitlines()[0])
        if not output.startswith("{")
        else json.loads(output.splitlines()[0])
    )
    assert card["yardstick"]["strength"] == "none" and card["fidelity"]["fresh"] is None


def test_json_is_all_that_machines_read(csv):
    result = subprocess.run(
        [sys.executable, "-m", "lookalike", "make", str(csv), "--engine", "tvae", "--epochs", "1", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["lookalike_scorecard"] == 2
    assert "kept back" in result.stderr


def test_a_condition_without_a_value_asks_for_missing_cells(tmp_path):
    said = pa.array(["", "yes", None] * 60)
    table = pa.table({"said": said, "age": pa.array([None, 7, 8] * 60), "left": pa.array(["on", None, "off"] * 60)})
    pq.write_table(table, tmp_path / "real.parquet")
    run("fit", tmp_path / "real.parquet", "--out", tmp_path / "s.twin", "--engine", "marginals")
    for name, value in (("age", None), ("left", None), ("said", "")):
        run("sample", tmp_path / "s.twin", "--rows", 9, "--where", f"{name}=", "--force")
        assert as_table(tmp_path / "s-sample.parquet").data[name].to_pylist() == [value] * 9


@pytest.mark.parametrize("command", ["schema", "config", "fit"])
def test_a_terminal_that_is_not_utf8(tmp_path, command):
    pq.write_table(pa.table({"größe ε": ["klein", "groß"] * 60}), tmp_path / "t.parquet")
    more = {"schema": [tmp_path / "t.parquet"], "config": [], "fit": [tmp_path / "t.parquet", "--engine", "nothing ε"]}
    result = subprocess.run(
        [sys.executable, "-m", "lookalike", command, *map(str, more[command])],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert b"Traceback" not in result.stderr and result.returncode == (2 if command == "fit" else 0)
    if command == "fit":
        assert "nothing ?" in result.stderr.decode("cp1252")
    else:
        assert ("größe ε" if command == "schema" else "ε") in result.stdout.decode("utf-8")


def test_fit_then_sample_then_evaluate(csv, tmp_path):
    run("fit", csv, "--engine", "tvae", "--epochs", 2)
    twin = csv.with_suffix(".twin")  # where make would have left it
    output = run("sample", twin, "--rows", 40, "--where", "plan=plus", "--where", "churned=true")
    path = twin.with_name(f"{csv.stem}-sample.csv")
    assert str(path) in output.replace("\n", "")
    rows = as_table(path).data
    assert (
        rows.num_rows == 40
        and set(rows["plan"].to_pylist()) == {"plus"}
        and set(rows["churned"].to_pylist()) == {"true"}
    )
    run("evaluate", csv, path, "--out", tmp_path / "r.html")
    assert (tmp_path / "r.json").exists()
    assert f"<h1>{path.name} beside {csv.name}</h1>" in (tmp_path / "r.html").read_text(encoding="utf-8")
    run("evaluate", csv, path, "--out", tmp_path / "r.json", "--force")
    assert json.loads((tmp_path / "r.json").read_text())["rows"]["synthetic"] == 40


def test_rows_are_balanced_and_gaps_filled(csv, tmp_path):
    twin = tmp_path / "shop.twin"
    run("fit", csv, "--engine", "autoregressive", "--set", "any_order=true", "--epochs", 3, "--out", twin)
    real = pd.read_csv(csv, dtype=str)
    name = next(column for column in real if real[column].nunique() == 2)
    out = tmp_path / "even.csv"
    run("sample", twin, "--rows", 100, "--balance", name, "--temperature", 0.9, "--out", out)
    assert pd.read_csv(out)[name].value_counts().tolist() == [50, 50]
    assert "takes COLUMN,COLUMN" in run("sample", twin, "--decorrelate", name, "--out", tmp_path / "x.csv", code=2)
    holed = tmp_path / "holed.csv"
    real.assign(**{name: real[name].where(real.index % 3 > 0)}).to_csv(holed, index=False)
    filled = re.search(r"([\d,]+) cells", run("impute", twin, holed, "--out", tmp_path / "full.csv"))
    assert filled and int(filled[1].replace(",", "")) >= (real.index % 3 == 0).sum()
    full = pd.read_csv(tmp_path / "full.csv", dtype=str)
    assert full[name].notna().all() and list(full.columns) == list(real.columns)
    assert full.loc[full.index % 3 > 0, name].equals(real.loc[real.index % 3 > 0, name])
    few = tmp_path / "few.csv"
    real[[name]].to_csv(few, index=False)
    run("impute", twin, few, "--complete", "--out", tmp_path / "whole.csv")
    assert list(pd.read_csv(tmp_path / "whole.csv").columns) == list(real.columns)


def test_auto_says_what_it_picked_and_why(csv):
    output = run("make", csv, "--quick")
    assert re.search(
        r"picked +(trees|autoregressive|ensemble of .+): .+ --engine (trees|autoregressive|ensemble)", output
    )


def test_rules_looked_for_in_vain_are_told_of_beside_the_json(csv, tmp_path):
    write_table(as_table(pa.table({"a": list(range(40)), "b": ["x", "y"] * 20})), tmp_path / "t.csv")
    for table, vain in ((csv, False), (tmp_path / "t.csv", True)):
        looked = runner.invoke(app, ["schema", str(table), "--constraints"])
        assert ("constraints" not in json.loads(looked.stdout)) == vain == ("no rule that" in looked.stderr)


def test_schema_is_looked_at_edited_and_handed_back(csv, tmp_path):
    document = json.loads(runner.invoke(app, ["schema", str(csv)]).stdout)
    document["columns"][4]["kind"] = "ordinal"
    document["columns"][4]["levels"] = ["basic", "plus", "premium"]
    document["columns"][6]["role"] = "drop"
    (tmp_path / "s.json").write_text(json.dumps(document))
    quick(csv, "--schema", tmp_path / "s.json")
    assert "spent" not in as_table(tmp_path / "shop-lookalike.csv").names


def test_config_is_read_back_and_flags_win(csv, tmp_path):
    text = run("config")
    for title in ("[run]", "[encoder]", "[sampling]", "[autoregressive]", "[ctgan]", "[tvae]", "[thresholds]"):
        assert title in text
    (tmp_path / "l.toml").write_text(
        text.replace('engine = "auto"', 'engine = "ctgan"').replace("epochs = 300", "epochs = 7")
    )
    run("make", csv, "--config", tmp_path / "l.toml", "--epochs", 2)
    information = json.loads((tmp_path / "shop-lookalike-run" / "run.json").read_text())
    assert information["engine"] == "ctgan" and information["settings"]["epochs"] == 2
    run("make", csv, "--config", tmp_path / "l.toml", "--force", "--set", "embedding_dim=16")
    information = json.loads((tmp_path / "shop-lookalike-run" / "run.json").read_text())
    assert information["settings"]["epochs"] == 7 and information["settings"]["embedding_dim"] == 16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--engine", "gan"],
            "engine must be one of auto, autoregressive, trees, copula, marginals, ctgan, tvae, ensemble",
        ),
        (["--epochs", 0], "epochs"),
        (["--rows", -5], "rows must be a count"),
        (["--rows", 0], "rows must be a count of 1 or more"),
        (["--keep-back", 1.5], "keep_back"),
        (["--drop", "nothing"], "'nothing' is none"),
        (["--set", "speed=9"], "'speed' is not a setting"),
        (["--out", "x.xlsx"], "ends in .csv"),
        (["--device", "abacus"], "device"),
        (["--resume"], "--resume needs a checkpoint"),
        (["--target", "nothing"], "'nothing' is not a column"),
        (["--target", "customer_id"], "a target must be a column that metrics look at"),
        (["--set", "epochs=3", "--set", "epochs=4"], "'epochs' stands twice"),
        (["--out", "x.parquet", "--escape-formulas"], "escaped in CSV"),
        (["--holdout", "shop.csv", "--keep-back", 0.2], "come from one place"),
        (["--preset", "best", "--epochs", 5], "epochs=5 and none of them does"),
    ],
)
def test_a_wrong_call_costs_a_second(csv, arguments, words):
    start = time.monotonic()
    output = run("make", csv, *arguments, code=2)
    assert words in output and "Traceback" not in output
    assert time.monotonic() - start < 30
    assert [path.name for path in csv.parent.iterdir()] == ["shop.csv"]


def test_a_config_leaves_the_engine_to_a_preset_and_to_a_budget(csv, tmp_path):
    (tmp_path / "l.toml").write_text(run("config").replace("seed = 0", "seed = 5"))
    run("make", csv, "--config", tmp_path / "l.toml", "--epsilon", 3, "--set", "components=2")
    assert lookalike.load(csv.with_suffix(".twin")).engine == "marginals"
    run("make", csv, "--config", tmp_path / "l.toml", "--preset", "best", "--force", "--set", "cache=false")
    twin = lookalike.load(csv.with_suffix(".twin"))
    assert twin.engine == "ensemble" and twin.calibration is not None


def test_a_config_as_it_was_written_changes_nothing(csv, tmp_path):
    (tmp_path / "l.toml").write_text(run("config"))
    wanted = ("--engine", "ctgan", "--epsilon", 3, "--epochs", 1, "--out", tmp_path / "a.twin")
    run(
        "fit", csv, *wanted, "--config", tmp_path / "l.toml"
    )  # ctgan's own pac is refused under a budget, where it was asked for
    for out, more in (("b", ()), ("c", ("--config", tmp_path / "l.toml"))):
        run("fit", csv, "--engine", "copula", "--out", tmp_path / f"{out}.twin", *more)
    rows = {lookalike.load(tmp_path / f"{out}.twin").information["rows"] for out in "bc"}
    assert len(rows) == 1


def test_rows_to_measure_with_are_looked_at_before_anything_is_learned(csv, tmp_path):
    table = pyarrow.csv.read_csv(csv)
    for name, bad in (
        ("lacks", table.drop_columns(["age"])),
        ("text", table.set_column(1, "age", pa.array(["x"] * len(table)))),
    ):
        pyarrow.csv.write_csv(bad, tmp_path / f"{name}.csv")
        assert "age" in run("make", csv, "--holdout", tmp_path / f"{name}.csv", code=2)
    assert not csv.with_suffix(".twin").exists()


def test_more_tries_for_a_sample(csv, tmp_path):
    run("fit", csv, "--engine", "tvae", "--epochs", 1, "--out", tmp_path / "t.twin")
    once = ("sample", tmp_path / "t.twin", "--rows", 90, "--where", "plan=premium", "--set")
    assert "within max_tries_per_batch=1 draws" in run(*once, "max_tries_per_batch=1", code=2)
    run(*once, "max_tries_per_batch=50")


def test_the_version_is_said():
    assert run("--version") == f"lookalike {lookalike.__version__}\n"


def test_one_schema_is_for_the_csv_and_for_the_parquet_file_of_a_table(csv, tmp_path):
    (tmp_path / "s.json").write_text(run("schema", csv))
    typed = tmp_path / "typed.parquet"
    pq.write_table(pyarrow.csv.read_csv(csv), typed)
    run("make", typed, "--schema", tmp_path / "s.json", "--engine", "copula")
    assert pq.read_schema(tmp_path / "typed-lookalike.parquet").equals(pq.read_schema(typed))


def test_a_config_for_another_engine_is_refused_before_any_work(csv, tmp_path):
    settings = tmp_path / "l.toml"
    settings.write_text("[ctgan]\nepochs = 1\n[tvae]\nepochs = 1\n")
    for command, more, runs in (
        ("make", (), "auto"),
        ("make", ("--epsilon", 3), "marginals"),
        ("make", ("--preset", "best"), "ensemble"),
        ("fit", ("--engine", "trees"), "trees"),
    ):
        output = run(command, csv, *more, "--config", settings, code=2)
        assert f"has [ctgan], [tvae] and {runs} runs. Name an engine (--engine ctgan or tvae)" in output
    assert sorted(path.name for path in csv.parent.iterdir()) == ["l.toml", "shop.csv"]
    run(
        "fit", csv, "--engine", "tvae", "--config", settings, "--out", tmp_path / "a.twin"
    )  # one file for either of them
    assert lookalike.load(tmp_path / "a.twin").information["settings"]["epochs"] == 1


def test_a_config_that_sends_rows_elsewhere_is_announced(tmp_path):
    settings = tmp_path / "l.toml"
    settings.write_text('[ensemble]\ncluster = "ray://somewhere:10001"\n')
    with pytest.warns(LookalikeWarning, match=r"l\.toml: .* on the cluster at ray://somewhere:10001, and the rows"):
        gather(settings, {"engine": "ensemble"}, None)
    typed = gather(settings, {"engine": "ensemble"}, ["cluster=auto"])  # whoever types it knows, and it is not said
    assert typed["cluster"] == "auto"


def test_what_a_command_does_not_read_of_a_config_is_told(csv, tmp_path):
    settings = tmp_path / "l.toml"
    settings.write_text("[run]\nfilter = true\n[filter]\nmin_ratio = 0.4\n[thresholds]\naccuracy = 0.5\n")
    output = run("fit", csv, "--engine", "copula", "--config", settings, "--out", tmp_path / "a.twin")
    assert "l.toml: this command makes no use of [filter], [thresholds], filter of [run]" in output
    assert "makes no use of [run], [filter]." in run("evaluate", csv, csv, "--config", settings)
    settings.write_text(run("config"))
    assert "no use of" not in run("evaluate", csv, csv, "--config", settings)


def test_a_config_with_an_unknown_name(csv, tmp_path):
    (tmp_path / "l.toml").write_text("[tvae]\nepoch = 3\n")
    assert "no setting 'epoch'" in run("make", csv, "--config", tmp_path / "l.toml", code=2)
    (tmp_path / "l.toml").write_text("[tva]\nepochs = 3\n")
    assert "[tva] is not a known table" in run("make", csv, "--config", tmp_path / "l.toml", code=2)


def test_quiet_says_nothing(csv):
    assert quick(csv, "--quiet") == ""


def test_a_bad_table_is_one_line(tmp_path):
    (tmp_path / "t.csv").write_text("a,a\n1,2\n")
    output = run("make", tmp_path / "t.csv", code=2)
    assert output.startswith("error") and "unique" in output and len(output.strip().splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_66_ctrl_c_leaves_something_usable_and_says_how_to_go_on(csv):
    process = subprocess.Popen(
        [sys.executable, "-m", "lookalike", "make", str(csv), "--engine", "tvae", "--epochs", "100000", "--set", "early_stopping=false"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    losses = csv.parent / "shop-lookalike-run" / "losses.csv"
    limit = time.monotonic() + 60
    while not losses.exists() and time.monotonic() < limit:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "--resume" in output
    assert as_table(csv.parent / "shop-lookalike.csv").num_rows == 300
    done = losses.read_text().count("\n") - 1
    quick(csv, "--epochs", done + 2, "--set", "early_stopping=false", "--resume")


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("told", ["SIGTERM", "SIGHUP"])
def test_being_told_to_end_is_as_ctrl_c(csv, tmp_path, told):
    process = subprocess.Popen(
        [sys.executable, "-m", "lookalike", "fit", str(csv), "--out", str(tmp_path / "s.twin"), "--engine", "tvae", "--epochs", "100000", "--set", "early_stopping=false"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    limit = time.monotonic() + 60
    while not (tmp_path / "s-run" / "losses.csv").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(getattr(signal, told))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "go on: --resume" in output and (tmp_path / "s.twin").exists()


def test_a_fit_that_is_interrupted_says_how_to_go_on(csv, tmp_path):
    arguments = (
        "fit",
        csv,
        "--out",
        tmp_path / "s.twin",
        "--engine",
        "tvae",
        "--set",
        "early_stopping=false",
        "--epochs",
    )
    with ctrl_c((tmp_path / "s-run" / "losses.csv").exists):
        output = run(*arguments, 10**6)
    assert "interrupted; the best state so far was kept (go on: --resume)" in output
    done = lookalike.load(tmp_path / "s.twin").information["epochs"]
    run(*arguments, done + 1, "--resume")
    assert lookalike.load(tmp_path / "s.twin").information["epochs"] == done + 1


def test_demo_then_what_to_look_at(tmp_path, monkeypatch):
    from lookalike.presets import making

    monkeypatch.setattr(making, "demo_table", lambda: demo_table(150))
    output = run("demo", "--folder", tmp_path / "d")
    assert "Look at:" in output
    for path in re.findall(r"^  (\S+)   ", output, re.M):
        assert Path(path).exists(), path


def test_a_pipeline_fails_on_what_is_not_met_and_has_its_report(csv, tmp_path):
    write_table(as_table(demo_table(300, seed=5)), tmp_path / "fake.csv")
    write_table(as_table(demo_table(300, seed=6)), tmp_path / "fresh.csv")
    arguments = ["evaluate", csv, tmp_path / "fake.csv", "--holdout", tmp_path / "fresh.csv", "--target", "churned"]
    report = tmp_path / "r.html"
    output = run(*arguments, "--out", report, "--fail-under", "accuracy=0.999,dcr_share=0.9,diagnostic=0.5", code=3)
    assert "accuracy is 0." in output and "required: at least 0.999" in output and "dcr_share is" not in output
    card = json.loads((tmp_path / "r.json").read_text())
    assert report.exists() and card["utility"]["target"] == "churned"
    limits = {entry["figure"]: entry["threshold"] for entry in card["verdicts"]}
    assert limits["accuracy"] == 0.999 and limits["dcr_share"] == 0.9 and limits["nndr_ratio"] == 0.5
    (tmp_path / "l.toml").write_text("[thresholds]\nnndr_ratio = 0.25\n")
    output = run(*arguments, "--config", tmp_path / "l.toml", "--fail-under", "dcr_share=0.9", "--json")
    limits = {entry["figure"]: entry["threshold"] for entry in json.loads(output.splitlines()[0])["verdicts"]}
    assert limits["nndr_ratio"] == 0.25 and limits["dcr_share"] == 0.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail-under", "acuracy=0.9"], "'acuracy' is none"),
        (["--fail-under", "accuracy=2"], "accuracy"),
        (["--target", "nothing"], "'nothing' is none"),
        (["--out", "r.pdf"], "ends in .html or .json"),
    ],
)
def test_a_wrong_evaluation_is_one_line_and_leaves_nothing(csv, arguments, words):
    output = run("evaluate", csv, csv, "--out", csv.parent / "r.html", *arguments, code=2)
    assert words in output and "Traceback" not in output
    assert [path.name for path in csv.parent.iterdir()] == ["shop.csv"]


@pytest.mark.parametrize(
    "arguments", [["make", "{long}"], ["make", "{csv}", "--out", "{long}"], ["evaluate", "{csv}", "{long}"]]
)
def test_a_name_too_long_for_its_disk_is_one_line(csv, arguments):
    long = csv.with_name(f"{'n' * 300}.csv")
    output = run(*(argument.format(csv=csv, long=long) for argument in arguments), code=2)
    assert re.search(rf"^error .*{long.stem}", output, re.M) and "Traceback" not in output
    assert [path.name for path in csv.parent.iterdir()] == ["shop.csv"]


def test_rows_are_kept_apart_and_it_is_said(csv, tmp_path):
    output = run("make", csv, "--engine", "copula", "--filter", "--set", "min_distance=0.08")
    assert re.search(r"^filter +of [\d,]+ rows that were drawn, \d+ were sent back .* closer than 0.08", output, re.M)
    page = (tmp_path / "shop-lookalike.html").read_text(encoding="utf-8")
    assert "A filter is itself a look at the real rows" in page and "filter.min_distance" in page
    output = run("sample", tmp_path / "shop.twin", "--rows", 40, "--apart-from", csv, "--out", tmp_path / "apart.csv")
    assert as_table(tmp_path / "apart.csv").num_rows == 40 and re.search(r"^filter +of \d+ rows", output, re.M)
    assert "Add --filter" in run("make", csv, "--force", "--set", "min_distance=0.08", code=2)
    assert "Add --apart-from" in run("sample", tmp_path / "shop.twin", "--force", "--set", "min_ratio=0.1", code=2)


def test_what_is_required_decides_the_exit_code(csv):
    output = run("make", csv, "--engine", "copula", "--require", "quality=0.1", "--require", "column_shapes=0.1")
    assert re.search(r"^attempt 1 +as asked: quality \S+ \(at least 0.1\), column_shapes .*: met", output, re.M)
    output = run("make", csv, "--engine", "copula", "--force", "--require", "utility=0.5", code=3)
    assert "utility is missing" in output and "--target" in output
    assert "acuracy" in run("make", csv, "--force", "--require", "acuracy=0.9", code=2)


def test_the_cache_is_listed_and_cleared(csv, tmp_path):
    from lookalike import cache

    cache.clear()
    members = ["--set", 'members=["copula"]', "--engine", "ensemble", "--quiet", "--out"]
    run("fit", csv, *members, tmp_path / "a.twin")
    listed = run("cache")
    assert "copula, 300 rows" in listed and "1 kept" in listed
    assert "1 removed" in run("cache", "--clear")
    assert "0 kept" in run("cache")


def test_presets_run_and_leave_what_they_promise(csv, tmp_path):
    out = tmp_path / "c.csv"
    small = ["--set", "epochs=1", "--set", "cache=false", "--set", "workers=1"]
    output = run("make", csv, "--preset", "challenge", "--minutes", 2, "--out", out, *small)
    raw, final = as_table(tmp_path / "c-raw.csv"), as_table(out)
    assert raw.num_rows == final.num_rows == as_table(csv).num_rows
    assert not raw.data.equals(final.data) and "before the filter" in output
    assert re.search(r"weights +1-ctgan .*5-tvae .*: learned from rows held out", output)
    assert json.loads((tmp_path / "c-run" / "run.json").read_text())["engine"] == "ensemble"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "bets"], "preset must be one of best"),
        (["--preset", "best", "--engine", "ctgan"], "a preset names its engine"),
        (["--raw"], "the filter is off"),
        (["--preset", "best", "--epsilon", 3], "preset='best' filters or calibrates"),
    ],
)
def test_a_wrong_preset_is_one_line(csv, arguments, words):
    assert words in run("make", csv, *arguments, code=2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize("full", [True, False])
def test_words_that_cannot_be_written_or_that_nobody_reads_end_no_run(full):
    program = "from lookalike.cli.screen import Screen\ns = Screen()\ns.say('a', 'b')\ns.print('c')\nassert s.quiet"
    reads, writes = os.pipe()
    os.close(reads)
    with open("/dev/full", "w") if full else os.fdopen(writes, "w") as nowhere:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-c", program], stdout=nowhere, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name != "posix", reason="terminals of one's own are POSIX")
def test_a_bar_is_drawn_on_a_terminal_and_not_in_a_log_that_colours_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen, ends = Screen(), os.openpty()
    with (tmp_path / "log").open("w") as log, os.fdopen(ends[1], "w") as terminal:
        for file, drawn in ((log, False), (terminal, True)):
            screen.console = Console(file=file)
            assert screen.console.is_terminal and (screen.bar is screen.console) == drawn
    os.close(ends[0])


@pytest.mark.skipif(os.name != "posix", reason="terminals of one's own are POSIX")
def test_a_terminal_that_is_gone_takes_no_run_with_it():
    ours, theirs = os.openpty()
    terminal = os.fdopen(theirs, "w")
    run = Run(console=Console(file=terminal, force_terminal=True))
    run.show("training", 1, 2)
    os.close(ours)
    run.close()
    with suppress(OSError):  # what could not be written any more
        terminal.close()


@pytest.mark.parametrize("command", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\u202e"])
def test_a_name_that_is_a_command_to_the_terminal_is_shown_and_not_obeyed(command, capsys):
    screen = Screen()
    screen.console = Console(force_terminal=True, file=io.StringIO(), soft_wrap=True, highlight=False)
    for show in (partial(screen.say, "note"), screen.print, partial(screen.complain, "error")):
        show(f"a{command}b [red] [/red]")
    written = screen.console.file.getvalue() + capsys.readouterr().err
    assert command not in written
    assert written.count(f"a{ascii(command)[1:-1]}b [red] [/red]") == 3


def test_a_schema_printed_holds_no_command_to_the_terminal_and_says_the_same(capsysbinary):
    named = {"name": "\x9b31m\x7f\u202eä"}
    write(json.dumps(named, ensure_ascii=False))
    printed = capsysbinary.readouterr().out.decode("utf-8")
    assert not set("\x9b\x7f\u202e") & set(printed) and "ä" in printed
    assert json.loads(printed) == named


def test_a_terminal_gets_lines_set_in_and_a_file_gets_them_whole():
    """A terminal of 80 characters broke a sentence anywhere, and what followed stood below the labels."""
    words = (
        "one sentence that is longer than a terminal of eighty characters, so that it has to go on in the line below it"
    )
    for terminal, lines in ((True, 2), (False, 1)):
        screen = Screen()
        screen.console = Console(force_terminal=terminal, width=80, file=io.StringIO(), soft_wrap=True, no_color=True)
        screen.say("picked", words)
        written = screen.console.file.getvalue().splitlines()
        assert len(written) == lines and " ".join(" ".join(written).split()) == f"picked {words}"
        assert all(line.startswith(" " * 11) for line in written[1:])
