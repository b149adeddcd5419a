from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lookalike.errors import SamplingError, SettingsError
from lookalike.model.ctgan import CTGAN
from lookalike.model.training.heldout import Distance
from lookalike.run import Run
from lookalike.schema.encoded import EncodedTable

SMALL = {"embedding_dim": 16, "generator_dim": (64, 64), "discriminator_dim": (64, 64)}


@pytest.fixture(scope="module")
def trained(make_toy: Callable[..., EncodedTable]) -> CTGAN:
    engine = CTGAN(CTGAN.Settings.build({**SMALL, "epochs": 120}))
    engine.fit(make_toy(2000), seed=0, run=Run())
    return engine


def test_learns_columns_pairs_and_residuals(trained: CTGAN, make_toy):
    made, fresh = trained.sample(20_000, seed=1), make_toy(20_000, seed=7)
    distance = Distance(make_toy(2000))
    assert distance(made) < distance(fresh) + 0.06
    for j in (0, 1, 2):
        shares = [np.bincount(t.codes[:, j], minlength=t.columns[j].cardinality) / len(t) for t in (made, fresh)]
        assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.12  # four seeds: .028 to .063, in bfloat16 to .099
    inside = made.codes[:, 2] > 0
    assert abs(made.residuals[inside, 2].mean() - 0.1) < 0.06
    assert abs(made.residuals[inside, 2].std() - 0.2) < 0.08


@pytest.mark.parametrize("code", [0, 1, 2])
def test_conditions_are_leant_towards(trained: CTGAN, code: int):
    assert (trained.sample(2_000, seed=1, conditions={0: code}).codes[:, 0] == code).mean() > 0.9


def test_conditions_on_several_columns_follow_the_rarest(trained: CTGAN):
    made = trained.sample(2_000, seed=1, conditions={0: 2, 1: 0, 2: 1})
    assert (made.codes[:, 0] == 2).mean() > 0.9


def test_a_number_is_no_condition_and_is_ignored(trained: CTGAN):
    free, asked = trained.sample(500, seed=1), trained.sample(500, seed=1, conditions={2: 1})
    np.testing.assert_array_equal(free.codes, asked.codes)


@pytest.mark.parametrize("wanted", [{0: 3}, {0: -1}, {9: 0}])
def test_a_condition_that_cannot_be_is_refused(trained: CTGAN, wanted):
    with pytest.raises(SamplingError, match="names a column and one of its codes"):
        trained.sample(5, seed=0, conditions=wanted)


@pytest.mark.parametrize(
    "changes",
    [
        {"discriminator_steps": 2},
        {"log_frequency": True},
        {"pac": 1},
        {"gradient_penalty": 0.0},
        {"temperature": 0.5},
        {"diversity": 1.0},
        {"condition_on_modes": True},
        {"generator_dim": ()},
        {"discriminator_dim": (16, 16, 16)},
        {"generator_decay": 0.1},
        {"discriminator_decay": 0.1},
        {"generator_lr": 2e-4},
        {"discriminator_lr": 2e-4},
        {"ema": 0.5},
        {"batch_size": 250},
    ],
)
def test_every_setting_counts(toy: EncodedTable, changes):
    rows = []
    for settings in ({}, changes):
        engine = CTGAN(CTGAN.Settings.build({**SMALL, "epochs": 2, **settings}))
        engine.fit(toy, seed=0, run=Run())
        rows.append(engine.sample(300, seed=0))
    assert not (np.array_equal(rows[0].codes, rows[1].codes) and np.array_equal(rows[0].residuals, rows[1].residuals))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"batch_size": 256},
            "batch_size must be a multiple of pac (10), however: batch_size=256. Use 250 or 260.",
        ),
        ({"batch_size": 4, "pac": 8}, "batch_size must be a multiple of pac (8), however: batch_size=4. Use 8."),
    ],
)
def test_a_batch_holds_whole_packs(settings, message: str):
    with pytest.raises(SettingsError) as caught:
        CTGAN.Settings.build(settings)
    assert str(caught.value) == message


def test_a_step_that_chooses_pairs_of_columns_is_not_recorded():
    with pytest.raises(
        SettingsError, match="cuda_graph records steps that never look at a figure, however: diversity=1"
    ):
        CTGAN.Settings.build({"cuda_graph": True, "diversity": 1.0})


@pytest.mark.parametrize("name", ["generator_dim", "discriminator_dim"])
def test_widths_are_positive(name: str):
    with pytest.raises(SettingsError):
        CTGAN.Settings.build({name: (0,)})
