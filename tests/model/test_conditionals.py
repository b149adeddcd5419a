"""Nets that know conditional distributions: what they draw has the shares that it is to have."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lookalike.model.autoregressive import AutoregressiveSettings, conditionals
from lookalike.schema.encoded import EncodedColumn

COLUMNS = (EncodedColumn("colour", 3, np.zeros(3, bool)), EncodedColumn("size", 4, np.zeros(4, bool)))
WANTED = [torch.tensor([0.7, 0.25, 0.05]), torch.tensor([0.1, 0.2, 0.3, 0.4])]


@pytest.fixture(params=[1, 2])
def drifted(request):
    """Nets in which the size depends on the colour, and neither has its shares."""
    settings = AutoregressiveSettings(orders=request.param)
    nets = conditionals(
        COLUMNS, settings, torch.device("cpu"), [np.ones(3), np.ones(4)], [[0, 1], [1, 0]][: request.param]
    )
    draws = torch.Generator().manual_seed(0)
    for net in nets.nets:
        for heads in net.heads:
            heads.single.data.normal_(std=0.3, generator=draws)
    return nets


def shares(nets) -> list[np.ndarray]:
    codes = nets.draw(20_000, torch.Generator().manual_seed(1), {}, 1.0).codes
    return [
        np.bincount(own, minlength=column.cardinality) / len(own) for own, column in zip(codes.T, COLUMNS, strict=True)
    ]


def test_columns_have_the_shares_wanted_and_lean_on_each_other_as_before(drifted):
    wanted, slack = [part.numpy() for part in WANTED], [torch.tensor(1e-4)] * 2
    assert max(abs(one - other).max() for one, other in zip(shares(drifted), wanted, strict=True)) > 0.1
    before = [heads.single.clone() for net in drifted.nets for heads in net.heads]
    drifted.settle(WANTED, slack, torch.Generator().manual_seed(2), lambda: False)
    assert max(abs(one - other).max() for one, other in zip(shares(drifted), wanted, strict=True)) < 0.015
    assert all(
        torch.equal(one, heads.single)
        for one, heads in zip(before, (h for net in drifted.nets for h in net.heads), strict=True)
    )


def test_what_is_off_by_no_more_than_chance_stays_and_so_does_all_where_time_is_up(drifted):
    before = shares(drifted)
    drifted.settle(WANTED, [torch.tensor(1e-4)] * 2, torch.Generator().manual_seed(2), lambda: True)
    assert all(np.array_equal(one, other) for one, other in zip(before, shares(drifted), strict=True))
    drifted.settle(WANTED, [torch.tensor(1e3)] * 2, torch.Generator().manual_seed(2), lambda: False)
    assert max(abs(one - other).max() for one, other in zip(before, shares(drifted), strict=True)) < 0.01
