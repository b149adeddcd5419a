from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lookalike.errors import OutputError, SettingsError
from lookalike.report import Scorecard
from report import cases


def test_the_overview_is_aligned_and_sets_a_yardstick_beside_every_figure():
    lines = str(cases.scorecard()).splitlines()
    assert lines[0].split("  ")[-1] == "a fresh real sample"
    figures = lines[1:7]
    assert [line[:9].strip() for line in figures] == ["alike", "", "", "", "safe", ""]
    assert len({len(line) for line in figures}) == 1
    assert lines[7].startswith("look at")


def test_without_a_holdout_the_overview_says_so():
    text = str(cases.scorecard(holdout=False))
    assert "no yardstick" in text and "No yardstick" in text


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
