"""The whole flow, on random tables and on the bench's."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lookalike
from conftest import bench_table, quick_fit, quick_settings
from lookalike import LookalikeWarning, Run, fit, registry
from lookalike.demo import demo_table
from lookalike.errors import ArtefactError, OutputError, SchemaError, SettingsError, TrainingError
from lookalike.presets import fit_to
from lookalike.splitting import FEWEST_ROWS_TO_SPLIT, split, split_privately
from lookalike.table import as_table, write_table
from lookalike.testing import check_generator

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6)


@st.composite
def tables(draw):
    """Tables of 1 to 5 columns of any kind, 20 to 60 rows, with missing cells."""
    rows = draw(st.integers(20, 60))
    kinds = {
        "integer": (st.integers(-1000, 1000), pa.int32()),
        "float": (st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), pa.float64()),
        "category": (st.sampled_from(["a", "b", "ü", "", "nan"]), pa.string()),
        "boolean": (st.booleans(), pa.bool_()),
        "date": (st.dates(), pa.date32()),
        "text": (TEXT, pa.string()),
        "big": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
        "constant": (st.just("same"), pa.string()),
    }
    columns = {}
    for place, kind in enumerate(draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=5))):
        cells, storage = kinds[kind]
        cells = cells if draw(st.booleans()) else st.none() | cells
        columns[f"{kind} {place}"] = pa.array(draw(st.lists(cells, min_size=rows, max_size=rows)), storage)
    return pa.table(columns)


@given(table=tables(), engine=st.sampled_from(sorted(registry.ENGINES)))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_whatever_is_fitted_the_diagnostic_is_100_percent(table, engine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        try:
            twin = quick_fit(table, engine=engine)
        except lookalike.LookalikeError as error:
            assert "must be a column to model" in str(error) or "free text" in str(error)
            return
        fake = twin.sample(70, seed=1)
        card = lookalike.evaluate(table, fake, schema=twin.schema).to_dict()
    assert fake.num_rows == 70
    assert fake.schema.names == table.schema.names and fake.schema.types == table.schema.types
    assert card["diagnostic"]["score"] == 1.0


@pytest.mark.parametrize("engine", sorted(registry.ENGINES))
def test_every_registered_engine_conforms(engine):
    kind = registry.load(registry.ENGINES, engine, "engine")
    check_generator(kind, kind.Settings(**quick_settings(engine, 2)))


def test_conditions_hold_in_every_row_and_counts_are_exact():
    rng = np.random.default_rng(0)
    plan = rng.choice(["basic", "plus", "gold"], 600, p=[0.7, 0.2, 0.1])
    real = pd.DataFrame(
        {
            "plan": plan,
            "spent": np.where(plan == "gold", 100, 10) + rng.normal(0, 1, 600).round(2),
            "n": rng.integers(0, 5, 600),
        }
    )
    twin = quick_fit(real, engine="ctgan", epochs=20)
    fake = twin.sample(50, where={"plan": "gold"})
    assert len(fake) == 50 and set(fake["plan"]) == {"gold"}
    both = twin.sample([30, 20], where=[{"plan": "gold"}, {"plan": "plus", "n": 3}])
    assert both["plan"].tolist() == ["gold"] * 30 + ["plus"] * 20
    assert set(both["n"][30:]) == {3}
    exact = twin.sample(10, where={"spent": 10.25})
    assert set(exact["spent"]) == {10.25}
    assert len(twin.sample(where={"plan": "basic"})) == 600
    with pytest.raises(SettingsError, match="every condition needs a count"):
        twin.sample([1, 2, 3], where=[{"plan": "gold"}])


def test_missing_can_be_asked_for():
    day = pd.to_datetime(["2020-01-01", None, "2020-03-01"] * 60)
    real = pd.DataFrame({"a": ["x", None, "y"] * 60, "b": np.arange(180) % 7, "c": [0.5, np.nan, 1.5] * 60, "day": day})
    twin = quick_fit(real, engine="marginals")
    for missing in (None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT", "ns")):
        for name in ("a", "c", "day"):
            assert twin.sample(5, where={name: missing})[name].isna().all()
        with pytest.raises(SchemaError, match="column 'b' never"):
            twin.sample(5, where={"b": missing})


def test_split_is_honest_seeded_and_says_what_it_did():
    table = as_table(pa.table({"a": list(range(1000))}))
    parts, again = split(table, 0.1, 3), split(table, 0.1, 3)
    train, holdout = (set(part.data["a"].to_pylist()) for part in (parts.train, parts.holdout))
    assert len(holdout) == 100 and not train & holdout and len(train | holdout) == 1000
    assert parts.holdout.data.equals(again.holdout.data)
    assert "weak" not in parts.words and "weak" in split(table, 0.05, 3).words
    small = split(as_table(pa.table({"a": list(range(FEWEST_ROWS_TO_SPLIT - 1))})), 0.1, 3)
    assert small.holdout is None and "no yardstick" in small.words
    assert split(table, 0.0, 3).holdout is None


def test_losses_are_a_frame():
    twin = quick_fit(pd.DataFrame({"a": ["x", "y"] * 60}), engine="ctgan", epochs=3)
    assert list(twin.losses.columns[:3]) == ["epoch", "generator", "discriminator"]
    assert twin.losses["epoch"].tolist() == [1, 2, 3]


def test_a_twin_says_what_it_is():
    twin = quick_fit(pd.DataFrame({"a": ["x", "y"] * 60, "b": np.arange(120) * 0.5}))
    assert "120 rows × 2 columns" in repr(twin) and "tvae" in repr(twin)


def test_the_run_folder_tells_what_ran(tmp_path):
    real = pd.DataFrame({"a": ["x", "y"] * 60, "b": np.arange(120) * 0.5})
    quick_fit(real, epochs=3, seed=11, run=Run(tmp_path / "run"))
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "fit tvae on 120 rows × 2 columns, seed 11" in log and "epoch 3/3" in log
    assert (tmp_path / "run" / "losses.csv").read_text().splitlines()[0].startswith("epoch,")


def test_what_cannot_be_written_costs_no_training(tmp_path):
    for name in ("log.txt", "losses.csv", "checkpoint.twin"):
        (tmp_path / name).mkdir()  # as good as a full disk
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        twin = quick_fit(demo_table(200), epochs=2, run=Run(tmp_path))
    told = [str(one.message) for one in seen if "a run writes down" in str(one.message)]
    assert len(told) == 1 and "log.txt: " in told[0] and told[0].endswith("It goes on without.")
    assert twin.information["epochs"] == 2 and twin.sample(20, seed=1).num_rows == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.twin", "log.txt", "losses.csv", "run.json"]
    with pytest.raises(OutputError, match=r"run.json cannot be made"):
        Run(tmp_path / "run.json")


def test_a_run_goes_on_with_the_engine_that_it_began_with(tmp_path):
    quick_fit(demo_table(100), run=Run(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for engine in ("trees", "copula", "ctgan"):
        with pytest.raises(TrainingError, match=f"that is tvae, and {engine} was asked for"):
            quick_fit(demo_table(100), engine=engine, run=Run(tmp_path, resume=True))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["", '{"secret": 1', "{}", "[]"])
@pytest.mark.parametrize("name", ["kept-back.json", "domain.json", "run.json"])
def test_a_damaged_file_of_a_run_is_said(tmp_path, name, text):
    run = Run(tmp_path, resume=True)
    run.save_checkpoint(lambda: ({}, {}))
    (tmp_path / name).write_text(text)
    with pytest.raises(ArtefactError, match=f"{name} cannot be read"):
        if name == "kept-back.json":
            split_privately(as_table(demo_table(100)), 0.1, run)
        else:
            fit(demo_table(100), epsilon=3, engine="marginals", run=run)


@pytest.mark.parametrize("how", [{"minutes": -1}, {"minutes": 0}, {"seed": -1}, {"seed": 1.5}, {"seed": None}])
def test_a_wrong_seed_or_time_is_said(tmp_path, how):
    write_table(as_table(demo_table(100)), tmp_path / "shop.csv")
    with pytest.raises(SettingsError, match=next(iter(how))):
        quick_fit(demo_table(100), engine="copula", **how)
    with pytest.raises(SettingsError, match=next(iter(how))):
        fit_to(tmp_path / "shop.csv", tmp_path / "s.twin", engine="copula", **how)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]


@pytest.mark.parametrize(
    ("how", "cure"),
    [
        ({"require": ["dcr_share=0.4"]}, r"{'dcr_share': 0.52}"),
        ({"thresholds": "dcr_share=0.4"}, r"{'dcr_share': 0.52}"),
        ({"derive": ["old=age > 30"]}, r"{'rich': \"income == '>50K'\"}"),
        ({"derive": {"old": 30}}, r"'old' is given 30\. Write it like {'rich'"),
        ({"drop": "age"}, r"drop=\['age'\]"),
        ({"keys": "age"}, r"keys=\['age'\]"),
    ],
)
def test_a_list_where_a_mapping_is_meant_is_refused_and_cured(tmp_path, how, cure):
    write_table(as_table(demo_table(100)), tmp_path / "shop.csv")
    with pytest.raises(SettingsError, match=cure):
        lookalike.make(tmp_path / "shop.csv", engine="copula", **how)
    if "require" not in how and "thresholds" not in how:
        with pytest.raises(SettingsError, match=cure):
            quick_fit(demo_table(100), engine="copula", **how)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]


def test_conditions_limits_and_counts_are_mappings():
    table = demo_table(100)
    twin = quick_fit(table, engine="copula")
    for where in ("plan=premium", ["plan=premium"]):
        with pytest.raises(SettingsError, match=r"where is a mapping, however: it is a str\. Write it like {'income'"):
            twin.sample(5, where=where)
    with pytest.raises(SettingsError, match=r"Write it like {'dcr_share'"):
        lookalike.evaluate(table, table, thresholds=["dcr_share=0.5"])
    with pytest.raises(SettingsError, match=r"Write it like {'ill'"):
        lookalike.augment(table, target="plan", counts=["premium=90"], engine="copula", run=lookalike.Run())


def test_a_seed_may_be_numpys():
    assert quick_fit(demo_table(100), engine="copula", seed=np.int64(3)).information["seed"] == 3


def test_72_resume_with_changed_data(tmp_path):
    from lookalike.errors import TrainingError

    real = pd.DataFrame({"a": ["x", "y"] * 60, "b": np.arange(120) * 0.5})

    class Interrupted(Run):
        def epoch(self, epoch, epochs, losses):
            super().epoch(epoch, epochs, losses)
            if epoch == 2:
                raise KeyboardInterrupt

    quick_fit(real, epochs=4, run=Interrupted(tmp_path / "run"))
    assert (tmp_path / "run" / "checkpoint.twin").exists()
    with pytest.raises(TrainingError, match="same table"):
        quick_fit(real.iloc[::-1].reset_index(drop=True), epochs=4, run=Run(tmp_path / "run", resume=True))
    resumed = quick_fit(real, epochs=4, run=Run(tmp_path / "run", resume=True))
    whole = quick_fit(real, epochs=4)
    assert resumed.sample(50, seed=1).equals(whole.sample(50, seed=1))
    assert resumed.losses["epoch"].tolist() == [1, 2, 3, 4]


def test_a_time_budget_holds():
    import time

    real = pd.DataFrame({"a": ["x", "y"] * 600, "b": np.arange(1200) * 0.5})
    start = time.monotonic()
    twin = quick_fit(real, epochs=10**6, run=Run(minutes=2 / 60))
    assert time.monotonic() - start < 30
    assert 0 < len(twin.losses) < 10**6
    assert len(twin.sample(10)) == 10


def test_a_patients_rows_are_given_to_somebody_new():
    rng = np.random.default_rng(0)
    who = rng.permutation(np.arange(900) // 3) * 37 + 5000
    table = pa.table({"patient_id": who, "ward": rng.choice(["a", "b"], 900)})
    with pytest.warns(LookalikeWarning, match="'patient_id'.*several rows each"):
        twin = lookalike.fit(table, engine="copula", seed=0, run=Run())
    made = twin.sample(900, seed=1)["patient_id"].to_numpy()
    assert not set(made) & set(who) and set(np.unique(made, return_counts=True)[1]) <= {1, 2, 3}
    assert abs(len(set(made)) - 300) < 20
    card = lookalike.evaluate(table, twin.sample(900, seed=1), schema=twin.schema)
    assert card["diagnostic"]["score"] == 1


@pytest.mark.parametrize(
    ("text", "engine"), [("{}.0", "tvae"), ("{}.0", "copula"), ("{}.00", "copula"), ("{}0.0", "copula")]
)
def test_whole_numbers_written_with_a_point_come_back_whole(text, engine):
    """What pandas writes of whole numbers beside missing cells."""
    rng = np.random.default_rng(0)
    counts = rng.gamma(1.5, 80, 800).astype(int)
    cells = [None if gone else text.format(count) for count, gone in zip(counts, rng.random(800) < 0.1, strict=True)]
    made = (
        quick_fit(pa.table({"so": cells, "team": rng.choice(["a", "b"], 800)}), engine=engine)
        .sample(800, seed=1)
        .to_pandas()
    )
    ending = text.removeprefix("{}")
    assert {cell.endswith(ending) for cell in made["so"].dropna()} == {True}
    assert made["so"].dropna().nunique() > 50 and 0.05 < made["so"].isna().mean() < 0.2


def test_floats_that_keep_an_order_keep_their_step():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 300, 800).astype(float)
    high = low + rng.integers(0, 900, 800)
    table = pa.table({"low": [f"{x:.1f}" for x in low], "high": [f"{x:.1f}" for x in high]})
    rule = {"rule": "inequality", "columns": ["low", "high"]}
    schema = lookalike.Schema.from_dict({"lookalike_schema": 2, "columns": [], "constraints": [rule]})
    made = quick_fit(table, engine="copula", schema=schema).sample(800, seed=1).to_pandas().astype(float)
    assert (made % 1 == 0).all().all() and (made.high >= made.low).all()


def test_users_of_kaggle_keep_their_forms():
    """User names are never real, ids unique, counts whole, and the sentinel date is exact."""
    table = as_table(bench_table("kaggle-users-train.parquet"))
    table = table.take(np.arange(0, table.num_rows, 20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        fake = quick_fit(table.data, epochs=3).sample(2000, seed=1).to_pandas()
    assert fake["UserName"].is_unique and not set(fake["UserName"]) & set(table.data["UserName"].to_pylist())
    assert fake["UserId"].is_unique and fake["UserId"].dtype == np.int64
    assert (fake["Followers"] >= 0).all() and fake["Followers"].dtype == np.int64
    assert (
        "1970-01-01 00:00:00" in set(fake["LastContentDate"])
        and not fake["LastContentDate"].str.startswith("1970-01-06").any()
    )
