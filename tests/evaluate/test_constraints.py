"""Constraints, judged: shares a rule and a side, in the card and on the page."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lookalike.evaluate import score
from lookalike.evaluate.figures import Thresholds
from lookalike.report import Scorecard
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.constraints import Combinations, Inequality, Predicate, Unique

COLUMNS = [
    ColumnSpec(name="id", kind="key", storage="int64"),
    ColumnSpec(name="low", kind="integer", storage="int64"),
    ColumnSpec(name="high", kind="integer", storage="int64"),
    ColumnSpec(name="grade", kind="ordinal", levels=("a", "b"), storage="string"),
]
RULES = [
    Inequality(columns=("low", "high")),
    Combinations(columns=("low", "grade")),
    Predicate(expression="grade != '<b>b</b>' or low > 0"),
    Unique(columns=("id",)),
]


def table(rows: int, *, shift: int = 0, new: int = 0) -> pa.Table:
    low = np.arange(rows) % 10
    grade = np.where(low % 2 == 0, "a", "b").astype(object)
    grade[:new] = "never declared"
    return pa.table({"id": np.arange(rows), "low": low, "high": low + 2 - shift * (low == 3), "grade": grade})


@pytest.fixture(scope="module")
def card():
    schema = Schema(COLUMNS, RULES)
    tables = table(400), table(200, shift=5, new=20), table(120)
    found = score(tables[0], tables[1], schema, holdout=tables[2], thresholds=Thresholds(constraints_broken=0.01))
    return Scorecard.of(found, tables[0], tables[1], schema, holdout=tables[2])


def test_shares_of_rows_that_break_each_rule(card):
    found = card.to_dict()["fidelity"]["constraints"]
    shares = {entry["words"]: (entry["broken"], entry["real"], entry["fresh"]) for entry in found["rules"]}
    assert shares == {
        "low ≤ high": (0.1, 0, 0),
        "combinations of low and grade": (0.1, 0, 0),
        "grade != '<b>b</b>' or low > 0": (0, 0, 0),
        "id unique": (0, 0, 0),
    }
    assert found["broken"] == pytest.approx(0.19) and found["real"] == found["fresh"] == 0
    assert [entry["broken"] for entry in found["rules"]] == [0.1, 0.1, 0, 0], "worst first"


def test_a_limit_can_be_set(card):
    words = {entry["figure"]: entry["verdict"] for entry in card.to_dict()["verdicts"]}
    assert words["constraints_broken"] == "fail"


def test_the_page_shows_them(card, tmp_path):
    card.to_html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Constraints" in page and "low ≤ high" in page and "10.0 %" in page
    assert "'<b>b</b>'" not in page, "a rule's own text is escaped"
    assert "constraint" in str(card)


def test_without_constraints_nothing_is_said():
    found = score(table(100), table(100), Schema(COLUMNS))
    assert found["fidelity"]["constraints"] == {"broken": 0.0, "fresh": None, "real": 0.0, "rules": []}
    assert all(entry["figure"] != "constraints_broken" for entry in found["verdicts"])
