from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.errors import SchemaError, SettingsError
from lookalike.refine.balance import class_counts, join, lacking
from lookalike.table import as_table

CLASSES = st.dictionaries(st.text(min_size=1), st.integers(1, 10_000), min_size=2, max_size=8)


@given(CLASSES, st.none() | st.just(1) | st.floats(0.01, 1))
def test_filling_up_never_takes_rows_nor_passes_the_largest_class(classes, share):
    more = lacking(classes, share=share)
    largest = max(classes.values())
    for name, rows in classes.items():
        assert rows + more.get(name, 0) <= largest
        assert more.get(name, 1) > 0
        if rows < 5:
            assert name not in more
    if share == 1:
        assert all(rows + more.get(name, 0) == largest for name, rows in classes.items() if rows >= 5)


@given(CLASSES)
def test_halfway_keeps_the_order_of_the_classes(classes):
    more = lacking(classes, fewest=1)
    filled = sorted((rows, rows + more.get(name, 0)) for name, rows in classes.items())
    assert [rows for _, rows in filled] == sorted(rows for _, rows in filled)


def test_five_rows_are_enough_to_be_filled_up_and_four_are_not():
    classes = {"well": 900, "five": 5, "four": 4}
    assert lacking(classes, share=1) == {"five": 895}
    assert lacking(classes, balance=False, counts={"five": 7, "four": 4}) == {"five": 2}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"share": 0}, "share=0"),
        ({"share": 1.5}, "share=1.5"),
        ({"share": 0.5, "balance": False}, "share=0.5 and balance=False"),
        ({"counts": {"True": True}}, "True=True"),
        ({"counts": {"TRUE": 900}}, "holds no 'TRUE'"),  # which of both?
    ],
)
def test_what_fills_nothing_up_is_refused(asked, message):
    with pytest.raises(SettingsError, match=message):
        lacking({"well": 900, "True": 1, "true": 100}, **asked)


def test_a_class_the_engine_did_not_see_is_left_alone():
    classes, learned = {"well": 900, "ill": 100, "odd": 6}, {"well": 800, "ill": 95, "odd": 4}
    assert set(lacking(classes, share=1, learned=learned)) == {"ill"}
    with pytest.raises(SettingsError, match="odd has 4"):
        lacking(classes, counts={"odd": 50}, learned=learned)
    assert lacking(classes, balance=False, counts={"odd": 6}, learned=learned) == {}


@pytest.mark.parametrize("type_", [pa.int8(), pa.float64(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_classes_are_counted_in_any_type(type_):
    cells = pa.array(["1", "2", "2", None]).cast(pa.float64() if pa.types.is_floating(type_) else pa.string())
    column = cells.dictionary_encode().cast(type_) if pa.types.is_dictionary(type_) else cells.cast(type_)
    assert class_counts(pa.chunked_array([column]), "grade") == {"2": 2, "1": 1}


def test_fifty_classes_are_not_too_many():
    assert len(class_counts(pa.chunked_array([[str(number) for number in range(50)]]), "grade")) == 50


def test_texts_that_stand_for_missing_are_no_class():
    column = pa.chunked_array([["a", "b", "NA", "b"]])
    assert class_counts(column, "grade", ["NA"]) == {"b": 2, "a": 1}


@pytest.mark.parametrize("cells", [["a", "a"], [None, None], [str(number) for number in range(51)]])
def test_one_class_or_too_many_are_refused(cells):
    with pytest.raises(SettingsError, match="2 to 50 classes.*'grade'"):
        class_counts(pa.chunked_array([pa.array(cells, pa.string())]), "grade")


def test_join_refuses_a_name_that_is_taken_and_a_type_that_is_another():
    table = as_table(pa.table({"a": [1, 2], "origin": ["x", "y"]}))
    made = pa.table({"a": [3], "origin": ["z"]})
    with pytest.raises(SettingsError, match="a column 'origin'"):
        join(table, made, "origin")
    assert join(table, made, "made").data["made"].to_pylist() == ["real", "real", "synthetic"]
    assert join(table, made, None).data.num_rows == 3
    with pytest.raises(SchemaError, match="'a' is string"):
        join(table, pa.table({"a": ["3"], "origin": ["z"]}), "made")


def test_join_unifies_dictionaries():
    real = pa.table({"a": pa.array(["x", "y"]).dictionary_encode()})
    made = pa.table({"a": pa.array(["y", "y"]).dictionary_encode()})
    joined = join(as_table(real), made, None).data["a"]
    assert joined.to_pylist() == ["x", "y", "y", "y"]
    assert joined.chunk(0).dictionary.equals(joined.chunk(1).dictionary)
