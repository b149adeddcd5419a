"""Which columns name rows, persons or things one by one: keys, and identifiers of several rows each."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import LookalikeWarning
from lookalike.schema.column import ColumnSpec
from lookalike.schema.values import widen

UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
CAMEL_KEY = re.compile(r"[a-z](Id|ID|Key|Nr|No)$")
WORD_KEY = re.compile(r"(^|[^a-zA-Z])(id|key|uuid|guid|nr|no|number|code|ref|ssn)($|[^a-zA-Z])", re.I)
CAMEL_IDENTITY = re.compile(r"[a-z](Id|ID|Nbr|Nr|No)$")
WORD_IDENTITY = re.compile(r"(^|[^a-zA-Z])(id|uuid|guid|ssn|nbr)($|[^a-zA-Z])", re.I)
PERSONS = "account|client|customer|employee|household|member|participant|patient|person|respondent|subject|user"
LAST_WORD_IDENTITY = re.compile(rf"(^|[^a-zA-Z])(nr|no|num|number|pid|hid|uid|{PERSONS})$", re.I)
"""``customer`` and ``policy_no`` name one; ``customer_age`` and ``no_of_visits`` do not."""
EMAIL = r"^[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}$"
KEY_ROWS = 10
"""Fewer rows than this say nothing about uniqueness."""
NEARLY_ALL = 0.9
"""Labels of which so many of the cells that are not missing hold one of their own name things one by one."""
NEARLY_ROWS = 20
"""Fewer cells than this may hold mostly different labels by chance."""
MANY_IDENTITIES, FEW_ROWS_EACH, ROWS_OF_A_PERSON = 100, 20, 1_000
"""So many different values in a column named like an identifier, of so few rows each on average, tell whose rows they are. What has more
may be places or articles, but where the name says that they are persons."""
SERIAL_ROWS = 1000
"""A gapless run of integers that does not start at 0 or 1 is a serial number only from so many rows on."""


def is_integer_key(name: str, numbers: np.ndarray, distinct: int) -> bool:
    """Whether whole numbers, all different, are serial or named like a key."""
    if distinct < len(numbers) or len(numbers) < KEY_ROWS:
        return False
    low, high = int(numbers.min()), int(numbers.max())
    gapless = high - low == len(numbers) - 1 and (low in (0, 1) or len(numbers) >= SERIAL_ROWS)
    return gapless or named_like_a_key(name)


def named_like_a_key(name: str) -> bool:
    """Whether a column's name says that it holds keys.

    >>> named_like_a_key("invoice_no"), named_like_a_key("notes")
    (True, False)
    """
    return bool(WORD_KEY.search(name) or CAMEL_KEY.search(name))


def identifies(name: str, distinct: int, rows: int) -> bool:
    """Whether a column tells whose rows they are, though several rows share a value.

    >>> identifies("patient_nbr", 300, 900), identifies("LocationID", 300, 90_000)
    (True, False)
    >>> identifies("policy_no", 300, 900), identifies("no_of_visits", 300, 900), identifies("CustomerID", 300, 90_000)
    (True, False, True)
    """
    named = WORD_IDENTITY.search(name) or LAST_WORD_IDENTITY.search(name) or CAMEL_IDENTITY.search(name)
    most = ROWS_OF_A_PERSON if re.search(PERSONS, name, re.I) else FEW_ROWS_EACH
    return bool(named) and distinct >= MANY_IDENTITIES and rows <= most * distinct


def are_personal(distinct: pa.Array) -> bool:
    """Whether every text is one that is given to a person or a thing alone: a UUID, an e-mail address."""
    return len(distinct) >= 2 and any(
        pc.all(pc.match_substring_regex(distinct, form)).as_py() for form in (UUID, EMAIL)
    )


def part_alike(first: pa.ChunkedArray, second: pa.ChunkedArray) -> bool:
    """Whether two columns, each of many values, part the rows in the same way.

    >>> people = pa.chunked_array([[f"person {i % 150}" for i in range(600)]])
    >>> part_alike(people, pa.chunked_array([[i % 150 for i in range(600)]]))
    True
    """
    distinct = pc.count_distinct(first, mode="all").as_py()
    if distinct < MANY_IDENTITIES or distinct != pc.count_distinct(second, mode="all").as_py():
        return False
    pairs = pa.table({"first": first, "second": second}).group_by(["first", "second"]).aggregate([])
    return bool(pairs.num_rows == distinct)


def repeated_key(base: dict[str, str], distinct: int, rows: int, *, of: str | None = None) -> ColumnSpec:
    """Return the spec of such a column, and say what becomes of it; ``of`` which other it stands beside one to one."""
    name = base["name"]
    like = "looks like an identifier" if of is None else f"one for each of {of!r}, which looks like an identifier"
    warnings.warn(
        f"column {name!r} has {distinct:,} values in {rows:,} rows and {like}: it is taken for a key of several rows each, "
        "and new values are made up in its form, as often repeated as real ones, tied to what they settle in every row and to no other column. To have the real ones back, "
        "declare another kind in the schema.",
        LookalikeWarning,
        stacklevel=3,
    )
    return ColumnSpec(**base, kind="key", repeated=True)


def repeats(cells: pa.Array | pa.ChunkedArray) -> bool:
    """Whether any value stands in several cells.

    >>> repeats(pa.array(["a", "b", None, None])), repeats(pa.array(["a", "b", "a"]))
    (False, True)
    """
    return bool(pc.count_distinct(widen(cells)).as_py() < len(cells) - cells.null_count)
