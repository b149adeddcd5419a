from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lookalike.model.nets.latents import Latents
from lookalike.model.training.heldout import Distance
from lookalike.model.tvae import TVAE
from lookalike.run import Run
from lookalike.schema.encoded import EncodedTable

SMALL = {"embedding_dim": 8, "compress_dims": (32,), "decompress_dims": (32,)}


@pytest.fixture(scope="module")
def trained(make_toy: Callable[..., EncodedTable]) -> TVAE:
    engine = TVAE(TVAE.Settings.build({**SMALL, "epochs": 100}))
    engine.fit(make_toy(2000), seed=0, run=Run())
    return engine


def test_learns_columns_pairs_and_residuals(trained: TVAE, make_toy):
    made, fresh = trained.sample(20_000, seed=1), make_toy(20_000, seed=7)
    distance = Distance(make_toy(2000))
    assert distance(made) < distance(fresh) + 0.03
    inside = made.codes[:, 2] > 0
    assert abs(made.residuals[inside, 2].mean() - 0.1) < 0.03
    assert abs(made.residuals[inside, 2].std() - 0.2) < 0.05


def test_conditions_are_ignored(trained: TVAE):
    free, asked = trained.sample(50, seed=1), trained.sample(50, seed=1, conditions={0: 1})
    np.testing.assert_array_equal(free.codes, asked.codes)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss_factor": 1.0},
        {"l2scale": 0.1},
        {"learning_rate": 1e-2},
        {"latent_components": 0},
        {"compress_dims": ()},
        {"decompress_dims": (16, 16)},
        {"ema": 0.5},
        {"batch_size": 250},
    ],
)
def test_every_setting_counts(toy: EncodedTable, changes):
    rows = []
    for settings in ({}, changes):
        engine = TVAE(TVAE.Settings.build({**SMALL, "epochs": 40, **settings}))
        engine.fit(toy, seed=0, run=Run())
        rows.append(engine.sample(300, seed=0))
    assert not (np.array_equal(rows[0].codes, rows[1].codes) and np.array_equal(rows[0].residuals, rows[1].residuals))


def test_latents_are_drawn_where_the_rows_lie():
    draws = torch.Generator().manual_seed(0)
    side = torch.randint(2, (4_000,), generator=draws) * 4.0 - 2.0
    mean = torch.stack([side, side + 0.1 * torch.randn(4_000, generator=draws), torch.zeros(4_000)], 1)
    log_deviation = torch.tensor([-2.0, -2.0, 0.0]).expand(4_000, 3)
    latents = Latents.fit(mean, log_deviation, 4, np.random.default_rng(0))
    assert latents.arrays["used"].tolist() == [0, 1]
    drawn = latents.draw(4_000, draws)
    assert torch.corrcoef(drawn.T)[0, 1] > 0.98
    assert (drawn[:, 0].abs() > 1).float().mean() > 0.98
    assert abs(drawn[:, 2].std() - 1) < 0.05


def test_few_rows_are_left_to_the_prior():
    latents = Latents.fit(torch.ones(20, 3), torch.full((20, 3), -5.0), 100, np.random.default_rng(0))
    assert latents.arrays["used"].tolist() == []
