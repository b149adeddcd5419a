"""One column given others: honest trees, whose splits and whose leaves come from different rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.model.shrink import Hierarchy
from lookalike.schema.encoded import EncodedColumn

COSINES = 4
MOST_LEVELS = 12
P: dict[str, Any] = {"cosines": COSINES, "scale": 0.0}


def description(codes: np.ndarray, column: EncodedColumn, hierarchy: Hierarchy) -> np.ndarray:
    """What splits should tell apart, (n, m)."""
    counts = np.bincount(codes, minlength=column.cardinality).astype(float)
    shares = counts / counts.sum()
    atoms = len(hierarchy.levels[1]) - 1
    alone = hierarchy.order[:atoms]
    if not column.ordered or column.cardinality < 3:
        alone = np.argsort(-counts, kind="stable")[: min(MOST_LEVELS, column.cardinality - (column.cardinality == 2))]
    parts = [(codes == code) / max(shares[code] * (1 - shares[code]), 1e-9) ** (P["scale"] / 2) for code in alone]
    if column.ordered and column.cardinality >= 3:
        rest = counts.copy()
        rest[alone] = 0
        if rest.sum():
            middle = (np.cumsum(rest) - rest / 2) / rest.sum()
            inside = rest[codes] > 0
            parts += [np.where(inside, np.cos(np.pi * k * middle[codes]), 0) for k in range(1, P["cosines"] + 1)]
    return np.stack(parts, 1).astype(np.float64)


def level_order(codes: np.ndarray, levels: int, target: np.ndarray) -> np.ndarray:
    """(levels,) ranks of an unordered column's levels along the first principal coordinate of the target's means."""
    counts = np.bincount(codes, minlength=levels).astype(float)
    sums = np.stack([np.bincount(codes, weights=target[:, k], minlength=levels) for k in range(target.shape[1])], 1)
    means = (sums - counts[:, None] * target.mean(axis=0)) / (counts[:, None] + 1)
    _, _, axes = np.linalg.svd(np.sqrt(counts)[:, None] * means, full_matrices=False)
    place = means @ axes[0]
    ranks = np.empty(levels)
    ranks[np.argsort(place, kind="stable")] = np.arange(levels)
    return ranks


@dataclass
class Tree:
    places: np.ndarray  # (sum K) where the code stands on the feature's axis
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray  # (nodes, 2), -1 at leaves
    leaf: np.ndarray  # (nodes,) row of distributions
    distributions: np.ndarray

    def leaves(self, codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        node = np.zeros(len(codes), np.int64)
        going = np.flatnonzero(self.children[node, 0] >= 0)
        while len(going):
            at = node[going]
            feature = self.feature[at]
            value = self.places[offsets[feature] + codes[going, feature]]
            node[going] = self.children[at, (value > self.threshold[at]).astype(np.int64)]
            going = going[self.children[node[going], 0] >= 0]
        return self.leaf[node]


def grow(codes, columns, target_codes, column, hierarchy, settings, rng, base) -> Tree:
    from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

    n = len(codes)
    order = rng.permutation(n)
    cut = int(round(n * settings["structure"]))
    inside, outside = order[:cut], order[cut:]
    if settings.get("cheat"):
        inside = outside = order
    target = description(target_codes[inside], column, hierarchy)
    places, features = [], []
    for j, predictor in enumerate(columns):
        ranks = np.arange(predictor.cardinality, dtype=float)
        if not predictor.ordered and predictor.cardinality > 2:
            ranks = level_order(codes[inside, j], predictor.cardinality, target)
        places.append(ranks)
        features.append(ranks[codes[inside, j]])
    k = settings["leaf"]
    kind = ExtraTreeRegressor if settings.get("extra") else DecisionTreeRegressor
    tree = kind(
        min_samples_leaf=settings.get("sleaf", k),
        min_samples_split=2 * k,
        max_features=settings["features"],
        random_state=int(rng.integers(2**31)),
        min_impurity_decrease=settings.get("decrease", 0.0),
    ).fit(np.stack(features, 1).astype(np.float32), target)
    t = tree.tree_
    children = np.stack([t.children_left, t.children_right], 1)
    # honest counts per node
    x = np.stack([places[j][codes[outside, j]] for j in range(len(columns))], 1).astype(np.float32)
    path = tree.decision_path(x)  # csr (n, nodes)
    nodes = t.node_count
    rows = np.repeat(np.arange(len(outside)), np.diff(path.indptr))
    K = column.cardinality
    counts = np.bincount(path.indices * K + target_codes[outside][rows], minlength=nodes * K).reshape(nodes, K)
    total = counts.sum(1)
    dist = np.empty((nodes, K))
    dist[0] = base
    depth_nodes = np.array([0])
    leaf = np.zeros(nodes, np.int64)
    root = hierarchy.shrink(counts[:1], base[None], settings["strength"], settings["growth"])
    dist[0] = root[0]
    kept = [0]
    while len(depth_nodes):
        inner = depth_nodes[children[depth_nodes, 0] >= 0]
        kids = children[inner].reshape(-1)
        parents = np.repeat(inner, 2)
        if not len(kids):
            break
        dist[kids] = hierarchy.shrink(counts[kids], dist[parents], settings["strength"], settings["growth"])
        few = total[kids] < k
        dist[kids[few]] = dist[parents[few]]
        leaf[kids] = np.where(few, leaf[parents], kids)
        depth_nodes = kids
    used, place = np.unique(leaf, return_inverse=True)
    return Tree(np.concatenate(places) if places else np.zeros(0), np.maximum(t.feature, 0), t.threshold, children, place, dist[used])


class Chain:
    def __init__(self, settings):
        self.s = settings

    def fit(self, table, seed, order=None):
        self.columns = table.columns
        rng = np.random.default_rng(seed)
        d = len(table.columns)
        order = self.order = list(order)
        self.forests = []
        for place, j in enumerate(order):
            column = table.columns[j]
            y = table.codes[:, j]
            counts = np.bincount(y, minlength=column.cardinality)
            base = (counts + 0.0) / len(y)
            h = Hierarchy.of(column, base)
            if place == 0 or column.cardinality == 1:
                self.forests.append((base, None))
                continue
            before = order[:place]
            cols = [table.columns[i] for i in before]
            x = table.codes[:, before]
            self.forests.append((base, [grow(x, cols, y, column, h, self.s, rng, base) for _ in range(self.s["trees"])]))
        return self

    def offsets(self, place):
        return np.concatenate([[0], np.cumsum([self.columns[i].cardinality for i in self.order[:place]])])[:-1].astype(int)

    def loglik(self, codes):
        out = np.zeros((len(codes), len(self.order)))
        for place, j in enumerate(self.order):
            base, trees = self.forests[place]
            if trees is None:
                p = base[codes[:, j]]
            else:
                x = codes[:, self.order[:place]]
                o = self.offsets(place)
                p = np.mean([t.distributions[t.leaves(x, o), codes[:, j]] for t in trees], axis=0)
            out[:, place] = np.log(np.maximum(p, 1e-9))
        return out

    def sample(self, rows, seed):
        rng = np.random.default_rng(seed)
        codes = np.zeros((rows, len(self.order)), np.int32)
        for place, j in enumerate(self.order):
            base, trees = self.forests[place]
            u = rng.random(rows)
            if trees is None:
                codes[:, j] = np.minimum(np.searchsorted(np.cumsum(base), u, side="right"), len(base) - 1)
                continue
            which = rng.integers(len(trees), size=rows)
            o = self.offsets(place)
            for t, tree in enumerate(trees):
                r = np.flatnonzero(which == t)
                leaf = tree.leaves(codes[np.ix_(r, self.order[:place])], o)
                cum = np.cumsum(tree.distributions, 1)
                cum[:, -1] = 2
                codes[r, j] = (u[r, None] >= cum[leaf]).sum(1)
        return codes
