"""Room 2: what a table looks like, without a value of it; and the form in which columns travel on."""

from lookalike.schema.column import ColumnSpec, Schema
from lookalike.schema.encoded import EncodedColumn, EncodedTable
from lookalike.schema.values import Values, parse, spell

__all__ = ["ColumnSpec", "EncodedColumn", "EncodedTable", "Schema", "Values", "parse", "spell"]
