from __future__ import annotations

import pytest

from lookalike.evaluate.figures import FIGURES, Thresholds
from lookalike.evaluate.verdicts import read, unmet, verdicts


def card(**privacy):
    return {"rows": {"real": 900, "holdout": 500}, "fidelity": {"quality": 0.9}, "privacy": privacy}


def word(figure, card, **thresholds):
    found = {entry["figure"]: entry for entry in verdicts(card, Thresholds(**thresholds))}
    return found[figure]["verdict"]


def closeness(share, low, high):
    return card(closeness={"share": share, "interval": [low, high]})


def test_every_limit_says_what_figure_it_is_of_and_which_way_is_good():
    assert set(Thresholds.model_fields) == set(FIGURES)
    for name, field in Thresholds.model_fields.items():
        assert (field.description or "").endswith(f", {FIGURES[name].bound}"), name
        assert FIGURES[name].plain and FIGURES[name].term, name


def test_a_verdict_brings_what_a_page_needs_to_show_it():
    found = {entry["figure"]: entry for entry in verdicts(card())}
    shown = [
        (found[name]["kind"], found[name]["unit"])
        for name in ("dcr_share", "diagnostic_shortfall", "utility_difference")
    ]
    assert shown == [("privacy", "share"), ("fidelity", "score"), ("utility", "score")]
    assert found["dcr_share"]["term"] == "DCR share"


def test_a_word_follows_from_value_interval_and_limit():
    assert word("dcr_share", closeness(0.51, 0.49, 0.53)) == "pass"
    assert word("dcr_share", closeness(0.60, 0.57, 0.63)) == "fail"
    assert word("dcr_share", closeness(0.54, 0.48, 0.60)) == "too few rows"
    assert word("dcr_share", closeness(None, None, None)) == "missing"
    assert word("dcr_share", card(closeness=None)) == "missing"
    assert word("dcr_share", closeness(0.60, 0.57, 0.63), dcr_share=0.65) == "pass"


def test_a_figure_that_should_be_high_fails_below():
    ratio = {"nndr": {"ratio": 0.1, "interval": [0.05, 0.2]}}
    assert word("nndr_ratio", card(**ratio)) == "fail"
    assert word("quality", card(), quality=0.95) == "fail"
    assert word("quality", card(), quality=0.9) == "pass"
    assert "quality" not in [entry["figure"] for entry in verdicts(card())]


def test_a_short_yardstick_passes_nobody():
    short = {**closeness(0.5, 0.4, 0.6), "rows": {"real": 900, "holdout": 40}}
    assert word("dcr_share", short) == "too few rows"
    assert word("quality", {**short}, quality=0.5) == "pass"


def test_copies_are_held_against_chance():
    common = {"share": 0.5, "excess": -0.01, "excess_interval": [-0.03, 0.02]}
    assert word("exact_copies", card(exact_copies=common)) == "pass"
    assert word("exact_copies", card(exact_copies={**common, "excess": 0.01})) == "too few rows"
    copied = card(exact_copies={**common, "holdout": {"excess": 0.5, "excess_interval": [0.48, 0.52]}})
    assert word("holdout_copies", copied) == "fail"
    assert read(card(exact_copies=common), "exact_copies")[0] == pytest.approx(-0.01)


def test_what_leans_on_an_overlapping_holdout_never_passes():
    shared = {**closeness(0.5, 0.48, 0.52), "yardstick": {"strength": "overlapping"}}
    assert word("dcr_share", shared) == "too few rows"
    assert word("quality", shared, quality=0.9) == "pass"
    shared["privacy"]["closeness"] = {"share": 0.6, "interval": [0.58, 0.62]}
    assert word("dcr_share", shared) == "fail"


def test_two_lone_people_are_enough_where_no_stranger_comes_as_near():
    alone = {"possible": 100, "compared": 0.01, "excess": 0.01, "excess_interval": [-0.03, 0.05], "fresh": 0.0}
    assert word("loners", card(leakage={"loners": alone})) == "too few rows"
    alone = {**alone, "compared": 0.02, "excess": 0.02}
    assert word("loners", card(leakage={"loners": alone})) == "fail"
    assert word("loners", card(leakage={"loners": {**alone, "fresh": 0.02}})) == "too few rows"
    assert word("extremes", card(leakage={"extremes": {**alone, "excess": 0.2}})) == "too few rows"


def test_one_row_that_breaks_a_rule_decides_nothing():
    rules = {"dependencies": {"broken": 0.0025, "fresh": 0.0, "excess": 0.0025, "excess_interval": [-0.0071, 0.014]}}
    assert word("dependencies_broken", {"fidelity": rules}) == "too few rows"
    rules["dependencies"].update(excess=0.02, excess_interval=[0.01, 0.03])
    assert word("dependencies_broken", {"fidelity": rules}) == "fail"


def test_requirements_not_met_are_named_in_words():
    required = {"quality": 0.95, "dcr_share": 0.52, "accuracy": 0.9}
    assert unmet(closeness(0.6, 0.5, 0.7), required) == [
        "quality is 0.9, required: at least 0.95",
        "dcr_share is 0.6, required: at most 0.52",
        "accuracy is missing, required: at least 0.9",
    ]
    assert unmet(closeness(0.52, 0.5, 0.7), {"dcr_share": 0.52}) == []
    assert unmet({}, {"diagnostic": 1}) == ["diagnostic is missing, required: at least 1"]
