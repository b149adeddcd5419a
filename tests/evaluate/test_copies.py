from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lookalike.evaluate import confidence, copies, score
from lookalike.report import answers
from lookalike.schema.infer import infer_schema


def people(rows, seed):
    """Rows that no two share."""
    draw = np.random.default_rng(seed)
    return pa.table({
        "age": draw.integers(18, 90, rows), "pay": draw.normal(size=rows), "plan": draw.choice(["a", "b", "c"], rows),
    })  # fmt: skip


def coarse(rows, seed):
    """Rows that strangers share."""
    draw = np.random.default_rng(seed)
    return pa.table({"size": draw.integers(0, 9, rows), "plan": draw.choice(["a", "b", "c"], rows, p=[0.7, 0.2, 0.1])})


def judged(real, synthetic, holdout):
    card = score(real, synthetic, infer_schema(real), holdout=holdout)
    return card, {check["figure"]: check["verdict"] for check in card["verdicts"]}


def test_a_holdout_that_is_the_training_table_hides_no_copy():
    card, found = judged(people(600, 0), people(600, 0), people(600, 0))
    assert card["yardstick"]["strength"] == "overlapping" and "600 of the 600" in card["yardstick"]["note"]
    assert found["exact_copies"] == found["holdout_copies"] == "fail"
    assert not {"dcr_share", "membership_auc", "linkability"} & {name for name in found if found[name] == "pass"}
    assert answers.safe(card)["level"] == "poor"


def test_a_part_of_the_training_table_in_the_holdout_is_seen():
    real = people(600, 0)
    mixed = [pa.concat_tables([real.slice(0, 240), people(360, seed)]) for seed in (1, 2)]
    card, found = judged(real, *mixed)
    assert card["yardstick"]["strength"] == "overlapping" and found["exact_copies"] == "fail"
    assert answers.safe(judged(real, people(600, 3), mixed[1])[0])["word"] == "Cannot be told"


def test_copies_of_the_rows_kept_back_are_copies_of_people_too():
    card, found = judged(people(600, 0), people(600, 1), people(600, 1))
    assert card["yardstick"]["strength"] == "good"
    assert found["exact_copies"] == "pass" and found["holdout_copies"] == "fail"
    assert "kept-back rows repeated in full" in answers.safe(card)["sentence"]


@pytest.mark.parametrize("make", [people, coarse])
def test_strangers_share_rows_by_chance_and_nobody_minds(make):
    failed = 0
    for seed in range(5):
        rows = {
            side: make(size, 3 * seed + place)
            for place, (side, size) in enumerate([("real", 700), ("synthetic", 400), ("holdout", 90)])
        }
        card, found = judged(*rows.values())
        assert card["yardstick"]["strength"] == "weak"
        failed += [found["exact_copies"], found["holdout_copies"]].count("fail")
        assert (card["privacy"]["exact_copies"]["share"] > 0.9) == (make is coarse)
    assert failed <= 1  # of ten, each of which is allowed 2.5 %


def test_copies_are_seen_without_a_holdout_and_common_rows_are_none():
    for make in (people, coarse):
        card = score(make(500, 0), make(500, 0), infer_schema(make(500, 0)))
        found = {check["figure"]: check["verdict"] for check in card["verdicts"]}
        assert (found["exact_copies"] == "fail") == (make is people) and found["holdout_copies"] == "missing"


def test_rows_that_all_repeat_are_expected_to_be_repeated_without_a_holdout_too():
    """The trials were rounded to none, and all rows of a fresh table stood there as copied beyond chance."""
    real = np.concatenate([np.arange(50).repeat(2), np.arange(50, 70).repeat(20)])  # none alone, 50 in pairs
    found = copies.exact_copies({"real": real, "synthetic": np.random.default_rng(0).permutation(real)[:200]})
    assert found["share"] == 1 and found["excess"] == 0
    low, high = found["excess_interval"]
    assert low < 0 < high + 1e-9


def test_rows_of_a_person_on_one_side_are_no_overlap():
    """Everyone stands twice in their own table: it repeats itself, and the other table tells what chance repeats of it."""
    real, kept = np.repeat(np.arange(100), 2), np.repeat(np.arange(100, 200), 2)
    assert copies.chance(kept, real) == (0, 200)
    assert copies.exact_copies({"real": real, "synthetic": real, "holdout": kept})["excess"] == 1
    some_once = np.append(real, np.arange(200, 220))
    assert copies.chance(kept, some_once) == (0, 200)


def test_an_overlap_of_half_a_row_in_a_hundred_is_chance():
    kept = np.append(np.arange(200), np.arange(40_000, 79_800))
    assert copies.chance(kept, np.arange(40_000)) == (200, 60_000)
    assert copies.beyond(10, 20, (5, 20))["excess"] == 0.25


def test_copies_are_counted_beyond_what_chance_repeats_of_both_tables():
    rows = {"real": np.arange(1_000), "synthetic": np.arange(1_000), "holdout": np.arange(995, 1_495)}
    found = copies.exact_copies(rows)
    assert found["excess"] == pytest.approx(1 - 5 / (500 + 500))  # 5 of 500 others, and none of the 500 of its own
    assert found["holdout"]["excess"] == pytest.approx(5 / 1_000 - 5 / (1_000 + 250))


def test_repeated_rows_are_counted_in_as_many_of_both_and_come_in_pairs():
    twice = np.append(np.arange(60), np.repeat(np.arange(60, 80), 2))
    found = copies.repeats({"real": np.arange(100, 200), "synthetic": twice}, seed=0)
    assert (found["rows"], found["count"], found["share"], found["excess"]) == (100, 40, 0.4, 0.4)
    assert found["excess_interval"] == list(confidence.difference_interval(20, 50, 0, 50))
    assert copies.repeats({"real": np.arange(100), "synthetic": np.repeat(np.arange(200), 2)}, seed=0)["rows"] == 100
