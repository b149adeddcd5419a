"""Ends of training other than the last epoch: Ctrl-C, time, patience; and going on afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from lookalike.artefact import read
from lookalike.errors import LookalikeWarning, SettingsError, TrainingError
from lookalike.model.autoregressive import Autoregressive
from lookalike.model.base import Generator
from lookalike.model.ctgan import CTGAN
from lookalike.model.training.adam import Adam
from lookalike.model.training.device import available
from lookalike.model.training.task import NetSettings, held_out_rows, plan
from lookalike.model.training.train import fingerprint
from lookalike.model.tvae import TVAE
from lookalike.rng import generator
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable

SMALL = {
    Autoregressive: {"embedding_dim": 4, "hidden": 8, "orders": 2, "early_stopping": False},
    CTGAN: {"embedding_dim": 8, "generator_dim": (16,), "discriminator_dim": (16,), "pac": 2},
    TVAE: {"embedding_dim": 8, "compress_dims": (16,), "decompress_dims": (16,)},
}


def repeated(rows: int, times: int) -> EncodedTable:
    """Rows of noise, each several times: rows held out are likelier by a net that learned the others by heart."""
    codes = np.random.default_rng(0).integers(0, 6, (rows, 6)).repeat(times, 0).astype(np.int32)
    columns = tuple(EncodedColumn(f"c{j}", 6, np.zeros(6, bool)) for j in range(6))
    return EncodedTable(columns, codes, np.zeros(codes.shape))


class Interrupted(Run):
    """Ctrl-C while epoch ``at`` is reported."""

    def __init__(self, at: int, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.at = at

    def epoch(self, epoch, epochs, losses):
        super().epoch(epoch, epochs, losses)
        if epoch == self.at:
            raise KeyboardInterrupt


class Hurried(Run):
    """Out of time after ``looks`` looks at the clock."""

    def __init__(self, looks: int, folder: Path | None = None) -> None:
        super().__init__(folder)
        self.looks = looks

    @property
    def out_of_time(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.fixture(params=list(SMALL), ids=lambda engine: engine.name)
def make(request: pytest.FixtureRequest) -> Callable[..., Generator]:
    return lambda **changes: request.param(
        request.param.Settings.build({**SMALL[request.param], "epochs": 6, **changes})
    )


def weights(engine: Generator) -> list[bytes]:
    return [array.tobytes() for array in engine.state()[1].values()]


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_resumed_equals_uninterrupted(make, toy: EncodedTable, tmp_path, early_stopping: bool, precision: str):
    settings = {"early_stopping": early_stopping, "precision": precision}
    whole, broken, resumed = make(**settings), make(**settings), make(**settings)
    whole_run, resumed_run = Run(), Run(tmp_path, resume=True)
    whole.fit(toy, seed=0, run=whole_run)
    broken.fit(toy, seed=0, run=Interrupted(3, tmp_path))
    resumed.fit(toy, seed=0, run=resumed_run)
    assert weights(whole) == weights(resumed)
    assert early_stopping or weights(whole) != weights(broken)
    assert resumed_run.losses == whole_run.losses


def test_no_epoch_is_taken_back(make, toy: EncodedTable, tmp_path):
    make(epochs=4).fit(toy, seed=0, run=Run(tmp_path))
    with pytest.raises(TrainingError, match=r"epochs=2 and 4 have run\. Ask for 4 or more \(--epochs\)"):
        make(epochs=2).fit(toy, seed=0, run=Run(tmp_path, resume=True))
    again = Run(tmp_path, resume=True)
    make(epochs=4).fit(toy, seed=0, run=again)
    assert again.losses[-1]["epoch"] == 4


def test_a_part_of_an_epoch_is_resumed_from_its_start(make, toy: EncodedTable, tmp_path):
    whole, broken, resumed = make(), make(), make()
    whole.fit(toy, seed=0, run=Run())
    broken.fit(toy, seed=0, run=Hurried(25, tmp_path))
    resumed_run = Run(tmp_path, resume=True)
    resumed.fit(toy, seed=0, run=resumed_run)
    assert weights(whole) == weights(resumed)
    assert [row["epoch"] for row in resumed_run.losses] == [1, 2, 3, 4, 5, 6]


def test_a_training_that_ended_is_gone_on_from_at_its_end(make, toy: EncodedTable, tmp_path):
    whole, resumed = make(), make()
    whole.fit(toy, seed=0, run=Run(tmp_path))
    again = Run(tmp_path, resume=True)
    before = (tmp_path / "log.txt").read_text()
    resumed.fit(toy, seed=0, run=again)
    assert weights(whole) == weights(resumed) and (tmp_path / "log.txt").read_text() == before


def test_going_on_needs_a_folder():
    with pytest.raises(SettingsError, match="resume=True and no folder"):
        Run(resume=True)


@pytest.mark.parametrize("change", ["data", "settings", "seed"])
def test_a_checkpoint_of_something_else_is_refused(make, toy: EncodedTable, make_toy, tmp_path, change: str):
    make().fit(toy, seed=0, run=Interrupted(3, tmp_path))
    engine = make(embedding_dim=9) if change == "settings" else make()
    table = make_toy(600, seed=5) if change == "data" else toy
    with pytest.raises(TrainingError, match="same table, columns, settings, seed and version"):
        engine.fit(table, seed=int(change == "seed"), run=Run(tmp_path, resume=True))


def test_a_finished_training_is_not_trained_on(make, toy: EncodedTable, tmp_path):
    first, again = make(), make()
    first.fit(toy, seed=0, run=Interrupted(6, tmp_path))
    again.fit(toy, seed=0, run=Run(tmp_path, resume=True))
    assert weights(first) == weights(again)


@pytest.mark.parametrize("folder", [False, True])
def test_ctrl_c_keeps_a_usable_model(make, toy: EncodedTable, tmp_path, folder: bool):
    run = Interrupted(2, tmp_path if folder else None)
    engine = make()
    engine.fit(toy, seed=0, run=run)
    assert run.interrupted
    assert run.notes["training"]["epochs"] == 2
    shorter = make(epochs=2)
    shorter.fit(toy, seed=0, run=Run())
    assert weights(engine) == weights(shorter)
    assert len(engine.sample(30, seed=0)) == 30


def test_time_budget_ends_training(make, toy: EncodedTable):
    engine, run = make(epochs=100_000), Run(minutes=0.005)
    engine.fit(toy, seed=0, run=run)
    assert not run.interrupted
    assert 1 <= run.notes["training"]["epochs"] < 100_000
    assert len(engine.sample(30, seed=0)) == 30


def test_what_was_learned_just_before_time_was_up_is_kept(toy: EncodedTable):
    """Small tables are scored every few epochs: of three epochs that there was time for, the first was kept."""

    class ThreeEpochs(Run):
        @property
        def out_of_time(self) -> bool:
            return len(self.losses) >= 3

    run = ThreeEpochs()
    Autoregressive(Autoregressive.Settings.build({"hidden": 16, "batch_size": 100})).fit(toy, seed=0, run=run)
    assert len({row["held_out"] for row in run.losses}) == 1, "or all were scored anyway"
    assert run.notes["training"]["kept_epoch"] == run.notes["training"]["epochs"] == 3


def test_the_last_epoch_asked_for_is_scored(toy: EncodedTable):
    """Of three epochs the first was kept: the second and the third were never held against the rows held out."""
    run = Run()
    Autoregressive(Autoregressive.Settings.build({"hidden": 16, "batch_size": 100, "epochs": 3})).fit(
        toy, seed=0, run=run
    )
    scores = [row["held_out"] for row in run.losses if "held_out" in row]
    assert scores[0] == scores[1] > scores[2]
    assert run.notes["training"]["epochs"] == 6, "or the second training did not take as many epochs"


def test_early_stopping_stops_and_keeps_the_best(make, toy: EncodedTable):
    run = Run()
    engine = make(early_stopping=True, patience=3, epochs=2_000, ema=0)
    engine.fit(toy, seed=0, run=run)
    scores = [row["held_out"] for row in run.losses if "held_out" in row]
    notes = run.notes["training"]
    assert len(scores) < 2_000
    again = notes["epochs"] - len(scores)
    assert scores[(again or notes["kept_epoch"]) - 1] == min(scores)
    assert all(map(math.isfinite, scores))


def test_epochs_beyond_the_most_steps_are_told_before_and_after(toy):
    settings = Autoregressive.Settings.build({**SMALL[Autoregressive], "epochs": 60, "most_steps": 20})
    with pytest.warns(LookalikeWarning, match="epochs=60, and most_steps=20 allows about 12. Raise most_steps"):
        Autoregressive.check(settings, len(toy))
    run = Run()
    Autoregressive(settings).fit(toy, seed=0, run=run)
    assert run.notes["training"]["epochs"] == run.notes["training"]["most_epochs"] == 12
    Autoregressive.check(settings.replace(epochs=12), len(toy))  # a warning is an error in tests


class TestTheSecondTraining:
    """Once it is known when to stop, the net learns anew from all rows."""

    SETTINGS: ClassVar = {**SMALL[Autoregressive], "early_stopping": True, "patience": 3, "epochs": 40}

    def fit(self, table: EncodedTable, run: Run, **changes) -> Autoregressive:
        engine = Autoregressive(Autoregressive.Settings.build({**self.SETTINGS, **changes}))
        engine.fit(table, seed=0, run=run)
        return engine

    def first(self, table: EncodedTable) -> tuple[Autoregressive, int]:
        """The net without a second training, and the epochs it took."""
        run = Run()
        return self.fit(table, run, refit_rows=0), run.notes["training"]["epochs"]

    def test_is_as_long_as_the_first_was_good(self, toy):
        run, alone = Run(), Run()
        self.fit(toy, run)
        self.fit(toy, alone, refit_rows=0)
        first, notes = alone.notes["training"], run.notes["training"]
        assert notes["epochs"] == first["epochs"] + first["kept_epoch"]
        assert notes["held_out_rows_learned"] and not first["held_out_rows_learned"]
        assert notes["memory_gap"] == first["memory_gap"]  # as measured while the rows held out were unseen
        assert run.losses[: first["epochs"]] == alone.losses

    def test_rows_held_out_are_learned_from(self, toy):
        rows = held_out_rows(toy, NetSettings(early_stopping=True), generator(0, "held out"))[1]
        marked = EncodedTable(toy.columns, toy.codes.copy(), toy.residuals)
        marked.codes[rows] = [2, 1, 0]  # a row that only those held out show so often
        once, twice = (self.fit(marked, Run(), refit_rows=most, epochs=8) for most in (0, 600))
        mine = marked.take(rows[:1])
        assert twice.likelihood(mine)[0] > once.likelihood(mine)[0]

    def test_the_rate_falls_to_nought_at_the_end_of_either(self, toy):
        """An epoch of all rows has more steps: there must be as many epochs of them."""
        settings = Autoregressive.Settings.build({**self.SETTINGS, "most_steps": 400, "batch_size": 50})
        task = Autoregressive.task(toy.take(np.arange(540)), toy.take(np.arange(540, 600)), settings, 0)
        epochs, steps = task.most_epochs, task.steps
        for again in (False, True):
            if again:
                task.begin_again({"surprise_held_out_rows": 3.0, "memory_gap": 0.0, "memory_gap_error": 0.1})
                assert (task.most_epochs, task.steps) == (epochs, steps + 1)
            rates = [task._rate(taken) for taken in range(int(epochs) * task.steps)]
            assert 0 < rates[-1] == min(rates) < 0.01 * max(rates)

    @pytest.mark.parametrize(("gap", "more"), [(-0.1, 1.0), (0.5, 1.0), (0.7, 1.44), (5.0, 2.5)])
    def test_decays_more_where_the_first_remembered(self, toy, gap, more):
        settings = Autoregressive.Settings.build(self.SETTINGS)
        task = Autoregressive.task(toy.take(np.arange(540)), toy.take(np.arange(540, 600)), settings, 0)
        before = task.optimizers["net"].apart.clone()
        noted = task.begin_again({"surprise_held_out_rows": 10.0, "memory_gap": gap, "memory_gap_error": 0.1})
        assert noted == {"more_decay": pytest.approx(more)}
        assert before.max() > 0 and torch.allclose(task.optimizers["net"].apart, before * more)

    def test_a_table_of_more_rows_is_learned_once(self, toy):
        run = Run()
        self.fit(toy, run, refit_rows=599)
        assert not run.notes["training"]["held_out_rows_learned"]

    def test_cut_short_leaves_the_first(self, toy):
        first, epochs = self.first(toy)
        broken = self.fit(toy, Interrupted(epochs + 2))
        assert weights(broken) == weights(first)

    @pytest.mark.parametrize("remembered", [False, True])
    def test_is_resumed_where_it_was(self, remembered, toy, tmp_path):
        table = repeated(150, 4) if remembered else toy
        self.fit(table, first := Run(), hidden=64, refit_rows=0)
        epochs = first.notes["training"]["epochs"]
        whole = self.fit(table, whole_run := Run(), hidden=64)
        broken = self.fit(table, Interrupted(epochs + 2, tmp_path), hidden=64)
        resumed = self.fit(table, resumed_run := Run(tmp_path, resume=True), hidden=64)
        assert weights(resumed) == weights(whole) != weights(broken)
        assert (resumed.unseen == whole.unseen).all() and np.isfinite(whole.unseen).all()
        notes = resumed_run.notes["training"]
        assert notes == whole_run.notes["training"]
        assert notes["held_out_rows_learned"] and (notes["more_decay"] > 1) == remembered

    def test_what_needs_no_further_epoch_leaves_the_kept_weights_alone(self, toy, tmp_path):
        whole = self.fit(toy, whole_run := Run(tmp_path / "whole"))
        once = self.fit(toy, Run(tmp_path / "once"), refit_rows=0)
        small, large = (tmp_path / name / "checkpoint.twin" for name in ("whole", "once"))
        assert set(read(small)[1]) == {"good"} < set(read(large)[1])
        resumed = self.fit(toy, resumed_run := Run(tmp_path / "whole", resume=True))
        assert weights(resumed) == weights(whole) != weights(once)
        assert resumed_run.notes["training"] == whole_run.notes["training"]
        assert set(read(small)[1]) == {"good"}

    def test_does_not_start_without_the_time_for_it(self, toy):
        first, epochs = self.first(toy)

        class Late(Run):
            seconds_left = 0.0

        run = Late()
        assert weights(self.fit(toy, run)) == weights(first)
        assert run.notes["training"]["epochs"] == epochs

    def test_losses_on_disk_stay_in_their_columns(self, toy, tmp_path):
        self.fit(toy, run := Run(tmp_path))
        lines = [line.split(",") for line in (tmp_path / "losses.csv").read_text().splitlines()]
        assert lines[0] == ["epoch", "loss", "held_out"] and {len(line) for line in lines} == {3}
        assert [line[2] == "" for line in lines[1:]] == ["held_out" not in row for row in run.losses]


@pytest.mark.parametrize("rows", [1, 2, 99, 101, 400, 499, 501, 4_321, 24_395])
@pytest.mark.parametrize("batch", [500, 60])
@pytest.mark.parametrize("settings", [TVAE.Settings, CTGAN.Settings])
def test_an_epoch_has_enough_steps_for_every_row(rows: int, batch: int, settings: type[NetSettings]):
    size, steps = plan(rows, settings(batch_size=batch))
    assert size % settings().batch_multiple == 0
    assert 1 <= size <= batch
    assert steps >= 10
    assert size * steps >= rows


def test_every_row_is_trained_on_or_held_out(make_toy):
    settings = NetSettings(early_stopping=True)
    training, held_out = held_out_rows(make_toy(997), settings, np.random.default_rng(0))
    assert sorted([*training, *held_out]) == list(range(997))
    assert len(held_out) == 99


def test_no_row_is_left_out_of_an_epoch(make_toy):
    from lookalike.model.tvae import _Training

    for rows in (2, 333, 5_003):
        task = _Training(make_toy(rows), make_toy(0), TVAE.Settings(), seed=0)
        task.begin_epoch()
        assert len(task.parts) == task.steps
        assert set(torch.cat(task.parts).tolist()) == set(range(rows))


@pytest.mark.parametrize("device", available())
@pytest.mark.parametrize(("decay", "apart"), [(0.0, 0.0), (0.01, 0.0), (0.0, 0.1)])
def test_the_step_that_all_nets_take_is_torchs_adam(decay: float, apart: float, device: str):
    draws = torch.Generator().manual_seed(0)
    mine, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 50, device=device)) for _ in range(2))
    mine.grad = torch.zeros_like(mine)
    ours = Adam(mine, 0.1, (0.5, 0.9), decay, torch.full_like(mine, apart) if apart else None)
    kind = torch.optim.AdamW if apart else torch.optim.Adam
    reference = kind([theirs], lr=0.1, betas=(0.5, 0.9), weight_decay=apart or decay)
    for step in range(20):
        gradient = torch.randn(50, generator=draws).to(device)
        ours.rate = reference.param_groups[0]["lr"] = 0.1 / (1 + step)
        mine.grad.copy_(gradient)
        theirs.grad = gradient
        ours.step()
        reference.step()
    torch.testing.assert_close(mine, theirs)


def test_a_training_that_ends_in_no_number_leaves_its_last_good_state(toy, tmp_path):
    settings = TVAE.Settings.build({"epochs": 3, "learning_rate": 1e30, "early_stopping": False})
    with pytest.raises(TrainingError, match=r"Lower the learning rate \(learning_rate=1e\+30\)"):
        TVAE(settings).fit(toy, seed=0, run=Run(tmp_path))
    assert (tmp_path / "checkpoint.twin").exists()


def test_whose_rows_are_whose_is_part_of_what_a_checkpoint_agrees_with(toy):
    settings = TVAE.Settings()
    groups = np.arange(len(toy)) // 3 + 1
    marks = {
        fingerprint("tvae", EncodedTable(toy.columns, toy.codes, toy.residuals, whose), settings, 0)
        for whose in (None, groups, groups[::-1].copy())
    }
    assert len(marks) == 3
