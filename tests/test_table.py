"""Tables in and out: what comes out is of the kind that went in, to the letter where it was text."""

from __future__ import annotations

import os
import sys
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import quick_fit
from lookalike import LookalikeWarning, Twin
from lookalike.errors import InputError, OutputError, SettingsError
from lookalike.table import as_table, to_native, write_table


def read_back(text, tmp_path, name="t.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return as_table(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2,\n",
        'a,b\n"1,5","say ""hi"""\n"",\n',
        'a;b\n"x;y";2\n',
        "a\tb\n1\t2\n",
        'a\n1\n\n"x\ny"\n',
        '"odd, name",b\n1,2\n',
        "a|b\nx|y\n",
        'ä,🙂\n" padded ","  "\n',
    ],
)
def test_a_csv_is_written_as_it_was_read(text, tmp_path):
    table = read_back(text, tmp_path)
    write_table(table, tmp_path / "out.csv")
    again = as_table(tmp_path / "out.csv")
    assert again.data.equals(table.data)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2,\n",
        "a;b\r\n1;x\r\n2;\r\n",
        "\ufeffa,b\n1,x\n",
        '"a","b"\n"1","x"\n"","y ""z"""\n',
        '"a"\t"b"\n1\t"x"\n""\t""\n',
        '"a","b"\n1,"x"\n,""\n',
        'a,b\n1,"x, y"\n2,z\n',
        '"a","b"\r\n"1\r\n2","x"\r\n',
        "a, b\n  1, x\n 20, y\n",
    ],
)
def test_a_csv_keeps_its_line_ends_its_quotes_and_its_mark(text, tmp_path):
    (tmp_path / "t.csv").write_bytes(text.encode())
    write_table(as_table(tmp_path / "t.csv"), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().decode() == text


def test_where_all_is_quoted_an_empty_text_is_missing_and_numbers_are_numbers(tmp_path):
    lines = ['"age","town"'] + [
        f'"{place if place % 5 else ""}","{("Graz", "Linz", "")[place % 3]}"' for place in range(90)
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    twin = quick_fit(tmp_path / "t.csv")
    assert [spec.kind for spec in twin.schema] == ["integer", "category"]
    twin.sample_to(tmp_path / "out.csv", 60)
    made = (tmp_path / "out.csv").read_text().splitlines()
    assert made[0] == lines[0] and all(line.count('"') == 4 for line in made)
    assert any(line.startswith('"",') for line in made)


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00")),
            st.none() | st.integers().map(str),
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=60)
def test_any_text_survives_a_csv_file(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    data = pa.table(
        {"a": pa.array([row[0] for row in rows], pa.string()), "b": pa.array([row[1] for row in rows], pa.string())}
    )
    write_table(as_table(data), path)
    assert as_table(path).data.equals(data)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n3,4\n")
    assert as_table(tmp_path / "t.csv").names == ["a", "b"]


def test_csv_that_is_not_utf8(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\nMüller,2\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        as_table(tmp_path / "t.csv")


def test_a_ragged_csv(tmp_path):
    with pytest.raises(InputError, match="2 fields, however: in .* line 3 has 3"):
        read_back("a,b\n1,2\n1,2,3\n", tmp_path)


@pytest.mark.parametrize("line", ['5,Graz,"delivered', '5,"Graz,ok', '"5,Graz,ok'])
def test_a_quote_that_is_never_closed(tmp_path, line):
    """Arrow takes the rest of the file for one cell, which would be given out as it is."""
    lines = [f"{i},Linz,ok" for i in range(2, 5)] + [line] + [f"{i},Wien,ok" for i in range(6, 12)]
    with pytest.raises(InputError, match="quote that is opened in line 5 is not closed"):
        read_back("\n".join(["id,town,note", *lines]) + "\n", tmp_path)


def test_quotes_that_are_no_fault(tmp_path):
    text = 'a,b\n1,5" pipe\n2,"x\ny"\n'
    assert read_back(text, tmp_path).data["b"].to_pylist() == ['5" pipe', "x\ny"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            ",".join(f"a_column_of_a_long_name_{i:05}" for i in range(4_000)) + "\n" + ",".join(["007"] * 4_000) + "\n",
            4_000,
        ),
        ('"two\nlines",b\n007,1\n', 2),
        ("a\u2028b,c\n007,1\n", 2),
        ("\n\na,b\n007,1\n", 2),
    ],
    ids=["long", "quoted newline", "line separator", "blank lines"],
)
def test_whatever_the_names_are_cells_stay_text(tmp_path, text, names):
    data = read_back(text, tmp_path).data
    assert data.num_columns == names and data.column(0).to_pylist() == ["007"]


def test_rows_without_names_above_them(tmp_path):
    with pytest.raises(InputError, match="holds an e-mail address") as refused:
        read_back("Anna,anna@example.org,26\nBert,bert@example.org,27\n", tmp_path)
    assert "anna" not in str(refused.value).lower()
    with pytest.warns(LookalikeWarning, match="2 of the names in .* are like the cells below") as said:
        read_back("Anna,26,6267\nBert,27,7000\n", tmp_path)
    assert "6267" not in str(said[0].message)
    for first in ("2001-05-03,4\n2002-07-01,5\n", "clerk,a\nnurse,b\nclerk,a\n"):
        with pytest.warns(LookalikeWarning, match="1 of the names in .* are like the cells below"):
            read_back(first, tmp_path)
    for years in ("2001,2002\n1,2\n", "0,1\n1,2\n", "name,7.5\nx,low\n"):
        read_back(years, tmp_path)


def test_a_label_that_is_the_columns_name_is_no_cell_where_another_name_is_a_word(tmp_path):
    (tmp_path / "t.csv").write_text("Age,Purchased\n" + "19,Purchased\n35,Not Purchased\n" * 5)
    assert as_table(tmp_path / "t.csv").names == ["Age", "Purchased"]  # a warning would be an error


def test_a_line_that_is_broken_is_never_told(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\nAnna,secret,3\n")
    with pytest.raises(InputError, match="line 3 has 3") as refused:
        as_table(tmp_path / "t.csv")
    assert refused.value.__cause__ is None and "secret" not in str(refused.value)


@pytest.mark.parametrize(("text", "word"), [("", "empty"), ("a,b\n", "rows"), ("a,a\n1,2\n", "unique")])
def test_a_csv_that_is_no_table(tmp_path, text, word):
    with pytest.raises(InputError, match=word):
        read_back(text, tmp_path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no file"):
        as_table(tmp_path / "none.csv")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(InputError, match=r"\.csv"):
        as_table(tmp_path / "t.xlsx")


def test_a_packed_file(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(b"")
    with pytest.raises(InputError, match=r"this is t.csv.gz. Unpack it first.$"):
        as_table(tmp_path / "t.csv.gz")


def test_parquet_that_is_none(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"nope")
    with pytest.raises(InputError, match="Parquet"):
        as_table(tmp_path / "t.parquet")


def test_parquet_comes_back_with_its_types(tmp_path, awkward):
    parquet.write_table(awkward, tmp_path / "t.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = quick_fit(tmp_path / "t.parquet")
    twin.sample_to(tmp_path / "out.parquet", 25)
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.num_rows == 25
    assert [(field.name, str(field.type)) for field in found.schema] == [
        (field.name, str(field.type)) for field in awkward.schema
    ]


@pytest.mark.parametrize("index", ["none", "named", "two", "shuffled"])
def test_pandas_reads_a_made_parquet_file_as_the_real_one(tmp_path, index):
    frame = pd.DataFrame(
        {
            "count": pd.array([None, 1, 2] * 40, "Int64"),
            "left": pd.array([None, True, False] * 40, "boolean"),
            "town": pd.array(["Graz", None, "Linz"] * 40, "string"),
            "size": pd.Categorical(["s", "m", "l"] * 40, ["s", "m", "l"], ordered=True),
            "day": pd.date_range("2020", periods=120, tz="Europe/Vienna"),
        }
    )
    if index == "shuffled":
        frame = frame.sample(frac=1, random_state=0)
    elif index != "none":
        frame = frame.set_index(["day"] if index == "named" else ["town", "size"])
    frame.attrs = {"author": "Anna"}
    frame.to_parquet(tmp_path / "t.parquet")
    twin = quick_fit(tmp_path / "t.parquet")
    twin.save(tmp_path / "t.twin")
    Twin.load(tmp_path / "t.twin").sample_to(tmp_path / "out.parquet", 25)
    made = pd.read_parquet(tmp_path / "out.parquet")
    assert made.dtypes.equals(frame.dtypes) and made.index.names == frame.index.names and len(made) == 25
    assert b"Anna" not in (tmp_path / "out.parquet").read_bytes()


@pytest.mark.parametrize(
    "noted", [b"{", b"[1]", b"\xff\xfe\x00", b'{"columns": [5]}', b'{"columns": [null]}', b'{"index_columns": 5}', b"[" * 100_000]
)  # fmt: skip
def test_what_another_program_noted_in_pandas_name_is_not_heeded(tmp_path, noted):
    parquet.write_table(pa.table({"a": [1, 2]}).replace_schema_metadata({b"pandas": noted}), tmp_path / "t.parquet")
    table = as_table(tmp_path / "t.parquet")
    assert table.data["a"].to_pylist() == [1, 2] and table.origin.pandas == ""


def test_parquet_whose_names_are_no_text(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"name_of_a_column": [1, 2]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"name_of_a_column", b"name_of_a_\xff\xfflumn"))
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        as_table(path)


def test_what_a_dropped_column_was_is_not_noted(tmp_path):
    frame = pd.DataFrame({"a": ["x", "y"] * 30}, index=pd.Index(range(60), name="id"))
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "t.parquet")
    write_table(as_table(tmp_path / "t.parquet").drop(["id"]), tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet").columns.tolist() == ["a"]
    assert b'"id"' not in parquet.read_schema(tmp_path / "out.parquet").metadata[b"pandas"]


def test_columns_that_must_be_there_stay_so():
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())])
    table = pa.table({"a": [1, 2, 3] * 40, "b": ["x", None, "y"] * 40}, schema=schema)
    assert quick_fit(table).sample(5).schema == schema


def test_batches_to_a_file_are_the_rows_of_sample(tmp_path, monkeypatch):
    monkeypatch.setattr("lookalike.sample.BATCH_ROWS", 40)
    table = pa.table(
        {"a": ["x", "y", None] * 40, "k": [f"K{i:04}" for i in range(120)], "n": [i * 0.5 for i in range(120)]}
    )
    twin = quick_fit(table)
    twin.sample_to(tmp_path / "t.parquet", 100, seed=5)
    assert parquet.read_table(tmp_path / "t.parquet").equals(twin.sample(100, seed=5))
    assert len(set(twin.sample(100, seed=5)["k"].to_pylist())) == 100


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1+cmd", "@SUM(A1)", "\tx"])
def test_a_name_that_a_spreadsheet_would_run_is_escaped_as_cells_are(tmp_path, name):
    table = as_table(pa.table({name: [1], "b": ["=1+2"]}))
    for escape, before in ((False, ""), (True, "'")):
        write_table(table, tmp_path / "t.csv", escape_formulas=escape)
        assert (tmp_path / "t.csv").read_text() == f"{before}{name},b\n1,{before}=1+2\n"


def test_a_file_half_written_never_appears(tmp_path):
    from lookalike.table import TableWriter

    table = as_table(pa.table({"a": [1, 2]}))
    with pytest.raises(RuntimeError), TableWriter(tmp_path / "t.csv", table.origin) as writer:
        writer.write(table)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_disk_that_is_full_is_said_and_nothing_is_left(tmp_path, name):
    resource = pytest.importorskip(
        "resource"
    )  # a limit to the size of files, which POSIX has, is as good as a full disk
    table = as_table(pa.table({"a": np.random.default_rng(0).random(10_000)}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        with pytest.raises(OutputError, match=f"{name} cannot be written"):
            write_table(table, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_folder_in_the_way_is_said(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=f"{name} cannot be written"):
        write_table(as_table(pa.table({"a": [1]})), tmp_path / name)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_an_output_of_another_kind(tmp_path):
    with pytest.raises(SettingsError, match=r"\.csv"):
        write_table(as_table(pa.table({"a": [1]})), tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2, None], dtype="Int16"),
        pd.Series([1.5, None, 2.0], dtype="Float32"),
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series(["a", "b", "a"], dtype=pd.CategoricalDtype(["b", "c", "a"], ordered=True)),
        pd.Series([1, 2, 1], dtype=pd.CategoricalDtype([3, 1, 2])),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01"])),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01"]).tz_localize("Asia/Tokyo")),
        pd.Series(pd.to_timedelta([1, None, 3], unit="h")),
        pd.Series([Decimal("1.10"), None, Decimal("2.25")]),
        pd.Series([1, "1", 2.5], dtype=object),
        pd.Series([True, None, False], dtype=object),
        pd.Series(np.array([1, 2, 3], np.float16)),
        pd.Series(["a", None, "b"], dtype="large_string[pyarrow]"),
        pd.Series([1, None, 3], dtype="int32[pyarrow]"),
        pd.Series([1, None, 3], dtype=object),
        pd.Series(["a", None, "b"], dtype="string[python]"),
        pd.Series(["a", None, "b"], dtype=pd.StringDtype("pyarrow")),
        pd.Series(["a", None, "b"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
        pd.Series([Decimal("1.10"), None], dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
        pd.Series(["a", None, "b"], dtype=pd.StringDtype("python")).astype("category"),
        pd.Series([1, "a", 2.5]).astype("category"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_pandas_columns_come_back_as_they_were(column):
    frame = pd.DataFrame({"a": column})
    back = to_native(as_table(frame))
    assert back["a"].dtype == frame["a"].dtype
    assert back["a"].isna().tolist() == frame["a"].isna().tolist()
    assert back["a"].dropna().tolist() == frame["a"].dropna().tolist()
    assert list(map(type, back["a"].dropna())) == list(map(type, frame["a"].dropna()))


@pytest.mark.parametrize("label", [1.5, None, True, ("a", 1), pd.Timestamp(2020, 1, 1)], ids=str)
def test_names_that_could_not_be_given_back_are_refused(label):
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    frame.columns = pd.Index([label, "b"], dtype=object, tupleize_cols=False)
    with pytest.raises(
        InputError, match=f"text or whole numbers, however: some of this frame are {type(label).__name__}. Make"
    ):
        as_table(frame)


@pytest.mark.parametrize("index", [pd.Index([5, 6], name="id"), pd.Index(["x", "y"]), pd.date_range("2020", periods=2)])
def test_an_index_that_tells_something_is_left_out_with_a_word(index):
    with pytest.warns(LookalikeWarning, match="has an index besides, which is left out. .*reset_index"):
        as_table(pd.DataFrame({"a": [1, 2]}, index=index))
    as_table(pd.DataFrame({"a": [1, 2]}, index=[7, 3]))  # rows picked from others; a warning would be an error


def test_polars_columns_come_back_as_they_were(awkward):
    frame = pl.from_arrow(awkward).with_columns(
        pl.Series("enum", ["lo", "hi"] * 30, dtype=pl.Enum(["lo", "mid", "hi"])),
        pl.Series("small", [1] * 60, dtype=pl.UInt8),
    )
    assert to_native(as_table(frame)).equals(frame)
    assert to_native(as_table(frame)).schema == frame.schema


def test_dropping_a_column_that_is_not_there():
    with pytest.raises(SettingsError, match="'b' is none"):
        as_table(pa.table({"a": [1]})).drop(["b"])


@pytest.mark.parametrize(
    "cells",
    [
        pa.array(["x", "y", None] * 40).cast(pa.string_view()),
        pa.array([Decimal(place) / 4 for place in range(120)], pa.decimal32(7, 2)),
        pa.array([Decimal(place) / 4 for place in range(120)], pa.decimal64(12, 2)),
        pa.DictionaryArray.from_arrays(pa.array([0, 1] * 60, pa.int16()), pa.array(["x", "y"], pa.string_view())),
    ],
    ids=lambda cells: str(cells.type),
)
def test_types_that_arrow_computes_little_with_come_back(cells):
    table = pa.table({"a": cells, "b": [1, 2, 3] * 40})
    assert quick_fit(table).sample(5).schema == table.schema


def test_a_path_that_is_no_file_says_what_may_be_meant(tmp_path):
    (tmp_path / "customers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"there is no file .*custmers.csv. Did you mean .*customers.csv\?$"):
        as_table(tmp_path / "custmers.csv")
    with pytest.raises(InputError, match=r"no file .*sales.csv. Check its name and its folder.$"):
        as_table(tmp_path / "sales.csv")
    with pytest.raises(InputError, match=r"folder.csv is a folder. Name a file in it.$"):
        as_table(tmp_path / "folder.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_refused_without_waiting_for_one_who_writes(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match=r"pipe.csv is a pipe or a device. Write it to a file first.$"):
        as_table(tmp_path / "pipe.csv")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems let no file have such a name")
def test_a_name_that_is_no_text_is_refused_for_reading_and_for_writing(tmp_path):
    path = tmp_path / os.fsdecode(b"Gr\xf6sse.csv")
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="must be text in UTF-8, however"):
        as_table(path)
    with pytest.raises(InputError, match="must be text in UTF-8, however"):
        write_table(as_table(pa.table({"a": [1]})), path)
