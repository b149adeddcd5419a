from __future__ import annotations

import numpy as np
import pytest

from lookalike import neighbours
from lookalike.neighbours import Rows, distance, greatest, join, nearest, nearness, one_hot


def rows(count, seed, many=1):
    """Two numbers, a label of three levels, and ``many`` labels that are compared code by code."""
    generator = np.random.default_rng(seed)
    numbers = (generator.random((count, 2)) - 0.5).astype(np.float32)
    dense = np.concatenate([numbers, one_hot(generator.integers(0, 3, count), 3)], axis=1)
    codes = generator.integers(0, 40, (many, count)).astype(np.uint16)
    return Rows(dense, codes, ((dense**2).sum(axis=1) + many / 2).astype(np.float32))


def plain(queries, references, cosine):
    """Every distance by the definition: labels of many levels as one-hot axes of √½."""
    sides = [
        np.concatenate([side.dense, *(np.eye(40)[line] * np.sqrt(0.5) for line in side.codes)], axis=1)
        for side in (queries, references)
    ]
    if cosine:
        sides = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    return np.linalg.norm(sides[0][:, None] - sides[1], axis=2)


@pytest.mark.parametrize("many", [0, 1, 3])
@pytest.mark.parametrize("cosine", [True, False])
def test_blocks_give_the_neighbours_of_the_plain_definition(many, cosine, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_CELLS", 500)
    queries, references = rows(70, 1, many), rows(110, 2, many)
    expected = plain(queries, references, cosine)
    found = nearest(queries, references, 3, cosine=cosine)
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :3], atol=1e-5)
    np.testing.assert_allclose(
        np.take_along_axis(expected, found.places, axis=1).min(axis=1), expected.min(axis=1), atol=1e-5
    )
    np.testing.assert_allclose(
        distance(queries, references.take(np.arange(70)), cosine), np.diagonal(expected), atol=1e-6
    )


def test_a_copy_is_at_zero_and_a_row_is_not_its_own_neighbour():
    some = rows(60, 3)
    assert (nearest(some, some, 1).distances == 0).all()
    own = nearest(some, some, 1, own_places=np.arange(60))
    assert (own.places[:, 0] != np.arange(60)).all() and (own.distances > 0).all()


def test_too_few_references_are_infinitely_far():
    found = nearest(rows(4, 2), rows(1, 1), 2)
    assert np.isfinite(found.distances[:, 0]).all() and np.isinf(found.distances[:, 1]).all()


def test_nearness_tells_the_distance():
    queries, references = rows(9, 1), rows(8, 2)
    ((_, scores),) = nearness(queries, references)
    np.testing.assert_allclose(
        np.sqrt(queries.squares[:, None] - 2 * scores), plain(queries, references, False), atol=1e-3
    )


def test_joined_rows_stand_one_under_the_other():
    both = join(rows(5, 1), rows(7, 2))
    assert len(both) == 12
    assert (distance(both.take(slice(5, 12)), rows(7, 2), False) == 0).all()


def test_the_greatest_stand_first():
    assert greatest(np.array([[3.0, 9.0, 5.0], [1.0, 0.0, 2.0]]), 2).tolist() == [[1, 2], [2, 0]]
