"""One column given others: a forest of honest trees, whose splits and whose leaves come from different rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from lookalike.model.counts.levels import coordinates, ranks
from lookalike.model.counts.shrink import Hierarchy
from lookalike.schema.encoded import EncodedColumn


@dataclass(frozen=True)
class Growth:
    """How trees grow; see :class:`lookalike.model.trees.TreesSettings`."""

    trees: int
    least_rows: int
    structure: float
    strength: float
    growth: float
    depth: int | None = None


@dataclass(frozen=True)
class Forest:
    """The distribution of a column's code, given the codes of p others: the mean over T trees of their leaves' distributions.

    Attributes
    ----------
    roots
        (T,) int32: each tree's first node.
    ranks
        (T, S) int16: for each tree and each code of each of the p columns, one after the other, its place on the axis that
        the tree splits.
    feature, threshold, children
        (N,) int32, (N,) float32, (N, 2) int32 of all trees' nodes: go to the second child where the rank is greater.
        A leaf's children are -1.
    leaf
        (N,) int32: the row of ``distributions`` that stands for a node. A node of too few rows has its parent's.
    distributions
        (L, K) float16. What is kept and what is drawn from is the same, so it is not rounded once more when saved.
    """

    roots: np.ndarray
    ranks: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    leaf: np.ndarray
    distributions: np.ndarray

    def leaves(self, codes: np.ndarray, trees: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return (n,) the leaf that rows of codes (n, p) fall in, each in its own of the ``trees`` (n,).
        ``starts`` (p,): where each column's codes start in ``ranks``."""
        node = self.roots[trees].astype(np.int64)
        going = np.flatnonzero(self.children[node, 0] >= 0)
        while len(going):
            at = node[going]
            feature = self.feature[at]
            place = self.ranks[trees[going], starts[feature] + codes[going, feature]]
            node[going] = self.children[at, (place > self.threshold[at]).astype(np.int64)]
            going = going[self.children[node[going], 0] >= 0]
        return np.asarray(self.leaf[node])

    def draw(self, codes: np.ndarray, starts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a code for each row (n, p): one of the trees, by chance, then from its leaf, which is to draw from the mean."""
        leaves = self.leaves(codes, rng.integers(len(self.roots), size=len(codes)), starts)
        below = np.cumsum(self.distributions, axis=1, dtype=np.float64)
        below /= below[:, -1:]
        # each leaf's distribution function one above the last one's: sorted over all leaves
        steps = (below + np.arange(len(below))[:, None]).ravel()
        places = np.searchsorted(steps, rng.random(len(codes)) * (1 - 1e-9) + leaves, side="right")
        return np.asarray(places - leaves * below.shape[1])

    def probabilities(self, codes: np.ndarray, starts: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return (n,) the probability of the code ``answers`` (n,) in each row (n, p)."""
        total = np.zeros(len(codes))
        sums = self.distributions.sum(axis=1, dtype=np.float64)
        for tree in range(len(self.roots)):
            leaves = self.leaves(codes, np.full(len(codes), tree), starts)
            total += self.distributions[leaves, answers] / sums[leaves]
        return total / len(self.roots)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what :class:`Forest` is made from, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def grow(
    codes: np.ndarray,
    columns: Sequence[EncodedColumn],
    answers: np.ndarray,
    column: EncodedColumn,
    growth: Growth,
    rng: np.random.Generator,
) -> Forest:
    """Learn ``column``, whose codes are ``answers`` (n,), given ``columns`` with codes (n, p).

    Each tree parts the rows anew: some decide where it splits, the others alone are counted in its leaves (honest trees:
    Wager and Athey 2018, arXiv 1510.04342, section 2.4). So a leaf does not fit the very rows that shaped it.

    >>> columns = [EncodedColumn("a", 2, np.zeros(2, bool)), EncodedColumn("b", 2, np.zeros(2, bool))]
    >>> a = np.repeat([0, 1], 200)
    >>> growth = Growth(trees=3, least_rows=5, structure=0.5, strength=2.0, growth=1.5)
    >>> forest = grow(a[:, None], columns[:1], a, columns[1], growth, np.random.default_rng(0))
    >>> forest.probabilities(np.array([[0], [1]]), np.array([0]), np.array([0, 0])).round(1)
    array([1., 0.])
    """
    counts = np.bincount(answers, minlength=column.cardinality)
    marginal = counts / len(answers)
    hierarchy = Hierarchy.of(column, marginal)
    target = coordinates(column, hierarchy, counts)[answers]
    if not columns or column.cardinality == 1 or len(answers) < 4 * growth.least_rows:
        return _stump(marginal, columns)
    trees = []
    for _ in range(growth.trees):
        order = rng.permutation(len(answers))
        inside, outside = np.split(order, [round(len(order) * growth.structure)])
        told = target[inside] - target[inside].mean(axis=0)
        places = [ranks(codes[inside, j], each, told) for j, each in enumerate(columns)]
        seen = np.stack([place[codes[:, j]] for j, place in enumerate(places)], axis=1).astype(np.float32)
        regressor = DecisionTreeRegressor(
            min_samples_leaf=growth.least_rows, max_depth=growth.depth, random_state=int(rng.integers(2**31))
        )
        nodes = regressor.fit(seen[inside], target[inside]).tree_
        counted = _counts(nodes.decision_path(seen[outside]), answers[outside], column.cardinality)
        leaf, distributions = _fill(nodes, counted, marginal, hierarchy, growth)
        trees.append(_pack(nodes, places, leaf, distributions))
    return _join(trees)


def _counts(paths: Any, answers: np.ndarray, cardinality: int) -> np.ndarray:
    """Return (N, K): how many rows of each code went through each node; ``paths`` (n, N) is sparse, by rows."""
    row = np.repeat(np.arange(len(answers)), np.diff(paths.indptr))
    cells = paths.indices.astype(np.int64) * cardinality + answers[row]
    return np.bincount(cells, minlength=paths.shape[1] * cardinality).reshape(-1, cardinality)


def _fill(
    nodes: Any, counts: np.ndarray, marginal: np.ndarray, hierarchy: Hierarchy, growth: Growth
) -> tuple[np.ndarray, np.ndarray]:
    """Give every node a distribution, shrunk towards its parent's, from the root down; one with fewer than ``least_rows``
    rows of its own takes its parent's. Return each node's row (N,) of the distributions (L, K), and these.
    """
    children = np.stack([nodes.children_left, nodes.children_right], axis=1)
    distributions = np.empty(counts.shape)
    distributions[0] = hierarchy.shrink(counts[:1], marginal[None], growth.strength, growth.growth)[0]
    stands_for = np.zeros(len(counts), np.int64)
    parents = np.zeros(1, np.int64)
    while len(parents := parents[children[parents, 0] >= 0]):
        kids, above = children[parents].ravel(), np.repeat(parents, 2)
        distributions[kids] = hierarchy.shrink(counts[kids], distributions[above], growth.strength, growth.growth)
        few = counts[kids].sum(axis=1) < growth.least_rows
        distributions[kids[few]] = distributions[above[few]]
        stands_for[kids] = np.where(few, stands_for[above], kids)
        parents = kids
    at_leaves = children[:, 0] < 0
    used, place = np.unique(stands_for[at_leaves], return_inverse=True)
    leaf = np.zeros(len(counts), np.int64)
    leaf[at_leaves] = place
    return leaf, distributions[used]


def _pack(nodes: Any, places: list[np.ndarray], leaf: np.ndarray, distributions: np.ndarray) -> Forest:
    return Forest(
        roots=np.zeros(1, np.int32),
        ranks=np.concatenate(places)[None].astype(np.int16),
        feature=np.maximum(nodes.feature, 0).astype(np.int32),
        threshold=nodes.threshold.astype(np.float32),
        children=np.stack([nodes.children_left, nodes.children_right], axis=1).astype(np.int32),
        leaf=leaf.astype(np.int32),
        distributions=distributions.astype(np.float16),
    )


def _stump(distribution: np.ndarray, columns: Sequence[EncodedColumn]) -> Forest:
    """One tree of one node: whatever the other columns, the same distribution (K,)."""
    return Forest(
        roots=np.zeros(1, np.int32),
        ranks=np.zeros((1, sum(each.cardinality for each in columns)), np.int16),
        feature=np.zeros(1, np.int32),
        threshold=np.zeros(1, np.float32),
        children=np.full((1, 2), -1, np.int32),
        leaf=np.zeros(1, np.int32),
        distributions=distribution[None].astype(np.float16),
    )


def _join(trees: list[Forest]) -> Forest:
    """One forest of several, their nodes and leaves one after the other."""
    nodes = np.cumsum([0, *(len(tree.feature) for tree in trees)])[:-1].astype(np.int32)
    leaves = np.cumsum([0, *(len(tree.distributions) for tree in trees)])[:-1].astype(np.int32)
    moved = {
        "roots": [tree.roots + node for tree, node in zip(trees, nodes, strict=True)],
        "children": [
            np.where(tree.children >= 0, tree.children + node, -1) for tree, node in zip(trees, nodes, strict=True)
        ],
        "leaf": [tree.leaf + leaf for tree, leaf in zip(trees, leaves, strict=True)],
    }
    names = [field.name for field in fields(Forest)]
    return Forest(**{name: np.concatenate(moved.get(name, [getattr(tree, name) for tree in trees])) for name in names})


def starts_of(columns: Sequence[EncodedColumn]) -> np.ndarray:
    """Return (p,) where each column's codes start when all columns' codes stand one after the other.

    >>> starts_of([EncodedColumn("a", 3, np.zeros(3, bool)), EncodedColumn("b", 2, np.zeros(2, bool))])
    array([0, 3])
    """
    return np.cumsum([0, *(column.cardinality for column in columns)])[:-1]
