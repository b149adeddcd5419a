"""A pair of tables built by arithmetic alone, so that figures frozen once hold on every machine and NumPy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lookalike.schema import ColumnSpec, Schema

SCHEMA = Schema([
    ColumnSpec(name="id", kind="key", storage="int64", role="primary_key"),
    ColumnSpec(name="age", kind="integer", storage="int64"),
    ColumnSpec(name="income", kind="float", storage="double"),
    ColumnSpec(name="debt", kind="float", storage="double"),
    ColumnSpec(name="dice", kind="integer", storage="int64"),
    ColumnSpec(name="city", kind="category", storage="string"),
    ColumnSpec(name="zone", kind="ordinal", storage="string"),
    ColumnSpec(name="member", kind="boolean", storage="bool"),
    ColumnSpec(name="joined", kind="datetime", storage="timestamp[us]"),
    ColumnSpec(name="country", kind="constant", storage="string"),
    ColumnSpec(name="comment", kind="category", storage="string", role="drop"),
])  # fmt: skip


def table(rows: int, shift: int) -> pa.Table:
    """``shift`` 0 is the real table; others wander off from it."""
    row = np.arange(rows)
    noise = (row * 7919 + shift * 104_729) % 101 / 101
    other = (row * 6151 + shift * 32_771) % 97 / 97
    age = (18 + 60 * noise).astype(np.int64)
    income = 900.0 + 25 * age + 400 * other + 130 * shift
    debt = np.where(other > 0.15 + 0.05 * shift, income * 0.8 - 300 * noise, np.nan)
    city = np.array(["Graz", "Linz", "Wien", "Zell"])[(age // 20 + shift * (row % 7 == 0)) % 4].tolist()
    zone = [f"z{(place * 3 + shift * (number % 5 == 0)) % 5}" for number, place in enumerate((age // 10).tolist())]
    return pa.table({
        "id": pa.array(np.where(row % 50 == 49, row - shift, row)),
        "age": pa.array(age),
        "income": pa.array(income),
        "debt": pa.array(debt, from_pandas=True),
        "dice": pa.array((row * 3571 + shift * 13) % (89 - shift)),
        "city": pa.array([None if number % 11 == shift else name for number, name in enumerate(city)]),
        "zone": pa.array(zone),
        "member": pa.array((income > 2200 + 100 * shift).tolist()),
        "joined": pa.array((age * 86_400_000_000 * 30 + row * 1_000_000).tolist(), pa.timestamp("us")),
        "country": pa.array(["AT"] * rows),
        "comment": pa.array(["-"] * rows),
    })  # fmt: skip


def sdmetrics_metadata() -> dict[str, object]:
    """The same schema in sdmetrics' words."""
    sdtypes = {"integer": "numerical", "float": "numerical", "datetime": "datetime", "boolean": "boolean", "key": "id"}
    columns = {spec.name: {"sdtype": sdtypes.get(spec.kind, "categorical")} for spec in SCHEMA.kept}
    return {"columns": columns, "primary_key": "id"}
