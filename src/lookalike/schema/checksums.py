"""Numbers that hold a check of themselves: of cards (Luhn), articles and books (EAN), bank accounts (IBAN)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

FEWEST, NEARLY_ALL, LOOKED_AT = 10, 0.95, 1_000
"""So many texts, of which so large a share checks, do not by chance, one in ten each; so many, at most, are looked at."""


@dataclass(frozen=True)
class Scheme:
    """Where the check stands, and what it is.

    Attributes
    ----------
    form
        Its texts, without blanks and hyphens.
    start, end
        The characters of a text that are the check; ``end`` None: up to the last one.
    compute
        A text without its check, nor blanks and hyphens → the check.
    """

    form: re.Pattern[str]
    start: int
    end: int | None
    compute: Callable[[str], str]

    def without(self, text: str) -> str:
        """A text without its check."""
        return text[: self.start] + (text[self.end :] if self.end is not None else "")

    def complete(self, body: str) -> str:
        """A text without its check, with it.

        >>> SCHEMES["luhn"].complete("4111 1111 1111 111"), SCHEMES["iban"].complete("DE370400440532013000")
        ('4111 1111 1111 1111', 'DE89370400440532013000')
        """
        check = self.compute(_bare(body))
        return body + check if self.end is None else body[: self.start] + check + body[self.start :]

    def holds(self, text: str) -> bool:
        return bool(self.form.fullmatch(_bare(text))) and self.complete(self.without(text)) == text


def _bare(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _luhn(body: str) -> str:
    digits = [int(digit) for digit in reversed(body)]
    return str(-sum(sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits)) % 10)


def _ean(body: str) -> str:
    digits = [int(digit) for digit in reversed(body)]
    return str(-sum(3 * digit if place % 2 == 0 else digit for place, digit in enumerate(digits)) % 10)


def _iban(body: str) -> str:
    turned = body[2:] + body[:2] + "00"
    return f"{98 - int(''.join(str(int(mark, 36)) for mark in turned)) % 97:02}"


SCHEMES = {
    "luhn": Scheme(re.compile(r"[0-9]{6,}"), -1, None, _luhn),
    "ean": Scheme(re.compile(r"[0-9]{8}|[0-9]{12,14}"), -1, None, _ean),
    "iban": Scheme(re.compile(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{11,30}"), 2, 4, _iban),
}


def detect(texts: Sequence[str], schemes: Iterable[str] = ()) -> str | None:
    """Name the scheme that nearly all of several different ``texts`` keep, of all or of some; None where there is none.

    >>> cards = [SCHEMES["luhn"].complete(f"4111{number:011}") for number in range(0, 10_000, 7)]
    >>> detect(cards), detect([str(number) for number in range(4111_000_000, 4111_000_050)])
    ('luhn', None)
    """
    if len(texts) < FEWEST:
        return None
    looked_at = texts[:: -(-len(texts) // LOOKED_AT)]
    for name, scheme in ((name, SCHEMES[name]) for name in schemes or SCHEMES):
        if sum(map(scheme.holds, looked_at)) >= NEARLY_ALL * len(looked_at):
            return name
    return None
