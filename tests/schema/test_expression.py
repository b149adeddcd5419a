"""Expressions: what they compute, what is unknown, and that nothing else can be said in them."""

from __future__ import annotations

import time
from datetime import datetime

import pyarrow as pa
import pytest

from lookalike.errors import InputError, SchemaError
from lookalike.schema.expression import Expression

COLUMNS = {
    "a": pa.array([1, None, -3], pa.int64()),
    "b": pa.array([2, 2, 0], pa.int64()),
    "x": pa.array([0.5, 1.5, None]),
    "s": pa.array(["q", None, "it's"]),
    "ä ö`s": pa.array([1, 2, 3]),
    "day": pa.array([datetime(2024, 1, 1), datetime(2024, 1, 31), None], pa.timestamp("s")),
    "end": pa.array([datetime(2024, 1, 3, 12), datetime(2024, 1, 31), None], pa.timestamp("ns")),
    "flag": pa.array([True, False, None]),
    "hours per week": pa.array([40, 20, 10]),
}


class Counted(dict):
    """Columns that count how often they are asked for."""

    asked = 0

    def __getitem__(self, name):
        self.asked += 1
        return super().__getitem__(name)


def test_what_is_compared_twice_is_computed_once():
    """Each comparison the middle of the next: computed twice each, the innermost would be computed 2^12 times, and one of 60 for ever."""
    text, columns = "flag", Counted(COLUMNS)
    for _ in range(12):
        text = f"(flag == {text} == flag)"
    assert Expression(text).evaluate(columns).to_pylist() == [True, False, None]
    assert columns.asked == text.count("flag")


@pytest.mark.parametrize("text", ["not " * 2_400 + "flag", "a" + " + a" * 900 + " > 1"])
def test_nested_deeper_than_can_be_computed(text):
    with pytest.raises(SchemaError, match="nested deeper|cannot be read"):
        Expression(text).evaluate(COLUMNS)


def test_a_text_too_long_is_refused_before_it_is_looked_into():
    start = time.monotonic()
    with pytest.raises(SchemaError, match="cannot be read"):
        Expression("'" + "\\'" * 30_000)
    assert time.monotonic() - start < 5  # it took half a minute


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a + b * 2", [5, None, -3]),
        ("(a + b) * 2", [6, None, -6]),
        ("-a", [-1, None, 3]),
        ("a / b", [0.5, None, None]),
        ("b / 4", [0.5, 0.5, 0.0]),
        ("a - x", [0.5, None, None]),
        ("1 <= a < 3", [True, None, False]),
        ("a > 0 or b == 0", [True, None, True]),
        ("a > 0 and b == 5", [False, False, False]),
        ("not a > 0", [False, None, True]),
        ("s == 'q' or s is None", [True, True, False]),
        ("s in ('q', \"it's\")", [True, None, True]),
        ("s not in ['q']", [False, None, True]),
        ("a in (-3, 5)", [False, None, True]),
        ("a == None", [None, None, None]),
        ("a is not None", [True, False, True]),
        ("`hours per week` > 15", [True, True, False]),
        ("day >= '2024-01-02'", [False, True, None]),
        ("'2024-01-31' == end", [False, True, None]),
        ("end - day <= 2.5", [True, True, None]),
        ("end >= day", [True, True, None]),
        ("flag", [True, False, None]),
        ("flag == True and a > 0", [True, False, False]),
        ("a > 0 or\n  b == 2", [True, True, False]),
        ("s == '`a`'", [False, None, False]),
        ("b == 2 if False else b", None),
    ],
)
def test_what_is_computed(text, result):
    if result is None:
        with pytest.raises(SchemaError, match="holds something else"):
            Expression(text)
    else:
        assert Expression(text).evaluate(COLUMNS).to_pylist() == result


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "a.__class__", "a[0]", "f(a)", "lambda: a", "[x for x in a]", "f'{a}'", "a ** 9 ** 9",
        "a @ b", "a // b", "a % 2", "a if b else x", "(a := 1)", "*a", "a in b", "a in ()", "a in (b, 1)", "a in (1, 2) == b", "a is 1", "{1: a}", "b''",
        "1 == 1", "", "a >", "a > 1; b", "a = 1", "1j + a", f"a > {2**64}", "a > " + "(" * 500 + "1" + ")" * 500, "a" * 20_000, "a\0",
        "await a", "a & b", "~a", "a and yield", "...",
    ],
)  # fmt: skip
def test_nothing_else_can_be_said(text):
    with pytest.raises(SchemaError, match="an expression"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a > 'q'", "needs two of a kind .*'a > 'q'|text at position 0"),
        ("s > 'a'", "need numbers or dates.*text at position 0"),
        ("a and b", "take comparisons.*number at position 0"),
        ("b > 0 and (s + 1) > 0", r"\+ - \* / take numbers.*text at position 11"),
        ("day > 'soon'", "2024-05-31.*position 0"),
        ("day > 5", "two of a kind"),
    ],
)
def test_errors_name_the_place(text, message):
    with pytest.raises(SchemaError, match=message):
        Expression(text).evaluate(COLUMNS)


def test_positions_count_the_text_as_it_was_written():
    with pytest.raises(SchemaError, match="position 26"):
        Expression("`hours per week` > 3 and  f(a)")
    with pytest.raises(SchemaError, match="position 12"):
        Expression("`ää` > 1 or f(a)")
    with pytest.raises(SchemaError, match="cannot be read at position 4"):
        Expression("a > > 3")


@pytest.mark.parametrize("text", ["a = 3", "a == 3 AND b == 1", "a <> 3"])
def test_what_is_written_as_elsewhere_is_told_how_python_has_it(text):
    with pytest.raises(SchemaError, match="Compare with == and join with and, or, not"):
        Expression(text)


def test_whole_numbers_that_leave_64_bits_are_an_error():
    with pytest.raises(InputError, match="64 bits"):
        Expression("a * 9000000000000000000 * 5").evaluate({"a": pa.array([1])})
    with pytest.raises(InputError, match="64 bits"):
        Expression("-a").evaluate({"a": pa.array([-(2**63)])})


def test_names_are_columns_wherever_they_stand():
    assert Expression("(`c d` + e) * 2 > `c d`").names == ("c d", "e")
    assert Expression("day > '2020-01-01'").names == ("day",)
