"""The page, read as text: self-contained, escaped, complete. How a browser sees it is in test_browser.py."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from lookalike.report.explained import EXPLAINED
from lookalike.report.html import render
from report import cases

SECTIONS = ["fidelity", "columns", "pairs", "privacy", "utility", "training", "rows", "settings"]
VOID = {"meta", "img", "br", "input", "link", "hr"}


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.open, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


@pytest.fixture(scope="module")
def page():
    return render(cases.scorecard()._full())


@pytest.fixture(scope="module")
def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_nothing_is_loaded_from_anywhere(page, read):
    assert not re.search(r"https?://", page)
    for tag, attributes in read.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png"))
    policy = next(attributes["content"] for tag, attributes in read.tags if attributes.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def test_markup_in_names_and_cells_is_text(page, read):
    scripts = [attributes for tag, attributes in read.tags if tag == "script"]
    assert scripts == [*({"type": "application/json", "id": name} for name in ("scorecard", "pickers")), {}]
    assert cases.MARKUP not in page and cases.QUOTES not in page
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert cases.MARKUP in read.text and "49" not in [text.strip() for text in read.text if "7*7" in text]


def test_no_name_and_no_cell_turns_the_words_after_it_round(page, read):
    pickers = json.loads(re.search(r'id="pickers">(.*?)</script>', page, re.DOTALL)[1])
    assert "\u202e" not in page + json.dumps(pickers, ensure_ascii=False)
    assert r"\u202ertl" in read.text and any(
        label == r"\u202ertl" for column in pickers["columns"] for label, *_ in column["bars"]
    )


def test_ids_are_unique_and_every_reference_is_met(read):
    assert len(read.ids) == len(set(read.ids))
    for _, attributes in read.tags:
        for name in ("href", "aria-controls", "aria-labelledby"):
            target = attributes.get(name) or ""
            assert not target or target.startswith("data:") or target.removeprefix("#") in read.ids


def test_it_says_when_it_was_made(page):
    assert re.search(r'<p class="brand">lookalike report, \d{4}-\d\d-\d\d', page)


def test_every_section_stands(read):
    assert {f"panel-{section}" for section in SECTIONS} <= set(read.ids)
    text = " ".join(read.text)
    for words in (
        "Is it alike?",
        "Is it safe?",
        "Is it useful?",
        "a fresh real sample",
        "What this means",
        "trial run",
        "A note with <b>markup</b>.",
    ):
        assert words in text


def test_every_picture_says_what_it_is(read):
    drawn = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert len(drawn) == 9 and all(attributes["role"] == "img" and attributes["aria-label"] for attributes in drawn)


def test_the_scorecard_inside_is_the_scorecard(page):
    inside = re.search(r'<script type="application/json" id="scorecard">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(inside) == cases.scorecard().to_dict()


def test_no_real_row_only_synthetic_ones(page):
    assert cases.RARE not in re.sub(r'<table class="preview".*?</table>', "", page, flags=re.DOTALL)
    assert f"{cases.LONELY}" not in re.sub(r'<table class="preview".*?</table>', "", page, flags=re.DOTALL)


def test_the_page_of_a_bare_card_says_what_is_missing():
    page = render(cases.scorecard(holdout=False, run=False)._full())
    assert "No yardstick" in page and "No losses were handed" in page and "trial run" not in page


def test_the_same_input_gives_the_same_page(page):
    assert render(cases.scorecard()._full()) == page


@pytest.mark.parametrize("variant", cases.variants())
def test_every_page_closes_its_tags_and_says_what_is_missing(variant):
    reader = Reader()
    text = render(cases.variants()[variant]._full())
    reader.feed(text)
    assert reader.open == [] and len(reader.ids) == len(set(reader.ids))
    shown = " ".join(reader.text[: reader.text.index("Settings")])
    assert "None" not in shown and "nan " not in shown
    assert ("Utility was not measured" in " ".join(reader.text)) == (variant != "useful")


def test_every_figure_says_what_it_means_and_what_it_does_not():
    text = render(cases.useful()._full())
    assert text.count("What this means.") == text.count("What it does not.") > 20
    for means, does_not in EXPLAINED.values():
        assert len(means) > 40 and len(does_not) > 40


def test_two_columns_at_a_time_show_no_rare_label_and_no_lone_row():
    pickers = cases.scorecard()._full()["pickers"]
    assert pickers["pairs"] and cases.RARE not in json.dumps(pickers)
    for pair in pickers["pairs"]:
        cells = [len(pickers["axes"][name]) for name in pair["columns"]]
        assert len(pair["real"]) == len(pair["synthetic"]) == cells[0] * cells[1]
        assert all(share % 125 == 0 for share in pair["real"])  # 5 of 400 rows
        assert sum(pair["synthetic"]) == pytest.approx(10_000, abs=40)
