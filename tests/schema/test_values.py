"""Cells read by a spec that another table gave: the same table, as pandas has rewritten it."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lookalike.errors import InputError, LookalikeWarning, SchemaError
from lookalike.schema import ColumnSpec, axis, dates
from lookalike.schema.infer import infer_schema
from lookalike.schema.values import parse, spell
from lookalike.table import as_table


def test_a_table_that_went_through_pandas_is_read_as_it_was(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(
        "stars,paid,price\n" + "".join(f"{i % 5 or ''},{str(i % 3 == 0).lower()},{i / 4:.2f}\n" for i in range(60))
    )
    table = as_table(path).data
    pd.read_csv(path).to_csv(tmp_path / "again.csv", index=False)
    again = as_table(tmp_path / "again.csv").data
    assert again["stars"][1].as_py() == "1.0" and again["paid"][0].as_py() == "True"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        schema = infer_schema(table)
    assert [spec.kind for spec in schema] == ["integer", "boolean", "float"]
    for spec in schema:
        one, other = parse(table[spec.name], spec), parse(again[spec.name], spec)
        assert (one.missing == other.missing).all()
        assert (one.numbers == other.numbers).all() if spec.numeric else (one.codes == other.codes).all()


@pytest.mark.parametrize(
    ("cells", "format"),
    [
        (pa.array([20230218, 19991231, None], pa.int32()), "%Y%m%d"),
        (pa.array([20230218.0, None, 19991231.0]), "%Y%m%d"),
        (pa.array(["18-FEB-23", "31-DEC-99", None]), "%d-%^b-%y"),
    ],
)
def test_dates_come_back_in_their_own_digits_and_letters(cells, format):
    spec = ColumnSpec(name="day", kind="datetime", storage=str(cells.type), format=format)
    values = parse(cells, spec)
    assert sorted(values.present.tolist()) == [10_956 * 86_400, 19_406 * 86_400]
    assert spell(values, spec).equals(cells)


@pytest.mark.parametrize(
    ("cells", "format"),
    [
        (pa.array([0, 5, 930, 1745, None], pa.int16()), "%-H%M"),
        (pa.array(["0", "5", "930", "1745", None]), "%-H%M"),
        (pa.array(["0000", "0005", "0930", "1745", None]), "%H%M"),
    ],
)
def test_times_of_day_come_back_in_their_own_digits(cells, format):
    spec = ColumnSpec(name="at", kind="datetime", storage=str(cells.type), format=format)
    values = parse(cells, spec)
    assert (values.present % 86_400).tolist() == [0, 300, 34_200, 63_900]
    assert spell(values, spec).equals(cells)


@pytest.mark.parametrize(("format", "unit"), [("%s", 1), ("%s%3f", 10**3), ("%s%6f", 10**6), ("%s%9f", 10**9)])
@pytest.mark.parametrize("storage", [pa.int64(), pa.string()])
def test_seconds_since_1970_come_back_to_the_last_part(format, unit, storage):
    cells = pa.array([1_500_000_000 * unit + 1, None, -5, 0]).cast(storage)
    spec = ColumnSpec(name="at", kind="datetime", storage=str(storage), format=format)
    values = parse(cells, spec)
    assert values.present.tolist() == [1_500_000_000 * unit + 1, -5, 0]
    assert spell(values, spec).equals(cells) and axis.unit_of(spec) == Fraction(1, unit)
    with pytest.raises(InputError, match="1 of its cells are written otherwise"):
        parse(pa.array(["12:30", "5"]), spec.replace(storage="string"))


def test_numbers_that_are_no_dates_of_their_format():
    hours = ColumnSpec(name="at", kind="datetime", storage="int64", format="%-H%M")
    with pytest.raises(InputError, match="2 of its cells are written otherwise"):
        parse(pa.array([930, 1260, 2400]), hours)
    spec = ColumnSpec(name="day", kind="datetime", storage="int64", format="%Y%m%d")
    with pytest.raises(InputError, match="1 of its cells are written otherwise"):
        parse(pa.array([20230218, 20230230]), spec)
    with pytest.raises(InputError, match="some of its cells have fractions"):
        parse(pa.array([20230218.5]), spec)
    with pytest.raises(SchemaError, match="numbers of a format like %Y%m%d, however: column 'day' is int64. Declare"):
        parse(pa.array([20230218]), spec.replace(format=None))


def test_fractions_are_no_integers():
    spec = ColumnSpec(name="stars", kind="integer", storage="string")
    assert parse(pa.array(["3.0", "-2.", str(2**63 - 1)]), spec).numbers.tolist() == [3, -2, 2**63 - 1]
    with pytest.raises(InputError, match="'stars' holds larger ones, or fractions"):
        parse(pa.array(["3.5"]), spec)


def test_truths_told_apart_by_case_alone_stay_so():
    spec = ColumnSpec(name="ok", kind="boolean", storage="string", true_text="X", false_text="x")
    assert parse(pa.array(["x", "X"]), spec).codes.tolist() == [0, 1]
    with pytest.raises(InputError, match="1 cells are neither"):
        parse(pa.array(["x", "y"]), spec)


def test_no_number_is_no_label():
    spec = ColumnSpec(name="c", kind="category", storage="double")
    values = parse(pa.array([1.0, float("nan"), None, 2.0]), spec)
    assert values.missing.tolist() == [False, True, True, False] and values.levels.to_pylist() == [1.0, 2.0]


def test_every_format_that_is_looked_for_is_spelled_without_a_time_zone_database():
    """Which Windows has not; there, and in small containers, Arrow's own strftime ends in an error."""
    generator = np.random.default_rng(0)
    ticks = pa.array(generator.integers(-(2**35), 2**37, 300), mask=generator.random(300) < 0.1)  # years 881 to 6325
    for format in (
        date + time
        for date, time in [*product(dates.DATE_FORMATS, dates.TIME_FORMATS), *(("", time) for time in dates.ALONE)]
    ):
        assert set(dates.PART.findall(format)) <= dates.SPELLED.keys(), format
        spec = ColumnSpec(name="day", kind="datetime", format=format)
        plain = format.replace("%-", "\x01%").replace("%^", "%")
        text = pc.replace_substring_regex(pc.strftime(ticks.cast(pa.timestamp("s")), format=plain), "\x010?", "")
        missing = ticks.is_null().to_numpy(zero_copy_only=False)
        made = dates.spell(ticks.fill_null(0).to_numpy(), missing, spec)
        assert made.equals(pc.utf8_upper(text) if "%^" in format else text), format


@pytest.mark.parametrize(
    "format",
    ["%H:%M:%S.%3f", "%Y-%m-%dT%H:%M:%S.%6fZ", "%d.%m.%y %H:%M:%S.%f", "%H:%M:%S.%9f +02:00", "%A, %e %B", "at"],
)
def test_fractions_and_what_else_is_declared_are_spelled_as_arrow_does(format):
    ticks = pa.array([-1, 0, 1_700_000_000_123_456_789, 86_399_999_999_999], pa.int64())
    arrows = re.sub(r"\.%[369]?f", "", format)
    text = pc.strftime(ticks.cast(pa.timestamp(dates.unit_of(format))), format=arrows)
    assert dates.spell(
        ticks.to_numpy(), np.zeros(4, bool), ColumnSpec(name="t", kind="datetime", format=format)
    ).equals(text)


@pytest.mark.parametrize("tail", ["", "Z", " UTC", "+02:00"])
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y:%H:%M:%S", "%H:%M:%S"])
def test_fractions_are_read_and_spelled_as_databases_and_python_shorten_them(form: str, tail: str):
    first = -3 if "%Y" in form else 0  # before 1970, too; a time of day has no day
    ticks = np.array([first, 0, 1, 10, 250_000, 59_000_000, 3_600_000_001, 86_399_999_999])
    fractions = {
        "-": [f"{tick % 10**6 / 10**6:.6f}"[1:].rstrip("0").rstrip(".") for tick in ticks],
        "?": [f"{tick % 10**6 / 10**6:.6f}"[1:] if tick % 10**6 else "" for tick in ticks],
    }
    for flag, written in fractions.items():
        spec = ColumnSpec(name="t", kind="datetime", format=f"{form}.%{flag}6f{tail}")
        whole = pc.strftime(pa.array(ticks // 10**6).cast(pa.timestamp("s")), format=form).to_pylist()
        texts = pa.array([text + fraction + tail for text, fraction in zip(whole, written, strict=True)])
        assert dates.spell(ticks, np.zeros(len(ticks), bool), spec).equals(texts)
        read = dates.try_format(texts, str(spec.format))
        assert read[1].all() and (read[0] - ticks == read[0][1]).all()
    assert not dates.try_format(pa.array([f"{whole[0]}.50{tail}"]), f"{form}.%-6f{tail}")[1][0]
    assert not dates.try_format(pa.array([f"{whole[0]}.5{tail}"]), f"{form}.%?6f{tail}")[1][0]


def test_every_form_of_a_date_is_recognised():
    ticks = np.array([86_400 * (19_000 + 37 * day) + 3_671 * day for day in range(12)])
    for format in [*map("".join, product(dates.DATE_FORMATS, ["", *dates.TIME_FORMATS])), *dates.ALONE]:
        for offset in (
            ["", "+02:00", " UTC"] if format.endswith("%S") and format.startswith(dates.DATE_FORMATS[0]) else [""]
        ):
            spec = ColumnSpec(name="day", kind="datetime", format=format + offset)
            texts = dates.spell(ticks, np.zeros(12, bool), spec)
            found = dates.detect(texts.unique(), "day")[0]
            assert found is not None and dates.try_format(texts, found)[1].all(), format + offset
