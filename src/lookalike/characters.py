"""Characters that a terminal or a page obeys instead of showing them: how they are spelled where a stranger's words are shown."""

from __future__ import annotations

from collections.abc import Iterable


def _spelled(places: Iterable[int]) -> dict[int, str]:
    return {place: chr(place).encode("unicode_escape").decode() for place in places}


TURNING = _spelled((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Those that turn the direction of what follows; for :meth:`str.translate`, as is the other."""
OBEYED = TURNING | _spelled((*range(32), *range(127, 160)))
"""Control characters, too: colours, titles, the cursor."""
