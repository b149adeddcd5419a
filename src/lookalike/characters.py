"""Characters that a terminal or a page obeys instead of showing them: how they are spelled where a stranger's words are shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable


def _spelled(places: Iterable[int]) -> dict[int, str]:
    return {place: chr(place).encode("unicode_escape").decode() for place in places}


TURNING = _spelled((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Those that turn the direction of what follows; for :meth:`str.translate`, as is the other."""
OBEYED = TURNING | _spelled((*range(32), *range(127, 160)))
"""Control characters, too: colours, titles, the cursor."""


def flag(way: str, column: str) -> str:
    """An option with a column's name, as a cure shows it: it can be pasted into a shell, with all quotes that needs.

    >>> flag("drop", "age"), flag("drop", "Customer ID"), flag("key", "price ($)")
    ('--drop age', '--drop "Customer ID"', "--key 'price ($)'")
    """
    quoted = shlex.quote(column)
    # double quotes are what every shell takes, but some look into them
    plain = quoted == column or re.search(r'["$`!\\]', column)
    return f"--{way} {quoted}" if plain else f'--{way} "{column}"'
