"""Texts that follow a pattern, counted: the i-th text of a pattern, so that new keys are unique by construction.

A pattern is a finite tree of alphabets, read from a regular expression; ``*`` and ``+`` are cut at a few
repetitions, since only finitely many texts can be counted.
"""

from __future__ import annotations

import itertools
import math
import re
import string
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lookalike.errors import SchemaError
from lookalike.rng import scattered

# The standard library's own reader of regular expressions: typeshed leaves it out because its name starts with an
# underscore, hence the ignores. Another reader would not agree with `re` on what a pattern means.
try:
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10 keeps them under their old names
    import sre_constants as constants
    import sre_parse as parser

UNBOUNDED_EXTRA = 8
"""How many repetitions beyond the least stand for "any number of them"."""
MOST_PLACES = 10**6
"""Places for characters that a pattern may have, over all of its choices: (a{0,99}){0,99} has as many as a page could not tell."""
PRINTABLE = list(map(chr, range(32, 127)))


WIDEST = 2**62
"""Texts are told apart by an index below this, even where a pattern has more of them."""


@dataclass(frozen=True)
class Alphabet:
    """One character out of several.

    ``pick`` of this and of the other parts takes (n,) int64 indices in [0, capacity) and returns (n,) texts, all different
    where the indices are.
    """

    characters: str

    places = 1
    """Places for characters, over all choices."""

    @property
    def size(self) -> int:
        return len(self.characters)

    @property
    def capacity(self) -> int:
        return self.size

    def pick(self, indices: np.ndarray) -> np.ndarray:
        return np.array(list(self.characters))[indices]


@dataclass(frozen=True)
class Choice:
    """One of several parts."""

    parts: tuple[Any, ...]

    @cached_property
    def places(self) -> int:
        return sum(part.places for part in self.parts)

    @cached_property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def capacity(self) -> int:
        return min(sum(part.capacity for part in self.parts), WIDEST)

    def pick(self, indices: np.ndarray) -> np.ndarray:
        ends = np.cumsum([part.capacity for part in self.parts], dtype=object).clip(max=WIDEST).astype(np.int64)
        which = np.searchsorted(ends, indices, side="right")
        picked = np.zeros(len(indices), object)
        for place, part in enumerate(self.parts):
            mine = which == place
            picked[mine] = part.pick(indices[mine] - (ends[place - 1] if place else 0))
        return picked.astype(str)


@dataclass(frozen=True)
class Sequence:
    """Parts one after the other. Where there are more texts than indices, leading parts are drawn by a hash of the index.

    >>> pattern = Sequence((Alphabet("AB"), Alphabet("01")))
    >>> pattern.size, pattern.pick(np.arange(4)).tolist()
    (4, ['A0', 'A1', 'B0', 'B1'])
    """

    parts: tuple[Any, ...]

    @cached_property
    def places(self) -> int:
        return sum(part.places for part in self.parts)

    @cached_property
    def size(self) -> int:
        return math.prod(part.size for part in self.parts)

    @cached_property
    def shares(self) -> list[int]:
        """How many texts of each part an index has room to tell apart, from the last part on."""
        shares, taken = [], 1
        for part in reversed(self.parts):
            shares.append(min(part.capacity, WIDEST // taken))
            taken *= shares[-1]
        return shares

    @property
    def capacity(self) -> int:
        return math.prod(self.shares)

    def pick(self, indices: np.ndarray) -> np.ndarray:
        picked, left = [], indices
        for place, (part, share) in enumerate(zip(reversed(self.parts), self.shares, strict=True)):
            left, here = np.divmod(left, share)
            if part.capacity // share > 1:
                drawn = mix(indices.astype(np.uint64), place) % np.uint64(part.capacity // share)
                here = here + share * drawn.astype(np.int64)
            picked.append(part.pick(here))
        return _join(picked[::-1], len(indices))


def mix(numbers: np.ndarray, salt: int) -> np.ndarray:
    """(n,) uint64 → (n,) uint64 that look random, others for each ``salt``: a step of splitmix64."""
    return scattered(numbers + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF))


def _join(columns: list[np.ndarray], rows: int) -> np.ndarray:
    """Texts side by side; runs of single characters by laying them out in memory, as adding texts takes longer."""
    joined: Any = np.zeros(rows, "U1")
    for single, run in itertools.groupby(columns, key=lambda column: column.dtype == np.dtype("U1")):
        group = list(run)
        parts = [np.stack(group, axis=1).view(f"U{len(group)}")[:, 0]] if single else group
        for part in parts:
            joined = np.char.add(joined, part)
    return np.asarray(joined)


def from_regex(pattern: str, column: str) -> Sequence:
    """Read a regular expression.

    Raises
    ------
    SchemaError
        It is none, uses what cannot be counted, or has more than :data:`MOST_PLACES`.

    >>> from_regex("ID-[0-9]{2}", "id").pick(np.array([7])).tolist()
    ['ID-07']
    """
    try:
        return _sequence(parser.parse(pattern), column)
    except (
        re.error,
        OverflowError,
        RecursionError,
    ) as error:  # also repeats beyond 2^32, and groups in groups in groups
        raise SchemaError(f"column {column!r}: its pattern must be a regular expression, however: {error}.") from None


def _sequence(tokens: Any, column: str) -> Sequence:
    parts = [part for token in tokens if (part := _part(token[0], token[1], column)) is not None]
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Sequence) else [part])]
    sequence = Sequence(tuple(flat))
    _check_places(sequence.places, column)
    return sequence


def _check_places(places: int, column: str) -> None:
    if places > MOST_PLACES:
        raise SchemaError(
            f"column {column!r}: its pattern may have {MOST_PLACES:,} places for characters over all its repeats, however: it has more. "
            "Lower the repeats."
        )


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
        _check_places(max(part.places, 1) * (least + most) * (most - least + 1) // 2, column)  # before they are made
        repeats = [Sequence(part.parts * count) for count in range(least, most + 1)]
        return repeats[0] if len(repeats) == 1 else Choice(tuple(repeats))
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
    if not chosen:
        raise SchemaError(
            f"column {column!r}: its pattern must have characters to choose from, however: a class in it holds none. Correct it."
        )
    return "".join(chosen)
