from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest

from lookalike.errors import OutputError, SettingsError
from lookalike.report import Scorecard
from lookalike.report.overview import MOST_FAILED
from report import cases


def test_the_overview_is_aligned_and_sets_a_yardstick_beside_every_figure():
    lines = str(cases.useful()).splitlines()
    assert lines[0].split("  ")[-1] == "a fresh real sample"
    figures = lines[1:14]
    assert [line[:9].strip() for line in figures] == ["alike", *[""] * 4, "safe", *[""] * 3, "useful", *[""] * 3]
    assert len({len(line) for line in figures}) == 1 and all(len(line) < 130 for line in figures)
    assert lines[14].startswith("checks") and any(line.startswith("look at") for line in lines)
    assert len(lines) < 30


def test_failed_checks_are_named_in_the_overview():
    card = cases.scorecard().to_dict()
    failed = [check["plain"] for check in card["verdicts"] if check["verdict"] == "fail"]
    text = str(cases.scorecard())
    assert failed and all(f"fails: {plain}" in text for plain in failed)


def test_many_failed_checks_do_not_push_the_figures_off_the_screen():
    card = copy.deepcopy(cases.useful().to_dict())
    for check in card["verdicts"]:
        check.update(verdict="fail", value=0.9, interval=[0.8, 1.0])
    text = str(Scorecard(card))
    assert text.count("fails: ") == MOST_FAILED and f"and {len(card['verdicts']) - MOST_FAILED} more" in text
    assert len(text.splitlines()) < 32


def test_without_a_holdout_the_overview_says_so():
    text = str(cases.scorecard(holdout=False))
    assert "closer to training rows (DCR share)" in text and "No yardstick" in text and "not measured" in text
    figures = [line for line in text.splitlines() if "(AUC)" in line or "(DCR share)" in line or "(risk)" in line]
    assert len(figures) == 4 and all("no holdout" in line for line in figures)


@pytest.mark.parametrize("variant", cases.variants())
def test_every_face_of_every_card_can_be_shown(variant):
    card = cases.variants()[variant]
    assert str(card) == repr(card) and "None" not in str(card) and "nan" not in str(card)
    html = card._repr_html_()
    assert "None" not in html and ">nan" not in html
    for question in ("Is it alike?", "Is it safe?", "Is it useful?"):
        assert question in html


def test_the_notebook_cell_escapes():
    html = cases.scorecard()._repr_html_()
    assert "<script" not in html and "Is it alike?" in html and "Trial run" in html


def test_files_are_written_and_replace_whole(tmp_path):
    card = cases.scorecard()
    card.to_json(tmp_path / "card.json")
    card.to_html(tmp_path / "card.html")
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8")) == card.to_dict()
    assert (tmp_path / "card.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.html", "card.json"]
    with pytest.raises(OutputError, match="cannot be written"):
        card.to_html(tmp_path / "no such folder" / "card.html")


def test_figures_alone_have_no_page():
    with pytest.raises(SettingsError, match="need the tables"):
        Scorecard(cases.scorecard().to_dict()).to_html("never.html")


def test_the_words_need_neither_matplotlib_nor_jinja():
    code = "import sys, lookalike.report; sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("variant", cases.variants())
def test_a_narrow_terminal_gets_all_words_within_its_lines(variant):
    card = cases.variants()[variant]
    narrow = card.text(80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert sorted(narrow.split()) == sorted(str(card).split())
