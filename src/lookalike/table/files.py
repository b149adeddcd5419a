"""CSV and Parquet in and out, to the letter, and batch by batch."""

from __future__ import annotations

import codecs
import csv
import difflib
import re
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from lookalike.artefact import replacing
from lookalike.errors import InputError, LookalikeWarning, SettingsError
from lookalike.schema.values import without_missing_text
from lookalike.table.base import Origin, Table, check_names, plain_origin, to_arrow, without_views

ADDRESS = r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}"
NUMBER = r"[+-]?\d+(?:[.,]\d+)?"
DATE = r"^\d{4}-\d{2}-\d{2}"
LOOKED_INTO = 2**16
"""Bytes of a CSV that tell how it is written."""
LOOKED_AT = 1_000
"""Cells below a name that tell whether it is one."""
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def read_file(path: Path) -> Table:
    if not path.exists():
        raise InputError(f"the table must exist, however: there is no file {path}. {_meant(path)}")
    _check_name(path)
    suffix = path.suffix.lower()
    if not path.is_file() and not path.is_dir():
        raise InputError(
            f"a table is a file, which is read more than once, however: {path} is a pipe or a device. Write it to a file first."
        )
    if path.is_dir() and suffix not in PARQUET_SUFFIXES:  # Parquet in parts is a folder
        raise InputError(f"a table is a file, however: {path} is a folder. Name a file in it.")
    if suffix in PARQUET_SUFFIXES:
        try:
            data = parquet.read_table(path)
            check_names(data.column_names)
        # the latter two: damaged types and names
        except (pa.ArrowInvalid, OSError, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path.name} cannot be read as Parquet ({type(error).__name__}). Write it again."
            ) from None
        return Table(without_views(data.replace_schema_metadata(None)), plain_origin("parquet", data))
    if suffix in CSV_SUFFIXES:
        return _read_csv(path)
    cure = "Unpack it first" if suffix in PACKED else "Save it as one of them (a spreadsheet as CSV, UTF-8)"
    raise InputError(
        f"a table file ends in {', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}, however: this is {path.name}. {cure}."
    )


def _check_name(path: Path) -> None:
    """Raise unless Arrow can name the file: names that come from an archive or a disk of another system may be no text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"a file's name must be text in UTF-8, however: that of {path} is not. Rename it, or its folder."
        ) from None


def _meant(path: Path) -> str:
    """What to do about a file that is not there: there may be one of nearly that name beside it."""
    beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    meant = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.8)
    return f"Did you mean {path.with_name(meant[0])}?" if meant else "Check its name and its folder."


def _read_csv(path: Path) -> Table:
    """Every cell is read as text: an empty field is missing, a quoted empty one is an empty text, and nothing is guessed here."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter, names = _header(file, path)
    except UnicodeDecodeError:
        raise InputError(f"a CSV file must be UTF-8, however: {path.name} is not. Save it as UTF-8.") from None
    except csv.Error:  # a quote that is never closed: all of the file would be one name
        raise InputError(
            f"a CSV file begins with its columns' names, however: {path.name} has a broken quote there. Mend it."
        ) from None
    _check_header(names, path)
    check_names(names)
    try:
        data = arrow_csv.read_csv(
            path,
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=len(names) > 1
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
    except UnicodeDecodeError:
        raise InputError(f"a CSV file must be UTF-8, however: {path.name} is not. Save it as UTF-8.") from None
    except pa.ArrowInvalid:  # whose words hold the line itself
        raise _broken(path, len(names), _fault(path, delimiter, len(names)) or "its quoting is broken") from None
    if _may_end_in_quotes(path, data) and (fault := _fault(path, delimiter, len(names))):
        raise _broken(path, len(names), fault)
    origin = _written(path, plain_origin("csv", data, delimiter))
    if origin.quoted and not any(column.null_count for column in data.columns):  # "" is how it writes a missing cell
        data = pa.table(
            {name: without_missing_text(column, [""]) for name, column in zip(names, data.columns, strict=True)}
        )
        origin = origin.replace(empty='""')
    _warn_of_cells_for_names(data, path)
    return Table(data, origin)


def _written(path: Path, origin: Origin) -> Origin:
    """How a CSV is written beyond its delimiter, as far as its first lines tell."""
    with path.open("rb") as file:
        head = file.read(LOOKED_INTO)
    mark = re.escape(origin.delimiter)
    field = re.compile(rf'("(?:[^"]|"")*"|[^{mark}\r\n]*)({mark}|\r\n|\n|\r|\Z)')
    records: list[list[str]] = [[]]
    ends: list[str] = []
    for found in field.finditer(head.decode("utf-8-sig", "ignore").lstrip("\r\n")):
        records[-1].append(found[1])
        if found[2] != origin.delimiter:
            ends.append(found[2])
            records.append([])
    names, *rows = [record for record in records if len(record) == len(origin.columns)] or [[]]
    cells = [[cell for cell in column if cell] for column in zip(*rows, strict=True)]
    quoted = [bool(column) and all(cell.startswith('"') for cell in column) for column in cells]
    columns = {
        name: column.replace(quoted=always)
        for (name, column), always in zip(origin.columns.items(), quoted or [False] * len(origin.columns), strict=True)
    }
    return origin.replace(
        columns=columns,
        line_end=ends[0] if ends and ends[0] else "\n",
        mark=head.startswith(codecs.BOM_UTF8),
        quoted=bool(names) and all(name.startswith('"') for name in names),
    )


def _header(file: TextIO, path: Path) -> tuple[str, list[str]]:
    """The delimiter and the names: the first record that is not empty, which may reach over several lines and be of any length."""
    found: dict[str, list[str]] = {}
    for delimiter in ("\t",) if path.suffix.lower() == ".tsv" else (",", ";", "\t", "|"):
        file.seek(0)
        found[delimiter] = next((record for record in csv.reader(file, delimiter=delimiter) if any(record)), [])
    delimiter = max(found, key=lambda delimiter: len(found[delimiter]))
    if not found[delimiter]:
        raise InputError(f"a table needs at least one column, however: {path.name} is empty.")
    return delimiter, found[delimiter]


def _check_header(names: list[str], path: Path) -> None:
    """A person's address is no column's name; no name is told, since it may be someone's."""
    if any(re.fullmatch(ADDRESS, name.strip()) for name in names):
        raise InputError(
            f"a CSV file begins with a line of its columns' names, however: in {path.name} that line holds an e-mail address, as rows do. "
            "Put a line of names before it."
        )


def _warn_of_cells_for_names(data: pa.Table, path: Path) -> None:
    """Say that the first row may have been taken for names: numbers above columns of numbers (but for years and mere places), dates above
    dates, words that stand below themselves."""
    below = {name: data[name].slice(0, LOOKED_AT) for name in data.column_names}
    numbers = [name for name in below if re.fullmatch(NUMBER, name.strip())]
    whole = [int(name) for name in numbers if name.strip().isdigit()]
    places = sorted(whole) == list(range(min(whole, default=0), max(whole, default=-1) + 1))
    years = all(1800 <= number < 2200 for number in whole)
    if len(whole) == len(numbers) and (places or years):
        numbers = []
    dates = [name for name in below if re.match(DATE, name.strip())]
    alike = sum(_all_are(below[name], f"^{NUMBER}$") for name in numbers) + sum(
        _all_are(below[name], DATE) for name in dates
    )
    words = [name for name in below if len(name) > 1 and not re.fullmatch(NUMBER, name.strip())]
    if not any(
        _all_are(below[name], f"^{NUMBER}$") for name in words
    ):  # a word above numbers is a name: so is one that is a label, too
        alike += sum(pc.any(pc.equal(below[name], name)).as_py() is True for name in words)
    if alike:
        warnings.warn(
            f"the first line of a CSV is taken for its columns' names, however: {alike} of the names in {path.name} are like the cells below "
            "them. If the file has no names, put a line of them first: else the first row comes back as names.",
            LookalikeWarning,
            stacklevel=2,
        )


def _all_are(cells: pa.ChunkedArray, form: str) -> bool:
    return pc.all(pc.match_substring_regex(cells, form)).as_py() is True


def _may_end_in_quotes(path: Path, data: pa.Table) -> bool:
    """Whether a quote may be opened and never closed: Arrow takes all lines after it for one cell."""
    last = data.slice(max(data.num_rows - 1, 0)).to_pylist()
    if not any("\n" in cell for row in last for cell in row.values() if cell is not None):
        return False
    with path.open("rb") as file:
        return sum(part.count(b'"') for part in iter(lambda: file.read(2**20), b"")) % 2 == 1


def _broken(path: Path, fields: int, fault: str) -> InputError:
    return InputError(f"every line of a CSV must have {fields} fields, however: in {path.name} {fault}. Mend it.")


def _fault(path: Path, delimiter: str, fields: int) -> str | None:
    """What is wrong with a file that is no table, and in which line; None where nothing is."""
    begins = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for record in lines:
                if record and len(record) != fields:
                    return f"line {begins} has {len(record)}"
                begins = lines.line_num + 1
        except csv.Error:
            return f"a quote that is opened in line {begins} is not closed as it should be"
    return None


class TableWriter:
    """Write batches of rows to one CSV or Parquet file; the file appears under its name only when all of it is there. What keeps it from
    being written is an OutputError.

    Parameters
    ----------
    path
        Where to; its suffix says which format.
    origin
        What the rows came from: a CSV keeps its delimiter, its line ends, its quotes and its byte order mark.
    escape_formulas
        CSV only: put ' before text that a spreadsheet would run as a formula (leading = + - @), a column's name included.
    """

    def __init__(self, path: Path, origin: Origin, *, escape_formulas: bool = False) -> None:
        self.path, self.origin, self.escape_formulas = path, origin, escape_formulas
        self.is_parquet = path.suffix.lower() in PARQUET_SUFFIXES
        self.delimiter = "\t" if path.suffix.lower() == ".tsv" else origin.delimiter
        check_suffix(path, escape_formulas=escape_formulas)
        self._open = ExitStack()
        self._parquet: parquet.ParquetWriter | None = None
        self._text: TextIO | None = None

    def __enter__(self) -> TableWriter:
        self._temporary = self._open.enter_context(replacing(self.path))
        return self

    def write(self, table: Table) -> None:
        data = to_arrow(table)
        if self.is_parquet:
            if self._parquet is None:
                self._parquet = self._open.enter_context(parquet.ParquetWriter(self._temporary, data.schema))
            self._parquet.write_table(data)
            return
        if self._text is None:
            encoding = "utf-8-sig" if self.origin.mark else "utf-8"
            self._text = self._open.enter_context(self._temporary.open("w", encoding=encoding, newline=""))
            padded = self.origin.container != "csv"
            names = pa.array(data.column_names)
            names = _quote(
                escaped(names) if self.escape_formulas else names, self.delimiter, self.origin.quoted, padded
            )
            self._text.write(self.delimiter.join(names.to_pylist()) + self.origin.line_end)
        if data.num_rows:
            lines = csv_lines(data, self.delimiter, self.escape_formulas, self.origin).to_pylist()
            self._text.write(self.origin.line_end.join(lines) + self.origin.line_end)

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self._open.__exit__(kind, *rest)


def check_suffix(path: Path, *, escape_formulas: bool = False) -> None:
    """Raise unless ``path`` says CSV or Parquet, and CSV where formulas are to be escaped."""
    if escape_formulas and path.suffix.lower() in PARQUET_SUFFIXES:
        raise SettingsError(
            f"formulas are escaped in CSV, which spreadsheets open, however: --out {path.name}. Leave --escape-formulas out."
        )
    _check_name(path)
    if path.suffix.lower() not in (*CSV_SUFFIXES, *PARQUET_SUFFIXES):
        raise SettingsError(
            f"a table file ends in {', '.join((*CSV_SUFFIXES, *PARQUET_SUFFIXES))}, however: --out {path.name}."
        )


def write_table(table: Table, path: str | Path, *, escape_formulas: bool = False) -> None:
    """Write the whole table to one CSV or Parquet file."""
    with TableWriter(Path(path), table.origin, escape_formulas=escape_formulas) as writer:
        writer.write(table)


def csv_lines(data: pa.Table, delimiter: str, escape_formulas: bool = False, origin: Origin | None = None) -> pa.Array:
    """(n,) CSV lines: missing is an empty field, an empty text is quoted, and text is quoted only where it must be, unless it was otherwise
    where the rows came from.

    >>> csv_lines(pa.table({"a": ["x", "", None], "b": [1, 2, None]}), ",").to_pylist()
    ['x,1', '"",2', ',']
    """
    fields = []
    always = set() if origin is None else {name for name, column in origin.columns.items() if column.quoted}
    padded = origin is None or origin.container != "csv"  # a CSV has quoted blanks all along, or never
    for name, column in zip(data.column_names, data.columns, strict=True):
        array = column.combine_chunks()
        text = pa.types.is_dictionary(array.type) or array.type in (pa.string(), pa.large_string(), pa.string_view())
        cells = array.cast(pa.string())
        if text and escape_formulas:
            cells = escaped(cells)
        cells = _quote(cells, delimiter, name in always, padded) if text else cells
        fields.append(pc.fill_null(cells, "" if origin is None else origin.empty))
    return pc.binary_join_element_wise(*fields, delimiter)


def escaped(cells: pa.Array) -> pa.Array:
    """Text with ' before what a spreadsheet would run.

    >>> escaped(pa.array(["=1+2", "-1", None])).to_pylist()
    ["'=1+2", '-1', None]
    """
    return pc.if_else(starts_formula(cells), pc.binary_join_element_wise("'", cells, ""), cells)


def starts_formula(cells: pa.Array) -> pa.Array:
    """Whether a spreadsheet would run the text: it starts with = + - @ and is not a plain number."""
    number = pc.match_substring_regex(cells, r"^[+-]?[\d.,]+([eE][+-]?\d+)?$")
    return pc.and_(pc.match_substring_regex(cells, r"^[=+\-@\t\r]"), pc.invert(number))


def _quote(cells: pa.Array, delimiter: str, always: bool, padded: bool) -> pa.Array:
    """Text as CSV fields, quoted where it must be or ``always``; ``padded``: also where it begins or ends with a blank."""
    must = pc.match_substring_regex(cells, f'["\\r\\n{delimiter}]|^$' + ("|^ | $" if padded else ""))
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', "")
    return quoted if always else pc.if_else(must, quoted, cells)
