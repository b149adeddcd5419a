"""A look-alike has exactly the real table's columns: the same names in the same order, of the same types."""

from __future__ import annotations

import pyarrow as pa

from lookalike.errors import OutputError


def check_form(made: pa.Table, real: pa.Table) -> None:
    """Raise an OutputError unless ``made`` has the columns of ``real``, in order, each in its type.

    >>> real = pa.table({"age": [1], "town": ["Graz"]})
    >>> check_form(pa.table({"age": [2, 3], "town": ["Linz", "Wien"]}), real)
    >>> check_form(pa.table({"town": ["Linz"], "age": [2]}), real)
    Traceback (most recent call last):
    lookalike.errors.OutputError: a look-alike has the real table's columns in its order, however: the first that differs is 'town' in the place of 'age'. This is a fault of lookalike: please report it.
    """
    fault = "This is a fault of lookalike: please report it."
    if made.column_names != real.column_names:
        longest = max(made.num_columns, real.num_columns)
        mine, theirs = ([*map(repr, side), *["nothing"] * longest] for side in (made.column_names, real.column_names))
        place = next(place for place in range(longest) if mine[place] != theirs[place])
        raise OutputError(
            "a look-alike has the real table's columns in its order, however: the first that differs is "
            f"{mine[place]} in the place of {theirs[place]}. {fault}"
        )
    for field, wanted in zip(made.schema, real.schema, strict=True):
        if field.type != wanted.type:
            raise OutputError(
                f"a look-alike has the real table's types, however: column {field.name!r} is {field.type}, not {wanted.type}. {fault}"
            )
