"""Which columns name rows, persons or things one by one: keys, and identifiers of several rows each."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.characters import flag
from lookalike.errors import LookalikeWarning
from lookalike.schema import checksums
from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.types import arrow_type, is_text
from lookalike.schema.values import numbered, widen

UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
CAMEL_KEY = re.compile(r"[a-z](Id|ID|Key|Nr|No)$")
WORD_KEY = re.compile(r"(^|[^a-zA-Z])(id|key|uuid|guid|nr|no|number|code|ref|ssn)($|[^a-zA-Z])", re.I)
CAMEL_IDENTITY = re.compile(r"[a-z](Id|ID|Nbr|Nr|No)$")
WORD_IDENTITY = re.compile(r"(^|[^a-zA-Z])(id|uuid|guid|ssn|nbr)($|[^a-zA-Z])", re.I)
PERSONS = "account|client|customer|employee|household|member|participant|patient|person|respondent|subject|user"
LAST_WORD_IDENTITY = re.compile(
    rf"(^|[^a-zA-Z])(nr|no|num|number|pid|hid|uid|iban|passport|phone|mobile|e-?mail|{PERSONS})$", re.I
)
"""``customer`` and ``policy_no`` name one; ``customer_age`` and ``no_of_visits`` do not."""
LAST_WORD_PERSON = re.compile(rf"(^|[^a-zA-Z])({PERSONS})$", re.I)
SHORT = (
    "acct|card|case|child|cust|device|donor|driver|emp|family|guest|hh|indiv|mem|parent|pat|pers|player|policy|pupil|resp|session|stud|"
    "student|subj|teacher|visit|visitor|voter|worker"
)
"""Persons, and what is one's, as names of columns have them."""
THINGS = (
    "agent|artist|author|bank|book|branch|claim|class|clinic|company|contact|contract|county|course|dept|dist|district|doc|doctor|event|"
    "farm|firm|flight|group|hosp|hospital|house|inst|invoice|item|job|loan|loc|location|match|movie|obs|order|page|post|prod|product|"
    "project|prov|provider|rec|record|room|route|row|sample|sch|school|seller|seq|shop|site|station|stop|store|supplier|team|ticket|tract|"
    "trans|transaction|trip|txn|unit|vehicle|vendor|vill|village|zone"
)
JOINED_IDENTITY = re.compile(rf"(^|[^a-zA-Z])({PERSONS}|{SHORT})(id|nr|no|num)$", re.I)
JOINED_KEY = re.compile(rf"(^|[^a-zA-Z])({PERSONS}|{SHORT}|{THINGS})(id|nr|no|num)$", re.I)
"""``custid`` and ``patno`` name one; ``humid`` and ``medicaid`` do not, so what stands before is looked up. Places and articles of several
rows each are better had as they are: the rows of one would agree, and no longer fit what else they hold (a school, its district's means)."""
PERSONS_NAME = re.compile(rf"(^|[^a-z])(full|first|last|sur|family|given|maiden|{PERSONS})[ _-]?name$", re.I)
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9][0-9]|[0-9])"
IPV4 = rf"^{OCTET}(\.{OCTET}){{3}}$"
ADDRESSES = (
    IPV4,
    r"^[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}$",
    r"^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$",
)
"""IPv4, IPv6 and MAC: of many machines each is somebody's, a few are servers."""
EMAIL = r"^[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}$"
KEY_ROWS = 10
"""Fewer rows than this say nothing about uniqueness."""
NEARLY_ALL = 0.9
"""Labels of which so many of the cells that are not missing hold one of their own name things one by one."""
NEARLY_ROWS = 20
"""Fewer cells than this may hold mostly different labels by chance."""
MANY_IDENTITIES, SEVERAL_ROWS_EACH, FEW_ROWS_EACH, ROWS_OF_A_PERSON = 100, 1.5, 20, 1_000
"""So many different values in a column named like an identifier, of so few rows each on average, tell whose rows they are. What has more
may be places or articles, but where the name says that they are persons."""
PERSONAL_SHARE, ALIKE_SHARE = 0.95, 0.95
"""Share of texts in the form of an address from which the others stand for none; and how near to one to one two columns are that name the same."""
DIGITS_OF_A_NUMBER = 7
REFERS = re.compile(
    r"manager|supervisor|superior|boss|parent|report(s|ing)?[ _-]?to|referr|original|previous|prev([^a-z]|$)|predecessor|repl(y|ies)|"
    r"mentor|sponsor|spouse|partner|replace|related",
    re.I,
)
"""Names of columns that hold a key of another row; what numbers alone share with a serial key may be by chance."""
REFERRED = 0.5
"""Share of a column's values that are the key's, from which it takes them: of some rows kept back the key is not there."""
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

    >>> named_like_a_key("invoice_no"), named_like_a_key("notes"), named_like_a_key("custid"), named_like_a_key("humid")
    (True, False, True, False)
    """
    return any(form.search(name) for form in (WORD_KEY, CAMEL_KEY, JOINED_KEY))


def named_like_an_identifier(name: str) -> bool:
    """Whether a column's name alone says that it tells whose rows they are; of a number (``education_num``) it does not.

    >>> named_like_an_identifier("patient_nbr"), named_like_an_identifier("customer"), named_like_an_identifier("education_num")
    (True, True, False)
    """
    forms = (WORD_IDENTITY, CAMEL_IDENTITY, JOINED_IDENTITY, LAST_WORD_PERSON, PERSONS_NAME)
    return any(form.search(name) for form in forms)


def identifies(name: str, distinct: int, rows: int) -> bool:
    """Whether a column tells whose rows they are, though several rows share a value.

    >>> identifies("patient_nbr", 300, 900), identifies("LocationID", 300, 90_000)
    (True, False)
    >>> identifies("policy_no", 300, 900), identifies("no_of_visits", 300, 900), identifies("CustomerID", 300, 90_000)
    (True, False, True)
    >>> identifies("patid", 300, 900), identifies("medicaid", 300, 900), identifies("schoolid", 300, 900)
    (True, False, False)
    >>> identifies("patient_name", 300, 900), identifies("surname", 300, 900), identifies("product_name", 300, 900)
    (True, True, False)
    """
    most = ROWS_OF_A_PERSON if re.search(PERSONS, name, re.I) else FEW_ROWS_EACH
    named = named_like_an_identifier(name) or LAST_WORD_IDENTITY.search(name)
    return bool(named) and distinct >= MANY_IDENTITIES and rows <= most * distinct


def are_personal(distinct: pa.Array) -> bool:
    """Whether nearly every text is one that is given to a person or a thing alone: a UUID, an e-mail address, an IBAN, or one of many machines'
    addresses. Others may stand for none.

    >>> are_personal(pa.array(["a@mail.at", "b@mail.at"])), are_personal(pa.array(["10.0.0.1", "10.0.0.2"]))
    (True, False)
    """
    forms = ["|".join(ADDRESSES)] if len(distinct) >= MANY_IDENTITIES else []
    return len(distinct) >= 2 and (
        any(
            pc.sum(pc.match_substring_regex(distinct, form)).as_py() >= PERSONAL_SHARE * len(distinct)
            for form in (UUID, EMAIL, *forms)
        )
        or checksums.detect(distinct.slice(0, checksums.LOOKED_AT).to_pylist(), ["iban"]) is not None
    )


def numbered_alike(cells: pa.Array | pa.ChunkedArray) -> bool:
    """Whether whole numbers have as many digits each, and many, as telephone and insurance numbers do.

    >>> numbered_alike(pa.array([4366012345, 4366054321])), numbered_alike(pa.array([1_200, 98_000]))
    (True, False)
    """
    if is_text(cells.type):
        ends = pc.min_max(pc.utf8_length(cells)).as_py()
    else:
        ends = {end: None if number is None else len(str(number)) for end, number in pc.min_max(cells).as_py().items()}
    return ends["min"] is not None and bool(ends["min"] == ends["max"] >= DIGITS_OF_A_NUMBER)


def part_alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two columns of many values, (n,) int64 as :func:`~lookalike.schema.values.numbered` counts them, part the rows in nearly the
    same way: two persons may have one name, and cells may be missing.

    >>> people, houses = np.arange(600) % 150 + 1, np.arange(600) % 110 + 1
    >>> part_alike(people, 151 - people), part_alike(people, houses)
    (True, False)
    """
    least, most = sorted(int(places.max(initial=0)) for places in (first, second))
    if least < max(MANY_IDENTITIES, ALIKE_SHARE * most):
        return False
    pairs = np.unique((first * (most + 1) + second)[(first > 0) & (second > 0)])
    return bool(len(pairs) <= most / ALIKE_SHARE)


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


def key_of_numbers(
    base: dict[str, str], numbers: np.ndarray, distinct: int, *, rows: int, present: int
) -> ColumnSpec | None:
    """Return the spec of ``distinct`` numbers that name rows, or tell whose they are; None where they do not. Of ``rows`` cells so many are
    ``present``; of floats those that are whole may, where some are missing (so pandas keeps whole numbers then) or the name says so.
    """
    name = base["name"]
    if numbers.dtype.kind == "f" and (np.any(numbers % 1) or (present == rows and not named_like_a_key(name))):
        return None
    if distinct == rows and is_integer_key(name, numbers, distinct):
        return ColumnSpec(**base, kind="key")
    return repeated_key(base, distinct, present) if identifies(name, distinct, present) else None


def with_their_keys(schema: Schema, table: pa.Table, fixed: Collection[str]) -> Schema:
    """The schema in which texts and long numbers that part the rows as a key of several rows each does are keys, too, but for those that
    are ``fixed``: they name the same persons, whose real names would come back. Where there is no such key, that two columns name the same
    is said."""
    names = {
        spec.name: places
        for spec in schema
        if spec.name not in fixed
        and _may_name(spec, table.column(spec.name))
        and _few_rows_each(places := _placed(table, spec.name))
    }
    if not names:
        return schema
    keys = {spec.name: _placed(table, spec.name) for spec in schema if spec.kind == "key" and spec.repeated}
    if not keys:
        _tell_of_names(names, schema, table)
    for name, places in names.items():
        key = next((key for key, theirs in keys.items() if part_alike(places, theirs)), None)
        if key is not None:
            base = {"name": name, "storage": schema[name].storage}
            spec = repeated_key(base, int(places.max()), table.num_rows, of=key)
            schema = Schema([spec if one.name == name else one for one in schema], schema.constraints)
    return schema


def with_references(schema: Schema, table: pa.Table, fixed: Collection[str]) -> Schema:
    """The schema in which columns that take the values of a key of the same table (a manager's number, of the employees') refer to it,
    but for those that are ``fixed``."""
    for key in schema:
        if key.kind != "key" or key.repeated or key.refers is not None:
            continue
        own = table.column(key.name)
        for spec in schema:
            if (
                spec.name not in {key.name, *fixed}
                and is_text(arrow_type(spec.storage)) == is_text(arrow_type(key.storage))
                and spec.role is None
                and spec.refers is None
                and _takes_of(spec, table.column(spec.name), own)
            ):
                if spec.kind != "key":
                    warnings.warn(
                        f"column {spec.name!r} takes values of {key.name!r}: it is taken for a key, and made rows refer to made ones. To have the "
                        "real ones back, declare another kind in the schema.",
                        LookalikeWarning,
                        stacklevel=3,
                    )
                several = repeats(table.column(spec.name))
                found = ColumnSpec(name=spec.name, storage=spec.storage, kind="key", repeated=several, refers=key.name)
                schema = Schema([found if one.name == spec.name else one for one in schema], schema.constraints)
    return schema


def _takes_of(spec: ColumnSpec, cells: pa.ChunkedArray, keys: pa.ChunkedArray) -> bool:
    """Whether cells are keys of other rows, and not by chance."""
    kept = arrow_type(spec.storage)
    if spec.kind not in ("key", "category", "integer", "float") or not (
        is_text(kept) or pa.types.is_integer(kept) or pa.types.is_floating(kept)
    ):
        return False
    distinct = pc.unique(widen(cells.combine_chunks())).drop_null()
    keys = widen(keys.combine_chunks()).cast(
        distinct.type, safe=False
    )  # pandas keeps whole numbers with gaps as floats
    if len(distinct) < 2 or len(cells) - cells.null_count < KEY_ROWS or len(distinct) == len(cells):
        return False
    if not REFERS.search(spec.name) and not (
        is_text(distinct.type) and pc.all(pc.match_substring_regex(distinct, r"\D")).as_py()
    ):
        return False
    return bool(pc.sum(pc.is_in(distinct, keys)).as_py() >= REFERRED * len(distinct))


def _may_name(spec: ColumnSpec, column: pa.ChunkedArray) -> bool:
    if spec.kind == "integer" and not spec.dressed and not pa.types.is_temporal(column.type):
        return numbered_alike(column)
    return spec.kind == "category" and is_text(column.type)


def _placed(table: pa.Table, name: str) -> np.ndarray:
    return numbered(widen(table.column(name).combine_chunks()))


def _few_rows_each(places: np.ndarray) -> bool:
    """Whether there are many different values, of several rows each, but few."""
    distinct = int(places.max(initial=0))
    return distinct >= MANY_IDENTITIES and SEVERAL_ROWS_EACH <= len(places) / distinct <= FEW_ROWS_EACH


def _tell_of_names(names: Mapping[str, np.ndarray], schema: Schema, table: pa.Table) -> None:
    """Warn of a column that names what another one names, too."""
    for other in schema.modelled:
        theirs = names[other.name] if other.name in names else _placed(table, other.name)
        for name, ours in names.items():
            if name != other.name and part_alike(ours, theirs):
                warnings.warn(
                    f"columns {name!r} and {other.name!r} name the same, with {len(ours) / ours.max():.1f} rows each: real ones come back, and "
                    f"together. If they are persons, make one of them a key ({flag('key', name)}).",
                    LookalikeWarning,
                    stacklevel=4,
                )
                return


def repeats(cells: pa.Array | pa.ChunkedArray) -> bool:
    """Whether any value stands in several cells.

    >>> repeats(pa.array(["a", "b", None, None])), repeats(pa.array(["a", "b", "a"]))
    (False, True)
    """
    return bool(pc.count_distinct(widen(cells)).as_py() < len(cells) - cells.null_count)
