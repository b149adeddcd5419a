"""Texts that follow a pattern, counted: the i-th text of a pattern, so that new keys are unique by construction.

A pattern is a finite tree of alphabets. It is read from a regular expression or learned from texts; ``*`` and ``+``
are cut at a few repetitions, since only finitely many texts can be counted.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lookalike.errors import SchemaError

try:  # type checkers do not know these parts of re
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10 keeps them under their old names
    import sre_constants as constants
    import sre_parse as parser

UNBOUNDED_EXTRA = 8
"""How many repetitions beyond the least stand for "any number of them"."""
CLASSES = {"u": string.ascii_uppercase, "l": string.ascii_lowercase, "d": string.digits}
PRINTABLE = list(map(chr, range(32, 127)))


@dataclass(frozen=True)
class Choice:
    """One of several parts."""

    parts: tuple[Any, ...]

    @cached_property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def pick(self, index: int) -> str:
        for part in self.parts:
            if index < part.size:
                return part.pick(index)
            index -= part.size
        raise IndexError(index)


@dataclass(frozen=True)
class Alphabet:
    """One character out of several."""

    characters: str

    @property
    def size(self) -> int:
        return len(self.characters)

    def pick(self, index: int) -> str:
        return self.characters[index]


@dataclass(frozen=True)
class Sequence:
    """Parts one after the other.

    >>> pattern = Sequence((Alphabet("AB"), Alphabet("01")))
    >>> pattern.size, [pattern.pick(index) for index in range(4)]
    (4, ['A0', 'A1', 'B0', 'B1'])
    """

    parts: tuple[Any, ...]

    @cached_property
    def size(self) -> int:
        product = 1
        for part in self.parts:
            product *= part.size
        return product

    def pick(self, index: int) -> str:
        picked = []
        for part in reversed(self.parts):
            index, here = divmod(index, part.size)
            picked.append(part.pick(here))
        return "".join(reversed(picked))


def from_regex(pattern: str, column: str) -> Sequence:
    """Read a regular expression.

    >>> from_regex("ID-[0-9]{2}", "id").pick(7)
    'ID-07'
    """
    try:
        return _sequence(parser.parse(pattern), column)
    except re.error as error:
        raise SchemaError(f"column {column!r}: its pattern must be a regular expression, however: {error}.") from None


def _sequence(tokens: Any, column: str) -> Sequence:
    return Sequence(tuple(part for token in tokens if (part := _part(token[0], token[1], column)) is not None))


def _part(operation: Any, argument: Any, column: str) -> Any:
    if operation == constants.LITERAL:
        return Alphabet(chr(argument))
    if operation == constants.ANY:
        return Alphabet("".join(PRINTABLE))
    if operation == constants.IN:
        return Alphabet(_characters(argument, column))
    if operation == constants.SUBPATTERN:
        return _sequence(argument[-1], column)
    if operation == constants.BRANCH:
        return Choice(tuple(_sequence(branch, column) for branch in argument[1]))
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        least, most, body = argument
        most = least + UNBOUNDED_EXTRA if most == constants.MAXREPEAT else most
        part = _sequence(body, column)
        return Choice(tuple(Sequence((part,) * count) for count in range(least, most + 1)))
    if operation == constants.AT:
        return None
    raise SchemaError(
        f"column {column!r}: its pattern may use literals, classes, groups, | and repeats, however: it uses {str(operation).lower()}."
    )


def _characters(items: Any, column: str) -> str:
    found: list[str] = []
    negate = False
    categories = {
        constants.CATEGORY_DIGIT: string.digits,
        constants.CATEGORY_WORD: string.ascii_letters + string.digits + "_",
        constants.CATEGORY_SPACE: " ",
    }
    for operation, argument in items:
        if operation == constants.NEGATE:
            negate = True
        elif operation == constants.LITERAL:
            found.append(chr(argument))
        elif operation == constants.RANGE:
            found.extend(map(chr, range(argument[0], argument[1] + 1)))
        elif argument in categories:
            found.extend(categories[argument])
        else:
            raise SchemaError(
                f"column {column!r}: its pattern uses a character class that cannot be counted. Spell it out."
            )
    chosen = [character for character in PRINTABLE if character not in found] if negate else sorted(set(found))
    return "".join(chosen)


# ---------------------------------------------------------------------------------------------------------- learned


def learn(texts: list[str], *, fewest: int = 5, most: int = 200) -> tuple[list[str], list[int]]:
    """Learn the forms of ``texts``: (regular expressions, how many texts have each), the most frequent first.

    A form says for each place whether an upper-case letter, a lower-case letter, a digit or a certain mark stands there.
    Letters are kept as they are only in a prefix that every text shares. Forms of fewer than ``fewest`` texts are left
    out, because a form that few have tells about them.

    >>> learn([f"CUST-{number:04}" for number in range(50)])
    (['CUST\\\\-[0-9]{4}'], [50])
    """
    prefix = re.match(r"[^0-9]*", _common_prefix(texts))
    kept = len(prefix[0]) if prefix and len(texts) >= fewest else 0
    forms = Counter(_form(text, kept) for text in texts)
    common = [(form, count) for form, count in forms.most_common(most) if count >= fewest]
    if not common:
        common = forms.most_common(1) if len(forms) == 1 else [(_broadest(texts), len(texts))]
    return [form for form, _ in common], [count for _, count in common]


def _common_prefix(texts: list[str]) -> str:
    first, last = min(texts), max(texts)
    length = next(
        (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:length]


def _form(text: str, kept: int) -> str:
    runs: list[tuple[str, int]] = []
    for character in text[kept:]:
        kind = "d" if character.isdigit() else "u" if character.isupper() else "l" if character.isalpha() else character
        runs.append((kind, runs.pop()[1] + 1) if runs and runs[-1][0] == kind and kind in CLASSES else (kind, 1))
    written = {"u": "[A-Z]", "l": "[a-z]", "d": "[0-9]"}
    return re.escape(text[:kept]) + "".join(
        f"{written[kind]}{{{count}}}" if kind in written else re.escape(kind) for kind, count in runs
    )


def _broadest(texts: list[str]) -> str:
    """When no form is common: letters and digits, of the usual length."""
    length = sorted(map(len, texts))[len(texts) // 2]
    return f"[a-z0-9]{{{max(length, 1)}}}"
