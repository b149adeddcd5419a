"""What all engines with a net promise; what only one does stands in the test named after it."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lookalike.errors import LookalikeWarning, SettingsError, TrainingError
from lookalike.model.autoregressive import Autoregressive
from lookalike.model.base import Generator
from lookalike.model.ctgan import CTGAN
from lookalike.model.tvae import TVAE
from lookalike.run import Run
from lookalike.schema.encoded import EncodedTable

SMALL = {
    Autoregressive: {"embedding_dim": 4, "hidden": 8, "orders": 2, "epochs": 2},
    CTGAN: {"embedding_dim": 8, "generator_dim": (16,), "discriminator_dim": (16,), "pac": 2, "epochs": 2},
    TVAE: {"embedding_dim": 8, "compress_dims": (16,), "decompress_dims": (16,), "epochs": 2},
}


@pytest.fixture(params=list(SMALL), ids=lambda engine: engine.name)
def make(request: pytest.FixtureRequest) -> Callable[..., Generator]:
    return lambda **changes: request.param(request.param.Settings.build({**SMALL[request.param], **changes}))


def same(a: EncodedTable, b: EncodedTable) -> bool:
    return np.array_equal(a.codes, b.codes) and np.array_equal(a.residuals, b.residuals)


def valid(table: EncodedTable, like: EncodedTable, rows: int) -> None:
    assert len(table) == rows
    assert table.columns == like.columns
    assert table.codes.dtype == np.int32
    for j, column in enumerate(table.columns):
        assert table.codes[:, j].min(initial=0) >= 0
        assert table.codes[:, j].max(initial=0) < column.cardinality
        assert (table.residuals[~column.interval[table.codes[:, j]], j] == 0).all()
    assert np.abs(table.residuals).max(initial=0) <= 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_awkward_tables_train_and_sample(make, awkward: EncodedTable, early_stopping: bool):
    if early_stopping and len(awkward) < 2:
        pytest.skip("refused, see below")
    engine = make(early_stopping=early_stopping)
    engine.fit(awkward, seed=0, run=Run())
    for rows in (0, 1, 77):
        valid(engine.sample(rows, seed=1), awkward, rows)


def test_early_stopping_on_one_row_is_refused(make, make_toy):
    with pytest.raises(SettingsError, match="two rows at least, however: the table has 1"):
        make(early_stopping=True).fit(make_toy(1), seed=0, run=Run())


def test_same_seed_same_model_same_rows(make, toy: EncodedTable):
    first, second, other = make(), make(), make()
    first.fit(toy, seed=3, run=Run())
    second.fit(toy, seed=3, run=Run())
    other.fit(toy, seed=4, run=Run())
    assert same(first.sample(500, seed=1), second.sample(500, seed=1))
    assert not same(first.sample(500, seed=1), first.sample(500, seed=2))
    assert not same(first.sample(500, seed=1), other.sample(500, seed=1))


def test_global_random_state_is_left_alone(make, toy: EncodedTable):
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 - the state under test
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    frugal = {"gradient_checkpointing": True} if "gradient_checkpointing" in type(make().settings).model_fields else {}
    engine = make(early_stopping=True, **frugal)
    engine.fit(toy, seed=0, run=Run())
    engine.sample(10, seed=0)
    assert torch.equal(torch_before, torch.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(numpy_before, np.random.get_state(), strict=True))  # noqa: NPY002
    assert (threads, dtype) == (torch.get_num_threads(), torch.get_default_dtype())


def test_state_gives_back_identical_rows(make, toy: EncodedTable):
    engine = make()
    engine.fit(toy, seed=0, run=Run())
    state, arrays = engine.state()
    assert all(array.dtype == np.float32 for array in arrays.values())
    again = type(engine).from_state(toy.columns, engine.settings, json.loads(json.dumps(state)), arrays)
    assert same(engine.sample(200, seed=5), again.sample(200, seed=5))
    assert [a.tobytes() for a in again.state()[1].values()] == [a.tobytes() for a in arrays.values()]


def test_every_part_of_the_table_is_reported_once_an_epoch(make, toy: EncodedTable):
    run = Run()
    make(epochs=3).fit(toy, seed=0, run=run)
    notes = run.notes["training"]
    again = notes["kept_epoch"] - 3 if notes.get("held_out_rows_learned") else 0
    assert notes["epochs"] == 3 + again
    assert [row["epoch"] for row in run.losses] == list(range(1, 4 + again))
    assert all(np.isfinite(list(row.values())).all() for row in run.losses)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_trains(make, toy: EncodedTable, precision: str):
    engine = make(precision=precision)
    run = Run()
    engine.fit(toy, seed=0, run=run)
    valid(engine.sample(20, seed=0), toy, 20)


def test_a_loss_that_is_not_finite_keeps_a_usable_state(make, toy: EncodedTable):
    rates = [name for name in type(make().settings).model_fields if name == "learning_rate" or name.endswith("_lr")]
    engine = make(**dict.fromkeys(rates, 1e30))
    with pytest.raises(TrainingError, match=r"finite, however: in epoch \d+ they did not.*Lower the learning rate"):
        engine.fit(toy, seed=0, run=Run())
    valid(engine.sample(20, seed=0), toy, 20)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "greater than or equal to 1, however: epochs=0"),
        ({"epochs": -1}, "greater than or equal to 1, however: epochs=-1"),
        ({"device": "tpu"}, "however: device='tpu'"),
        ({"precision": "int8"}, "however: precision='int8'"),
        ({"ema": 1.0}, "however: ema=1.0"),
        ({"batchsize": 10}, "no setting 'batchsize'"),
    ],
)
def test_settings_out_of_range_are_refused(make, setting, message):
    with pytest.raises(SettingsError, match=message):
        make(**setting)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_refused_before_training(make, toy: EncodedTable):
    engine = make(device="cuda")
    with pytest.raises(SettingsError, match=r"device='cuda'\. Use auto or"):
        type(engine).check(engine.settings, len(toy))
    with pytest.raises(SettingsError, match="device='cuda'"):
        engine.fit(toy, seed=0, run=Run())
    trained = make()
    trained.fit(toy, seed=0, run=Run())
    elsewhere = type(engine).from_state(toy.columns, engine.settings, *trained.state())  # trained on cuda, loaded here
    assert same(elsewhere.sample(10, seed=0), trained.sample(10, seed=0))


class TestOnCUDA:
    """A step that is recorded and replayed is the plain step, and both are the same every time."""

    def test_a_step_that_looks_at_figures_is_not_recorded(self, make):
        with pytest.raises(SettingsError, match="cuda_graph records steps that never look at a figure, however"):
            make(cuda_graph=True, precision="float16")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
    def test_recording_needs_cuda(self, make):
        engine = make(cuda_graph=True)
        with pytest.raises(SettingsError, match="cuda_graph needs a CUDA device, however: training is on"):
            type(engine).check(engine.settings, 1000)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
    @pytest.mark.parametrize("changes", [{}, {"precision": "float32"}, {"early_stopping": True}], ids=str)
    def test_the_same_seed_gives_the_same_rows_recorded_or_not(self, make, toy: EncodedTable, changes):
        rows = []
        for graph in (False, True, True):
            engine = make(epochs=12, cuda_graph=graph, **changes)
            engine.fit(toy, seed=0, run=Run())
            rows.append(engine.sample(500, seed=0))
        assert same(rows[1], rows[2])
        assert same(rows[0], rows[1])

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
    def test_recordings_thrown_away_do_not_break_the_next(self, make, toy: EncodedTable):
        before = gc.get_threshold()
        gc.set_threshold(20)  # collects again and again, while steps are recorded too, were that not put off
        try:
            for _ in range(3):
                make(epochs=12, cuda_graph=True).fit(toy, seed=0, run=Run())
        finally:
            gc.set_threshold(*before)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
    def test_any_order_is_drawn_anew_for_each_recorded_step(self, toy: EncodedTable):
        rows = []
        for graph in (False, True):
            settings = {**SMALL[Autoregressive], "any_order": True, "epochs": 12, "cuda_graph": graph}
            engine = Autoregressive(Autoregressive.Settings.build(settings))
            engine.fit(toy, seed=0, run=Run())
            rows.append(engine.sample(500, seed=0))
        assert same(*rows)


def test_a_table_smaller_than_a_batch_is_warned_about(make):
    settings = make(batch_size=500).settings
    with pytest.warns(LookalikeWarning, match="batch_size=500 and rows=400"):
        type(make()).check(settings, 400)
    type(make()).check(settings, 500)
