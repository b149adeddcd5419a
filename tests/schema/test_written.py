"""Numbers as people write them are read as numbers, and written the same way."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.errors import InputError, LookalikeWarning, SettingsError
from lookalike.schema import ColumnSpec, parse, spell
from lookalike.schema.infer import infer_column
from lookalike.schema.values import Values
from lookalike.schema.written import MARKS, detect

AROUND = [
    ("", ""),
    ("$", ""),
    ("€ ", ""),
    ("CHF ", ""),
    ("R$", ""),
    ("", "%"),
    ("", " kg"),
    ("", "\u00a0€"),
    ("", " widgets"),
]


@given(
    numbers=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
    decimals=st.sampled_from([0, 2]),
    marks=st.sampled_from(MARKS),
    around=st.sampled_from(AROUND),
)
def test_what_is_written_is_read_again(numbers, decimals, marks, around):
    (thousands, decimal_mark), (prefix, suffix) = marks, around
    spec = ColumnSpec(
        name="c",
        kind="float" if decimals else "integer",
        decimals=decimals or None,
        fixed_decimals=decimals > 0,
        thousands=thousands,
        decimal_mark=decimal_mark,
        prefix=prefix,
        suffix=suffix,
    )
    cells = np.array(numbers) / 100 if decimals else np.array(numbers)
    texts = spell(Values(np.zeros(len(cells), bool), numbers=cells), spec)
    assert np.array_equal(parse(texts, spec).numbers, cells)
    assert all(text.lstrip("-").startswith(prefix) and text.endswith(suffix) for text in texts.to_pylist())
    different = texts.unique()
    how = detect(different)
    if how is not None:  # another way of writing may fit as well, but never one that reads these texts otherwise
        found = spec.replace(**how)
        if (how["thousands"], how["decimal_mark"]) == marks:
            assert np.array_equal(parse(texts, found).numbers, cells)


@pytest.mark.parametrize(
    ("texts", "how"),
    [
        (["$1,234.50", "-$3.00", "$77"], (",", ".", "$", "")),
        (["1.234", "12.345", "7.5"], ("", ".", "", "")),
        (["1.234,5", "7"], (".", ",", "", "")),
        (["1,234", "12,345"], (",", ".", "", "")),
        (["1,23", "12,345"], ("", ",", "", "")),
        (["1'234.50", "9.00"], ("'", ".", "", "")),
        (["5 kg", "1,000 kg", "12 kg"], (",", ".", "", " kg")),
    ],
)
def test_how_numbers_are_written(texts, how):
    assert detect(pa.array(texts)) == dict(zip(("thousands", "decimal_mark", "prefix", "suffix"), how, strict=True))


@pytest.mark.parametrize(
    "texts",
    [
        ["0123", "456", "789"],
        ["+43 1 234", "+43 1 567", "+43 1 890"],
        ["S1", "S2", "S3"],
        ["C-100", "C-200", "C-300"],
        ["12A", "13A", "14A"],
        ["5 kg", "5 m", "6 kg"],
        ["1,2,3", "4,5,6", "7,8,9"],
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        ["1-2", "3-4", "5-6"],
        ["12.05.", "13.05.", "14.06."],
        ["$", "$5", "$6"],
        ["1,2345", "1,234,5", "9"],
    ],
)
def test_what_is_no_number(texts):
    assert detect(pa.array(texts)) is None


def test_a_cell_that_is_written_otherwise_is_said():
    spec = ColumnSpec(name="price", kind="float", thousands=".", decimal_mark=",", suffix=" €")
    assert parse(pa.array(["1.500,00 €", "7"]), spec).numbers.tolist() == [1500.0, 7.0]
    with pytest.raises(InputError, match="'price' is declared float, however: 1 of its cells are not numbers"):
        parse(pa.array(["1.500,00 €", "1.50.0 €"]), spec)


SIGNED = {
    "+-": ["+1,234.50", "-3.00", "+0.00", "+7.10", "-8.25", "-9.00"],
    "−": ["1,234.50", "−3.00", "0.00", "7.10", "−8.25", "−9.00"],
    "()": ["1,234.50", "(3.00)", "0.00", "7.10", "(8.25)", "(9.00)"],
    "1-": ["1,234.50", "3.00-", "0.00", "7.10", "8.25-", "9.00-"],
}


@pytest.mark.parametrize("sign", SIGNED)
@pytest.mark.parametrize("around", [("", ""), ("$", ""), ("", "%")])
def test_signs_are_written_as_they_were(sign, around):
    bare = "$" if around[0] else ""
    texts = [re.sub(r"[\d,]+\.\d\d", lambda found: bare + found[0] + around[1], text) for text in SIGNED[sign]]
    with pytest.warns(LookalikeWarning, match="holds text like"):
        spec = infer_column("c", pa.array(texts * 4))
    assert (spec.kind, spec.sign, spec.decimals) == ("float", sign, 2)
    values = parse(pa.array(texts), spec)
    assert values.numbers.tolist() == [1234.5, -3, 0, 7.1, -8.25, -9]
    assert spell(values, spec).to_pylist() == texts


@pytest.mark.parametrize(
    "texts",
    [
        ["+43 1", "+43 2", "+44 9", "-1", "-2", "-3"],
        ["1", "2", "3", "2-", "3-", "4-"],  # grades
        ["(1)", "(2)", "(3)", "(4)"],
        ["+1", "+2", "+3", "+4"],
        ["+1", "+2", "+3", "-1", "-2", "-3", "0"],  # would come back as +0
    ],
)
def test_what_only_looks_like_a_sign_is_none(texts):
    assert detect(pa.array(texts)) is None


@pytest.mark.parametrize("letter", ["e", "E"])
def test_exponents_are_written_as_they_were(letter):
    texts = [f"{number:.3{letter}}" for number in (1.5e9, -2.25e-7, 3.125, 0.0, 1e100, 12_340.0)]
    spec = infer_column("c", pa.array(texts * 4))
    assert (spec.kind, spec.exponent, spec.significant) == ("float", letter, 4)
    assert spell(parse(pa.array(texts), spec), spec).to_pylist() == texts
    with pytest.raises(SettingsError, match="Set significant"):
        ColumnSpec.build({"name": "c", "kind": "float", "exponent": letter})
