from __future__ import annotations

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import bench_table
from lookalike import stats
from lookalike.evaluate import accuracy as module
from lookalike.evaluate.accuracy import accuracy, choose_triples, cut_column
from lookalike.evaluate.prepare import Column, prepare
from lookalike.evaluate.yardstick import Even
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_schema
from lookalike.table import as_table


def measured(tables, schema=None, seed=0):
    schema = schema or infer_schema(tables["real"])
    columns = prepare(tables, schema)
    places = np.array(list(itertools.combinations(range(len(columns)), 2)), dtype=np.int64).reshape(-1, 2)
    return accuracy(columns, [name for name in tables if name != "real"], (places, len(places)), seed)


def one_column(kind, storage, **sides) -> Column:
    schema = Schema([ColumnSpec(name="x", kind=kind, storage=storage)])
    return prepare({name: pa.table({"x": array}) for name, array in sides.items()}, schema)[0]


def linked(rows, seed, *, shuffle=False):
    """Three columns that hang together."""
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    price = size * 3 + random.normal(size=rows)
    zone = np.digitize(size, [-1, 0, 1])
    if shuffle:
        price, zone = random.permutation(price), random.permutation(zone)
    return pa.table({"size": size, "price": price, "zone": [f"z{place}" for place in zone]})


def test_numbers_are_cut_by_hand():
    few = one_column(
        "float", "double", real=pa.array([0.0, 1.0, 5.0, None]), synthetic=pa.array([-9.0, 0.5, 4.9, 99.0])
    )
    binned = cut_column(few)
    assert binned.codes["real"].tolist() == [0, 1, 2, 3] and binned.size == 4
    assert binned.codes["synthetic"].tolist() == [0, 0, 1, 2]  # clipped to the ends; below the next value is this bin
    many = cut_column(
        one_column("integer", "int64", real=pa.array(range(101)), synthetic=pa.array([0, 9, 10, 95, 100]))
    )
    assert many.size == 11 and np.bincount(many.codes["real"]).tolist() == [10] * 9 + [11]
    assert many.codes["synthetic"].tolist() == [0, 0, 1, 9, 9]


def test_a_spike_leaves_the_other_bins_to_the_rest():
    values = [0] * 900 + list(range(1, 101))
    binned = cut_column(one_column("integer", "int64", real=pa.array(values), synthetic=pa.array([0])))
    assert binned.size >= 11 and np.bincount(binned.codes["real"]).max() < 920


def test_the_ten_most_frequent_labels_have_a_bin_if_five_rows_hold_them():
    real = [f"level {place:02}" for place in range(14) for _ in range(20 - place)] + ["once"] * 4 + [None] * 3
    binned = cut_column(
        one_column("category", "string", real=pa.array(real), synthetic=pa.array(["new", "once", None]))
    )
    assert binned.size == 12
    assert binned.codes["synthetic"].tolist() == [10, 10, 11]
    rare = cut_column(one_column("category", "string", real=pa.array(["a"] * 5 + ["b"] * 4), synthetic=pa.array(["b"])))
    assert rare.size == 3 and rare.codes["synthetic"].tolist() == [1]


def test_bins_come_from_training_and_holdout_rows_together():
    column = one_column(
        "category", "string", real=pa.array(["a"] * 3), synthetic=pa.array(["a"]), holdout=pa.array(["a"] * 2)
    )
    assert cut_column(column).size == 3


def test_the_order_of_rows_does_not_decide_between_equal_levels():
    real = [f"level {place}" for place in range(15) for _ in range(5)]
    first, second = (
        one_column("category", "string", real=pa.array(rows), synthetic=pa.array(["level 11"]))
        for rows in (real, real[::-1])
    )
    assert cut_column(first).codes["synthetic"][0] == cut_column(second).codes["synthetic"][0]


@settings(max_examples=60)
@given(
    st.lists(st.none() | st.floats(-1e300, 1e300, allow_subnormal=True), min_size=1, max_size=60),
    st.lists(st.none() | st.floats(-1e308, 1e308), min_size=1, max_size=20),
)
def test_every_cell_has_a_bin_and_order_is_kept(real, synthetic):
    column = one_column(
        "float", "double", real=pa.array(real, pa.float64()), synthetic=pa.array(synthetic, pa.float64())
    )
    binned = cut_column(column)
    for name, side in column.sides.items():
        codes = binned.codes[name]
        assert ((codes == binned.size - 1) == side.missing).all()
        order = np.argsort(side.present)
        assert (np.diff(codes[~side.missing][order].astype(int)) >= 0).all()


def test_joint_counts_equal_a_count_one_by_one():
    tables = {"real": linked(300, 0), "synthetic": linked(200, 1), "holdout": linked(100, 2)}
    columns = prepare(tables, infer_schema(tables["real"]))
    binned = [cut_column(column) for column in columns]
    scored = measured(tables)
    for part, size in ((scored.columns, 1), (scored.pairs, 2), (scored.triples, 3)):
        for row, places in enumerate(part.places.tolist()):
            assert len(places) == size

            def shares(*sides, places=places):
                rows = [
                    key
                    for side in sides
                    for key in zip(*(binned[place].codes[side].tolist() for place in places), strict=True)
                ]
                return {key: rows.count(key) / len(rows) for key in set(rows)}

            for side, reference in (("synthetic", shares("real", "holdout")), ("holdout", shares("real"))):
                other = shares(side)
                apart = sum(abs(reference.get(key, 0) - other.get(key, 0)) for key in {*reference, *other})
                assert part.scores[side][row] == pytest.approx(1 - apart / 2)


def test_a_tie_is_what_is_commoner_than_chance_makes_it():
    """Of 100 rows 40 + 40 lie where both columns agree: .8, and chance alone makes .5 of it."""
    cells = np.repeat([["a", "a"], ["b", "b"], ["a", "b"], ["b", "a"]], [40, 40, 10, 10], axis=0).T
    ties = measured({"real": pa.table({"x": cells[0], "y": cells[1]}), "synthetic": linked_letters(100)}).pairs.ties
    assert ties.kept["real"].tolist() == pytest.approx([0.3])
    assert ties.variances["real"].tolist() == pytest.approx([0.16])  # E m² − (E m)² of m = 0, 0, −1, −1: .2 − .04
    assert ties.kept["synthetic"].tolist() == pytest.approx([-0.5])


def linked_letters(rows):
    """Two columns that never agree."""
    return pa.table({"x": ["a", "b"] * (rows // 2), "y": ["b", "a"] * (rows // 2)})


def test_the_interval_of_the_pairs_is_the_jackknifes():
    rng = np.random.default_rng(0)
    left_out = {name: rng.normal(0.9, 0.01, (3, module.FOLDS)) for name in ("synthetic", "holdout")}
    nothing = module.Accuracies(np.zeros((0, 1), np.int64), {}, {}, 0)
    pairs = module.Accuracies(np.zeros((3, 2), np.int64), {"even": np.array([0.8, 0.9, 1.0])}, {}, 3, None, left_out)
    low, high = module.Accuracy(nothing, pairs, nothing).bivariate_interval()
    variance = sum(9 / 10 * ((part.mean(0) - part.mean()) ** 2).sum() for part in left_out.values())
    assert (low, high) == pytest.approx((0.9 - 1.96 * variance**0.5, 0.9 + 1.96 * variance**0.5), rel=1e-4)


def test_a_fresh_sample_scores_what_is_expected_and_a_copy_more():
    real = linked(3000, 0)
    scored = measured({"real": real, "synthetic": linked(3000, 1), "holdout": linked(3000, 2)})
    fresh, holdout = scored.summary("synthetic"), scored.summary("holdout")
    for figures in (fresh, holdout):
        for name in ("overall", "univariate", "bivariate", "trivariate"):
            assert figures[name] == pytest.approx(figures["max"][name], abs=0.01)
    copy = measured({"real": real, "synthetic": real}).summary("synthetic")
    assert copy["overall"] == pytest.approx(1) and copy["overall"] > copy["max"]["overall"]


def test_shuffled_columns_keep_columns_and_lose_pairs():
    scored = measured({"real": linked(3000, 0), "synthetic": linked(3000, 1, shuffle=True)}).summary("synthetic")
    assert scored["univariate"] > scored["max"]["univariate"] - 0.02
    assert scored["bivariate"] < scored["max"]["bivariate"] - 0.2
    assert scored["trivariate"] < scored["max"]["trivariate"] - 0.2


def test_the_expected_figure_is_the_mean_of_many_draws():
    random, shares = np.random.default_rng(0), np.array([0.5, 0.3, 0.1, 0.06, 0.04])
    draws = [
        stats.total_variation(random.multinomial(800, shares), random.multinomial(300, shares)) for _ in range(2000)
    ]
    assert stats.expected_total_variation(shares * 800, 300) == pytest.approx(np.mean(draws), rel=0.03)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_all_triples_where_they_are_few(count):
    places, possible = choose_triples(count, seed=1)
    assert list(map(tuple, places.tolist())) == list(itertools.combinations(range(count), 3))
    assert possible == math.comb(count, 3)


def test_many_triples_are_sampled_by_the_seed():
    first, possible = choose_triples(60, seed=1)
    assert possible == math.comb(60, 3) and len(first) == module.MAXIMUM_TRIPLES
    assert len({tuple(triple) for triple in first.tolist()}) == len(first)
    assert (first[:, 0] < first[:, 1]).all() and (first[:, 1] < first[:, 2]).all() and first.max() == 59
    assert (first == choose_triples(60, seed=1)[0]).all() and (first != choose_triples(60, seed=2)[0]).any()


def test_one_column_has_no_pairs_and_the_overall_figure_is_of_what_there_is():
    table = pa.table({"x": [1, 2, 2, 3] * 30})
    figures = measured({"real": table, "synthetic": table}).summary("synthetic")
    assert figures["overall"] == figures["univariate"] == 1
    assert math.isnan(figures["bivariate"]) and math.isnan(figures["trivariate"])


def test_a_census_half_scores_as_expected_against_the_other():
    real, fresh = (as_table(bench_table(f"adult-{part}.parquet")).data for part in ("train", "holdout"))
    figures = measured({"real": real, "synthetic": fresh}).summary("synthetic")
    assert figures["overall"] == pytest.approx(figures["max"]["overall"], abs=0.002)


def test_the_interval_of_pairs_holds_a_fresh_sample_and_not_a_shuffled_one():
    """Of 30 intervals at 95 %, more than five rarely miss by chance; and they are narrow enough to say something."""
    missed, widths = 0, []
    for seed in range(30):
        tables = {name: linked(300, 3 * seed + place) for place, name in enumerate(("real", "synthetic", "holdout"))}
        found = measured(tables).joined(Even(("synthetic",), ("holdout",), 300))
        low, high = found.bivariate_interval()
        missed += not low <= found.summary("fresh")["bivariate"] <= high
        widths.append(high - low)
    assert missed <= 5 and np.mean(widths) < 0.12
    shuffled = measured({**tables, "synthetic": linked(300, 1, shuffle=True)}).joined(
        Even(("synthetic",), ("holdout",), 300)
    )
    assert shuffled.bivariate_interval()[1] < shuffled.summary("fresh")["bivariate"] - 0.1
