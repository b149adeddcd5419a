from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from lookalike.model.nets.layout import Layout
from lookalike.model.training.conditions import Conditions, RowIndex, conditionable, missed
from lookalike.schema.encoded import EncodedTable


def drawn_shares(conditions: Conditions, *, logarithmic: bool) -> np.ndarray:
    draws = torch.Generator().manual_seed(0)
    drawn = conditions.draw(200_000, draws, logarithmic=logarithmic)
    return np.bincount(drawn.numpy(), minlength=conditions.size) / 200_000


def test_conditions_follow_the_frequencies_asked_for(toy: EncodedTable):
    conditions = Conditions.of(toy, [0, 1])
    counts = [np.bincount(toy.codes[:, j], minlength=toy.columns[j].cardinality) for j in (0, 1)]
    by_count = np.concatenate([0.5 * c / c.sum() for c in counts])
    by_log = np.concatenate([0.5 * np.log1p(c) / np.log1p(c).sum() for c in counts])
    np.testing.assert_allclose(drawn_shares(conditions, logarithmic=False), by_count, atol=0.005)
    np.testing.assert_allclose(drawn_shares(conditions, logarithmic=True), by_log, atol=0.005)


def test_rows_meet_their_conditions_and_all_get_a_turn(toy: EncodedTable):
    conditions = Conditions.of(toy, [0, 2])
    index, draws = RowIndex(toy, conditions), torch.Generator().manual_seed(0)
    drawn = conditions.draw(100_000, draws, logarithmic=True)
    rows = index.draw(drawn, draws).numpy()
    column, code, _, _ = (part.numpy() for part in conditions.targets(Layout(toy.columns)))
    asked = np.array([0, 2])[column[drawn.numpy()]]
    np.testing.assert_array_equal(toy.codes[rows, asked], code[drawn.numpy()])
    for j in (0, 2):  # within a condition every row has the same chance
        for value in range(toy.columns[j].cardinality):
            mine = rows[(asked == j) & (code[drawn.numpy()] == value)]
            turns = np.bincount(mine, minlength=len(toy))[toy.codes[:, j] == value]
            assert turns.min() > 0
            expected = turns.mean()
            assert abs(((turns - expected) ** 2 / expected).mean() - 1) < 0.5


def test_codes_without_rows_are_never_drawn(awkward: EncodedTable):
    chosen = conditionable(awkward.columns, modes=True)
    conditions, draws = Conditions.of(awkward, chosen), torch.Generator().manual_seed(0)
    index = RowIndex(awkward, conditions)
    for logarithmic in (False, True):
        drawn = conditions.draw(5_000, draws, logarithmic=logarithmic)
        assert not chosen or conditions.counts[drawn].min() > 0
        rows = index.draw(drawn, draws)
        assert rows.min() >= 0
        assert rows.max() < len(awkward)


def test_targets_name_the_slots_of_each_column(toy: EncodedTable):
    column, code, slots, inside = Conditions.of(toy, [1, 2]).targets(Layout(toy.columns))
    assert column.tolist() == [0, 0, 1, 1, 1]
    assert code.tolist() == [0, 1, 0, 1, 2]
    assert slots.tolist() == [[3, 4, 4], [5, 6, 7]]
    assert inside.tolist() == [[True, True, False], [True, True, True]]


def test_modes_are_conditions_only_if_asked(toy: EncodedTable):
    assert conditionable(toy.columns, modes=False) == [0, 1]
    assert conditionable(toy.columns, modes=True) == [0, 1, 2]


def test_what_misses_its_condition_has_autograds_cross_entropy(toy: EncodedTable):
    conditions, layout = Conditions.of(toy, [0, 1, 2]), Layout(toy.columns)
    draws = torch.Generator().manual_seed(0)
    condition = conditions.draw(300, draws, logarithmic=True)
    raw, by_raw = (torch.randn(300, layout.width, generator=draws) for _ in range(2))
    added = by_raw.clone()
    loss = missed(raw, condition, conditions.targets(layout), added)
    plain = raw.clone().requires_grad_()
    expected, starts = plain.new_zeros(()), conditions.starts
    for j, logits in enumerate(plain[:, : layout.slots].split(layout.cardinalities.tolist(), 1)):
        asked = (condition >= starts[j]) & (condition < starts[j + 1])
        expected = expected + cross_entropy(logits[asked], condition[asked] - starts[j], reduction="sum") / 300
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(added - by_raw, plain.grad, atol=1e-6, rtol=1e-4)
