"""A mixture keeps every promise of an engine, whoever its members are and wherever they train."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import lookalike
from lookalike import cache
from lookalike.config import read_toml, to_toml
from lookalike.errors import SettingsError, TrainingError
from lookalike.model.ensemble import Ensemble, plans_of
from lookalike.model.members.beside import Together, code_files
from lookalike.model.members.weigh import Worth, closer_share, weights_of
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable
from lookalike.testing import check_generator, toy_table

QUICK = {"epochs": 2, "cache": False}
SMALL = {
    "autoregressive": {"embedding_dim": 4, "hidden": 8},
    "trees": {"chains": 2, "trees": 2},
    "copula": {},
    "marginals": {},
    "auto": {},
}
SMALL["ctgan"] = {"embedding_dim": 8, "generator_dim": (16,), "discriminator_dim": (16,), "pac": 2}
SMALL["tvae"] = {"embedding_dim": 8, "compress_dims": (16,), "decompress_dims": (16,)}


def member(engine, **more):
    return {"engine": engine, "settings": SMALL[engine], **more}


def ensemble(*members, **settings):
    return Ensemble(Ensemble.Settings.build({**QUICK, "members": list(members), **settings}))


def fitted(table, *members, run=None, seed=0, **settings):
    engine = ensemble(*members, **settings)
    engine.fit(table, seed=seed, run=run or Run())
    return engine


def same(a, b):
    return np.array_equal(a.codes, b.codes) and np.array_equal(a.residuals, b.residuals)


def wait_until(met, process=None):
    """Wait for what other processes do; fail where they do not, or where the one that should has ended."""
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline and (process is None or process.poll() is None)
        time.sleep(0.05)


class TestPromises:
    @pytest.mark.parametrize("other", sorted(SMALL))
    def test_of_every_engine_with_every_engine(self, other):
        few = toy_table(60 if other == "auto" else 400)  # auto takes its time from 100 rows on
        check_generator(Ensemble, ensemble(member("trees"), member(other)).settings, few)

    def test_members_of_one_engine_differ_and_each_is_what_it_is_alone(self):
        table = toy_table()
        two = fitted(table, member("tvae"), member("tvae"))
        (_, first), (_, second) = two._members
        assert not same(first.sample(50, seed=1), second.sample(50, seed=1))
        (_, alone), *_ = fitted(table, member("tvae"))._members
        (_, behind) = fitted(table, member("copula"), member("tvae"))._members[1]
        assert same(first.sample(50, seed=1), alone.sample(50, seed=1))
        assert same(first.sample(50, seed=1), behind.sample(50, seed=1)), "another engine before it changes nothing"

    def test_a_temperature_is_known_where_all_members_know_it(self):
        table = toy_table()
        assert fitted(table, member("tvae"), member("ctgan")).tempered
        assert not fitted(table, member("tvae"), member("trees")).tempered

    def test_rows_come_by_weight(self):
        columns = (EncodedColumn("a", 2, np.zeros(2, bool)),)
        zeros, ones = (EncodedTable(columns, np.full((300, 1), code, np.int32), np.zeros((300, 1))) for code in (0, 1))
        mixed = fitted(zeros, member("copula", weight=3), member("copula", weight=1))
        mixed._members[1][1].fit(ones, seed=0, run=Run())
        assert mixed.sample(20_000, seed=1).codes.mean() == pytest.approx(0.25, abs=0.015)
        assert {len(np.unique(mixed.sample(500, seed=seed).codes[:250])) for seed in range(3)} == {2}, "rows are mixed"

    def test_likelihood_is_that_of_the_mixture(self):
        table = toy_table()
        engine = fitted(table, member("trees", weight=3), member("autoregressive", weight=1))
        each = [np.exp(model.likelihood(table)) for _, model in engine._members]
        assert np.allclose(np.exp(engine.likelihood(table)), 0.75 * each[0] + 0.25 * each[1])
        cells = np.array(np.meshgrid(range(3), range(3), [0])).reshape(3, -1).T.astype(np.int32)
        every = EncodedTable(table.columns, cells, np.zeros(cells.shape))
        assert np.exp(engine.likelihood(every)).sum() == pytest.approx(1, abs=1e-5)
        with pytest.raises(SettingsError, match="likelihood"):
            fitted(table, member("trees"), member("tvae")).likelihood(table)

    def test_rows_are_completed_where_all_members_can(self):
        table = toy_table()
        able = {"engine": "autoregressive", "settings": {**SMALL["autoregressive"], "any_order": True}}
        known = np.ones(table.codes.shape, bool)
        known[:, 1] = False
        engine = fitted(table, able, able)
        done = engine.complete(table, known, seed=1)
        assert (done.codes[known] == table.codes[known]).all() and same(done, engine.complete(table, known, seed=1))
        with pytest.raises(SettingsError, match="any_order"):
            fitted(table, able, member("trees")).complete(table, known, seed=1)

    def test_who_completes_a_row_follows_from_what_is_known(self):
        """One member knows rows of noughts, the other rows of ones: what is known of a row says whose it is."""
        columns = tuple(EncodedColumn(name, 2, np.zeros(2, bool)) for name in "ab")
        zeros, ones = (EncodedTable(columns, np.full((300, 2), code, np.int32), np.zeros((300, 2))) for code in (0, 1))
        able = {"engine": "marginals"}
        mixed = fitted(zeros, {**able, "weight": 3}, {**able, "weight": 1})
        mixed._members[1][1].fit(ones, seed=0, run=Run())
        half = EncodedTable(columns, np.array([[0, 0], [1, 0]] * 500, np.int32), np.zeros((1000, 2)))
        known = np.tile([True, False], (1000, 1))
        done = mixed.complete(half, known, seed=1).codes
        assert (done[:, 1] == done[:, 0]).mean() > 0.98
        alone = mixed.complete(half, np.zeros_like(known), seed=1).codes
        assert alone.mean() == pytest.approx(0.25, abs=0.05)
        mixed._weights = np.array([1.0, 0.0])  # as learned weights may come out
        assert (mixed.complete(half, known, seed=1).codes[known] == half.codes[known]).all()
        assert np.allclose(mixed.likelihood(zeros), mixed._members[0][1].likelihood(zeros))


class TestConditions:
    """Members meet conditions more or less by themselves: the mixture must not follow whoever does it best."""

    @staticmethod
    def two(first: float, second: float) -> Ensemble:
        """Trees (which always meet a condition) and a net (which ignores it) whose columns tell them apart."""
        columns = (EncodedColumn("asked", 2, np.zeros(2, bool)), EncodedColumn("whose", 2, np.zeros(2, bool)))
        tables = []
        for whose, share in enumerate((first, second)):
            asked = np.arange(2000) < share * 2000
            codes = np.stack([asked, np.full(2000, whose)], axis=1).astype(np.int32)
            tables.append(EncodedTable(columns, codes, np.zeros(codes.shape)))
        engine = fitted(tables[0], member("trees"), member("tvae"), epochs=20)
        engine._members[1][1].fit(tables[1], seed=0, run=Run())
        return engine

    @pytest.mark.parametrize(("first", "second"), [(0.5, 0.5), (0.1, 0.5), (0.6, 0.05)])
    def test_rows_under_a_condition_are_those_of_the_mixture(self, first, second):
        engine = self.two(first, second)
        free = engine.sample(20_000, seed=3).codes
        wanted = free[free[:, 0] == 1, 1].mean()
        rows = engine.sample(2_000, seed=4, conditions={0: 1}).codes
        rows = rows[rows[:, 0] == 1, 1]
        assert len(rows) > 1_900
        assert rows.mean() == pytest.approx(wanted, abs=0.05)

    def test_a_condition_that_no_row_meets_still_gives_the_count(self):
        columns = (EncodedColumn("a", 3, np.zeros(3, bool)), EncodedColumn("b", 2, np.zeros(2, bool)))
        codes = np.tile([[0, 0], [1, 1]], (100, 1)).astype(np.int32)
        engine = fitted(EncodedTable(columns, codes, np.zeros(codes.shape)), member("tvae"), member("tvae"))
        assert len(engine.sample(30, seed=0, conditions={0: 2})) == 30


class TestSettings:
    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ([{"engine": "gan"}], "member 1: engine must be one of"),
            (["tvae", {"engine": "ctgan", "settings": {"epoch": 3}}], "member 2: CTGANSettings has no setting 'epoch'"),
            (
                ["tvae", {"engine": "ctgan", "settings": {"pac": 7}}],
                r"member 2: batch_size must be a multiple of pac \(7\)",
            ),
            ([{"engine": "ensemble"}], "member 1: members are single engines"),
            ([{"engin": "tvae"}], "member 1: Member has no setting 'engin'"),
            ([{"rows": 1.5}], "member 1: rows"),
            ([{"weight": 0}], "member 1: weight"),
            ([3], "member 1 is neither"),
            ([], "at least 1"),
        ],
    )
    def test_what_is_wrong_with_a_member_is_said_of_that_member(self, members, message):
        with pytest.raises(SettingsError, match=message):
            Ensemble.Settings.build({"members": members})

    def test_disjoint_members_share_the_rows(self):
        with pytest.raises(SettingsError, match="add up to 1.2"):
            Ensemble.Settings.build({"members": [{"rows": 0.6}, {"rows": 0.6}], "disjoint": True})
        settings = Ensemble.Settings.build({"members": ["trees", "trees", {"rows": 0.2}], "disjoint": True})
        plans = plans_of(settings, np.arange(100, 1100), 0)
        rows = np.concatenate([plan.rows for plan in plans])
        assert len(set(rows)) == len(rows) and set(rows) <= set(range(100, 1100))
        assert [len(plan.rows) for plan in plans] == [333, 334, 200]

    def test_a_share_of_the_rows_is_drawn_for_each_member(self):
        settings = Ensemble.Settings.build({"members": [{"rows": 0.5}, {"rows": 0.5}, {"rows": 0.5, "seed": 0}]})
        first, second, third = (set(plan.rows) for plan in plans_of(settings, np.arange(400), 0))
        assert len(first) == len(second) == 200 and first != second and first == third

    def test_numbers_are_cut_for_the_member_that_reads_codes_alone(self):
        settings = Ensemble.Settings.build
        assert Ensemble.wants(settings({"members": ["ctgan", "tvae"]})) == "modes"
        assert Ensemble.wants(settings({"members": ["ctgan", "trees"]})) == "quantiles"

    def test_one_number_of_epochs_for_all(self):
        members = ["trees", {"engine": "tvae", "settings": {"epochs": 9}}]
        plans = plans_of(Ensemble.Settings.build({"members": members, "epochs": 4}), np.arange(50), 0)
        assert plans[1].settings.epochs == 4
        assert plans_of(Ensemble.Settings.build({"members": members}), np.arange(50), 0)[1].settings.epochs == 9

    def test_a_settings_file_comes_back_as_it_was_written(self, tmp_path):
        written = to_toml({"ensemble": Ensemble.Settings})
        assert written.count("[[ensemble.members]]") == 2
        (tmp_path / "a.toml").write_text(written.replace("settings = {}", "settings = {}\nseed = 3", 1))
        read = Ensemble.Settings.build(read_toml(tmp_path / "a.toml", {"ensemble": Ensemble.Settings})["ensemble"])
        assert [one.engine for one in read.members] == ["autoregressive", "trees"]
        assert [one.seed for one in read.members] == [3, None]

    def test_too_few_rows_are_refused_before_training(self):
        with pytest.raises(SettingsError, match="200 rows or more, however: the table has 60"):
            Ensemble.check(Ensemble.Settings(weights="learned"), 60)
        with pytest.raises(SettingsError, match=r"member 1 \(tvae\): a member needs two rows"):
            Ensemble.check(ensemble(member("tvae", rows=0.1)).settings, 12)

    def test_a_cluster_without_ray_is_refused_before_training(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(SettingsError, match=r"pip install 'lookalike\[cluster\]'"):
            Ensemble.check(Ensemble.Settings(cluster="auto"), 1000)


class TestWeights:
    def test_equal_ones_do_not_look_at_what_was_given(self):
        engine = fitted(toy_table(), member("trees", weight=5), member("copula"), weights="equal")
        assert engine._weights.tolist() == [0.5, 0.5]

    def test_learned_ones_prefer_the_member_that_is_more_alike(self):
        run = Run()
        engine = fitted(toy_table(3000), member("trees"), member("tvae"), weights="learned", epochs=1, run=run)
        told = run.notes["ensemble"]["members"]
        assert engine._weights[0] > 0.9 and told["1-trees"]["quality"] > told["2-tvae"]["quality"]
        assert told["1-trees"]["rows"] == 2700, "rows held out are seen by no member"
        assert same(
            engine.sample(9, seed=0),
            fitted(toy_table(3000), member("trees"), member("tvae"), weights="learned", epochs=1).sample(9, seed=0),
        )

    def test_learned_ones_punish_what_remembers_rows(self):
        alike, remembers = Worth(0.03, 0.03, 0.5, 0.03), Worth(0.03, 0.03, 0.75, 0.03)
        assert weights_of([alike, remembers])[0] > 0.99
        assert weights_of([Worth(0.03, 0.03, 0.52, 0.03), alike]).tolist() == [0.5, 0.5], "chance is not punished"

    def test_a_copy_of_the_rows_is_closer_to_them(self):
        rng = np.random.default_rng(0)
        columns = tuple(EncodedColumn(str(j), 9, np.zeros(9, bool), ordered=bool(j % 2)) for j in range(5))
        learned, fresh, drawn = (
            EncodedTable(columns, rng.integers(0, 9, (300, 5)).astype(np.int32), np.zeros((300, 5))) for _ in range(3)
        )
        share, error = closer_share(drawn, learned, fresh)
        assert abs(share - 0.5) < 3 * error < 0.15
        assert closer_share(learned, learned, fresh)[0] > 0.95


class TestTraining:
    def test_one_after_another_or_beside_each_other_the_same_rows(self, tmp_path):
        table, members = toy_table(), [member("tvae"), member("trees", rows=0.5)]
        here, beside = Run(tmp_path / "here"), Run(tmp_path / "beside")
        first = fitted(table, *members, run=here, workers=1)
        second = fitted(table, *members, run=beside, workers=2)
        assert same(first.sample(200, seed=1), second.sample(200, seed=1))
        assert here.losses == beside.losses and [row["epoch"] for row in here.losses] == [1, 2]
        for folder in ("here", "beside"):
            assert (tmp_path / folder / "members" / "1-tvae" / "losses.csv").exists()
        left = {path.name for path in (tmp_path / "beside").rglob("*")}
        assert "table.twin" not in left, "the rows that members learned from do not stay"

    @pytest.mark.skipif(os.name != "posix", reason="kills by signal")
    def test_rows_do_not_stay_where_the_run_is_killed(self, tmp_path):
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        parent = (
            "import sys\nfrom pathlib import Path\nfrom lookalike.model.ensemble import Ensemble\nfrom lookalike.run import Run\n"
            "from lookalike.testing import toy_table\n"
            "members = [{'engine': 'tvae', 'settings': {'early_stopping': False}}] * 2\n"
            "settings = Ensemble.Settings.build({'members': members, 'workers': 2, 'epochs': 10**6, 'cache': False})\n"
            "Ensemble(settings).fit(toy_table(), seed=0, run=Run(Path(sys.argv[1])))\n"
        )
        path = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": path}
        with subprocess.Popen([sys.executable, "-c", parent, str(tmp_path / "run")], env=environment) as process:
            wait_until(lambda: list(tmp_path.glob("run/members/*/losses.csv")), process)
            assert list(temporary.rglob("table.twin"))
            process.kill()
        wait_until(lambda: not list(temporary.rglob("*")))

    def test_a_member_that_fails_is_named(self, tmp_path):
        bad = {"engine": "tvae", "settings": {**SMALL["tvae"], "learning_rate": 1e30}}
        with pytest.raises(TrainingError, match=r"member 2 \(tvae\): losses must stay finite"):
            fitted(toy_table(), member("copula"), bad)

    def test_an_interrupted_member_is_gone_on_with(self, tmp_path):
        table, members = toy_table(), [member("copula"), member("tvae")]

        class Interrupted(Run):
            """Ctrl-C in the second member's third epoch."""

            def show(self, what, done, total, figures=""):
                if "epoch 3" in figures:
                    raise KeyboardInterrupt

        first = Interrupted(tmp_path)
        engine = fitted(table, *members, run=first, workers=1, epochs=6)
        assert first.interrupted and len(engine._members) == 2 and len(engine.sample(20, seed=0)) == 20
        again = Run(tmp_path, resume=True)
        resumed = fitted(table, *members, run=again, workers=1, epochs=6)
        whole = fitted(table, *members, workers=1, epochs=6)
        assert not again.interrupted and same(resumed.sample(99, seed=1), whole.sample(99, seed=1))
        assert again.notes["ensemble"]["members"]["1-copula"]["origin"] == "an earlier run"

    @pytest.mark.parametrize(
        ("left", "told"),
        [
            ({"error.json": '"rows must be rows."', "output.txt": "noise"}, "rows must be rows."),
            (
                {"output.txt": "Traceback\n  deep\nValueError: a bug\n"},
                "its process ended with code 1: ValueError: a bug",
            ),
            ({"output.txt": ""}, "it may have run out of memory"),
        ],
    )
    def test_whatever_ends_a_members_process_is_told(self, tmp_path, left, told):
        for name, text in left.items():
            (tmp_path / name).write_text(text)
        run = Run()
        plan = plans_of(ensemble(member("copula")).settings, np.arange(9), 0)[0]
        together = Together([plan], toy_table(), run, workers=2, cluster=None, cached=False)
        with pytest.raises(TrainingError, match=rf"member 1 \(copula\): .*{told}"):
            together._collect(plan, tmp_path, 1)

    def test_a_member_of_another_run_is_not_taken_up(self, tmp_path):
        fitted(toy_table(), member("copula"), run=Run(tmp_path))
        plan = plans_of(ensemble(member("copula")).settings, np.arange(9), 1)[0]
        together = Together([plan], toy_table(), Run(), workers=2, cluster=None, cached=False)
        with pytest.raises(TrainingError, match=r"member 1 \(copula\): .*was made for another"):
            together._collect(plan, tmp_path / "members" / "1-copula", 0)

    def test_other_rows_are_not_gone_on_with(self, tmp_path):
        fitted(toy_table(), member("copula"), run=Run(tmp_path))
        with pytest.raises(TrainingError, match="same table"):
            fitted(toy_table(seed=5), member("copula"), run=Run(tmp_path, resume=True))

    def test_a_time_budget_is_divided(self):
        start = time.monotonic()
        run = Run(minutes=3 / 60)
        engine = fitted(toy_table(), member("tvae"), member("tvae"), run=run, epochs=10**6, workers=1)
        epochs = [told["epochs"] for told in run.notes["ensemble"]["members"].values()]
        assert time.monotonic() - start < 30 and min(epochs) >= 1 and len(engine._members) == 2

    def test_ctrl_c_stops_members_in_processes_of_their_own_and_keeps_their_state(self, tmp_path):
        class Interrupted(Run):
            """Ctrl-C once a member is on its way; the other may have begun or not."""

            def show(self, what, done, total, figures=""):
                if "epoch" in figures and "epoch 1 " not in figures:
                    raise KeyboardInterrupt

        run = Interrupted(tmp_path)
        engine = fitted(toy_table(), member("tvae"), member("copula"), run=run, workers=2, epochs=10**6)
        told = run.notes["ensemble"]["members"]
        assert run.interrupted and told["1-tvae"]["epochs"] > 1 and len(engine.sample(5, seed=0)) == 5
        assert (tmp_path / "members" / "1-tvae" / "checkpoint.twin").exists()


class TestCache:
    def test_a_folder_that_cannot_be_written_is_said_once_and_ends_no_training(self, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            engine = fitted(toy_table(), member("copula"), member("trees"), cache=True)
        assert [str(one.message)[:42] for one in seen] == ["members are not kept for another time: the"]
        assert len(engine._members) == 2

    def test_an_unchanged_member_is_not_trained_again(self):
        cache.clear()
        table, runs = toy_table(seed=7), [Run() for _ in range(4)]
        members = [member("tvae"), member("trees")]
        first = fitted(table, *members, run=runs[0], cache=True)
        again = fitted(table, *members, run=runs[1], cache=True)
        assert same(first.sample(50, seed=1), again.sample(50, seed=1)) and runs[0].losses == runs[1].losses
        fitted(table, *members, run=runs[2], cache=True, epochs=3)
        fitted(toy_table(seed=8), *members, run=runs[3], cache=True)
        origins = [[told["origin"] for told in run.notes["ensemble"]["members"].values()] for run in runs]
        assert origins == [["trained"] * 2, ["the cache"] * 2, ["trained", "the cache"], ["trained"] * 2]
        assert len(cache.entries()) == 5

    def test_a_member_that_was_cut_short_is_not_kept(self):
        cache.clear()
        fitted(toy_table(seed=9), member("tvae"), run=Run(minutes=0.01), cache=True, epochs=10**6)
        assert cache.entries() == []

    def test_without_it_nothing_is_kept(self):
        cache.clear()
        fitted(toy_table(), member("copula"), cache=False)
        assert cache.entries() == []

    def test_a_member_is_of_the_code_of_the_whole_room(self):
        assert {"trees.py", "masked.py", "train.py", "shrink.py", "member.py"} <= {path.name for path in code_files()}


class TestTwin:
    def test_it_reads_well_and_travels_in_one_file(self, tmp_path):
        import pandas as pd

        real = pd.DataFrame({"a": ["x", "y", "z"] * 80, "b": np.arange(240) % 17, "c": np.linspace(0, 9, 240)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lookalike.LookalikeWarning)
            twin = lookalike.fit(
                real, engine="ensemble", members=[member("tvae"), member("tvae"), "trees"], run=Run(), **QUICK
            )
        assert twin.picked == "ensemble of 2 tvae + trees" and twin.why is None
        assert twin.effort == "3 members (2 × 2 epochs, one pass)"
        assert "ensemble of 2 tvae + trees, 3 members (2 × 2 epochs, one pass) in" in repr(twin)
        assert twin.information["encoder"]["intervals"] == "quantiles"
        twin.save(tmp_path / "t.twin")
        loaded = lookalike.load(tmp_path / "t.twin")
        assert loaded.sample(40, seed=2).equals(twin.sample(40, seed=2)) and repr(loaded) == repr(twin)
        assert len(loaded.sample(30, where={"a": "z"}).query("a == 'z'")) == 30
