"""SDV users come over with the metadata they wrote."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from lookalike.errors import SchemaError
from lookalike.preparing import prepare

TABLE = pa.table(
    {
        "guest": [f"G-{i:03}" for i in range(60)],
        "has_rewards": [True, False] * 30,
        "room": ["basic", "suite"] * 30,
        "fee": [i * 1.5 for i in range(60)],
        "checkin": [f"{1 + i % 28:02} Jan 2020" for i in range(60)],
        "rating": [1, 2, 3] * 20,
    }
)
COLUMNS = {
    "guest": {"sdtype": "id", "regex_format": "G-[0-9]{3}"},
    "has_rewards": {"sdtype": "boolean"},
    "room": {"sdtype": "categorical"},
    "fee": {"sdtype": "numerical"},
    "checkin": {"sdtype": "datetime", "datetime_format": "%d %b %Y"},
    "rating": {"sdtype": "categorical"},
}
SINGLE = {"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "primary_key": "guest", "columns": COLUMNS}
SEVERAL = {
    "METADATA_SPEC_VERSION": "V1",
    "tables": {"guests": {"primary_key": "guest", "columns": COLUMNS}, "hotels": {"columns": {"h": {"sdtype": "id"}}}},
}
LEGACY = {
    "primary_key": "guest",
    "fields": {
        "guest": {"type": "id", "subtype": "string", "regex": "G-[0-9]{3}"},
        "has_rewards": {"type": "boolean"},
        "room": {"type": "categorical"},
        "fee": {"type": "numerical", "subtype": "float"},
        "checkin": {"type": "datetime", "format": "%d %b %Y"},
        "rating": {"type": "categorical"},
    },
}


@pytest.mark.parametrize(
    "document",
    [SINGLE, SEVERAL, {**SEVERAL, "METADATA_SPEC_VERSION": "MULTI_TABLE_V1"}, LEGACY],
    ids=["single", "V1", "multi", "before 1.0"],
)
def test_every_generation_is_read(document, tmp_path):
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(document))
    _, schema = prepare(TABLE, schema=path)
    assert [spec.kind for spec in schema] == ["key", "boolean", "category", "float", "datetime", "category"]
    assert schema["guest"].role == "primary_key" and schema["guest"].pattern == "G-[0-9]{3}"
    assert schema["checkin"].format == "%d %b %Y"


def test_numbers_that_look_like_booleans_stay_numbers():
    table = pa.table({"a": [0, 1] * 30})
    _, schema = prepare(
        table, schema={"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": {"a": {"sdtype": "numerical"}}}
    )
    assert schema["a"].kind == "integer"


def test_personal_columns_become_keys():
    table = pa.table({"mail": ["a@b.at", "c@d.at"] * 30, "x": [1, 2, 3] * 20})
    _, schema = prepare(
        table,
        schema={
            "METADATA_SPEC_VERSION": "SINGLE_TABLE_V1",
            "columns": {"mail": {"sdtype": "email", "pii": True}, "x": {"sdtype": "numerical"}},
        },
    )
    assert schema["mail"].kind == "key"


def test_metadata_of_another_table():
    with pytest.raises(SchemaError, match="'h', which the table lacks"):
        prepare(TABLE, schema={"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": {"h": {"sdtype": "id"}}})


def test_several_tables_and_none_fits():
    with pytest.raises(SchemaError, match="describes 2 and 0 of them"):
        prepare(pa.table({"q": [1, 2]}), schema=SEVERAL)


def test_keys_of_several_columns_are_unique_together():
    table = pa.table({"guest": ["a", "a", "b", "b"] * 15, "room": [1, 2] * 30, "night": list(range(60))})
    columns = {name: {"sdtype": "categorical"} for name in ("guest", "room")} | {"night": {"sdtype": "numerical"}}
    metadata = {"METADATA_SPEC_VERSION": "V1", "tables": {"stays": {"columns": columns}}}
    metadata["tables"]["stays"] |= {"primary_key": ["guest", "night"], "alternate_keys": [["room", "night"]]}
    _, schema = prepare(table, schema=metadata)
    assert [rule.words for rule in schema.constraints] == [
        "guest and night unique together",
        "room and night unique together",
    ]
    assert schema["guest"].kind == "category"


def test_types_that_say_what_a_text_is_leave_its_kind_to_the_table():
    table = pa.table({"country": ["Austria", "Italy"] * 30, "who": ["Anna", "Bert", "Cleo"] * 20})
    columns = {"country": {"sdtype": "country_code", "pii": False}, "who": {"sdtype": "unknown", "pii": True}}
    _, schema = prepare(table, schema={"METADATA_SPEC_VERSION": "SINGLE_TABLE_V1", "columns": columns})
    assert (schema["country"].kind, schema["who"].kind) == ("category", "key")
