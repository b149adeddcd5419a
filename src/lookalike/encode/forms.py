"""What the texts of a key have in common: their forms, as regular expressions that no two of match one text.

A form is read off runs of letters and digits. A run that takes few values keeps them (a country's code, a year, a mail's domain); of another
the places do what they do in real keys (a customer's number that begins with 1, the digits and six letters of a checksum), as far as
enough keys say so. What few keys have is in no form, because it tells about them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lookalike.encode.pattern import from_regex
from lookalike.schema.identity import IPV4, OCTET
from lookalike.stats import FEW_PEOPLE

MOST_FORMS = 200
FEW_VALUES, COVERED = 8, 0.95
"""A run of so many values at most, in so large a share of the texts, takes one of them."""
TEXTS_A_CHARACTER = 16
"""Texts for each character that might stand somewhere, from which those that do not are known."""
SPARE = 16
"""Texts that a form must have for each real one; one of fewer is taken more widely."""
COMMON = 0.5
"""Share of the texts that forms must cover for the others to be left out."""
READ = 50_000
"""Texts that forms are read off, at most."""
CLASSES = {"d": "0123456789", "l": "abcdefghijklmnopqrstuvwxyz", "u": "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
DOTTED = re.compile(r"\d+(\.\d+){3}")
SHARES = (0.25, 0.5, 0.75)
"""Of runs of several lengths, the quantiles that are made."""


def learn(texts: Sequence[str], *, fewest: int = FEW_PEOPLE) -> tuple[list[str], list[int]]:
    """Learn the forms of different ``texts``: (regular expressions, how many texts have each), the most frequent first.

    Forms of fewer than ``fewest`` texts are left out.

    >>> learn([f"CUST-{number:04}" for number in range(50)])
    (['CUST\\\\-[0-9]{4}'], [50])
    >>> numbers = [7_919 * number % 900_000 for number in range(900)]
    >>> learn([f"{country} 07{number + 100_000}" for country in ("AT", "DE") for number in numbers])[0]
    ['AT\\\\ 07[1-9][0-9]{5}', 'DE\\\\ 07[1-9][0-9]{5}']
    """
    texts = texts[:: -(-len(texts) // READ)]
    reader = _Reader(_alphabets(texts, fewest), _prefix(texts) if len(texts) >= fewest else "", fewest)
    addresses = {"o.o.o.o": [re.split(r"(\.)", text) for text in texts if re.fullmatch(IPV4, text)]}
    others = [text for text in texts if not re.fullmatch(IPV4, text)]
    if len(addresses["o.o.o.o"]) >= fewest and not any(map(DOTTED.fullmatch, others)):
        found = replace(reader, prefix="").read(addresses, loose=False)
        if len(others) >= fewest:
            found = [*found, *zip(*learn(others, fewest=fewest), strict=True)]
    else:
        found = reader.read_somehow(texts)
    found = sorted(found, key=lambda form: -form[1])[:MOST_FORMS] or [(_broadest(texts), len(texts))]
    return [form for form, _ in found], [count for _, count in found]


Runs = list[str]
"""A text, cut where letters, digits and marks change."""


@dataclass(frozen=True)
class _Reader:
    """Reads forms off texts in which letters and digits are of some ``alphabets``, and which share a ``prefix``."""

    alphabets: dict[str, str]
    prefix: str
    fewest: int

    def grouped(self, texts: Sequence[str], *, mixed: bool) -> dict[str, list[Runs]]:
        """The runs of the texts by the kinds of their runs; ``mixed``: letters and digits are one kind."""
        kinds, cuts, found = _Kinds(mixed), dict[str, list[tuple[str, int, int]]](), defaultdict[str, list[Runs]](list)
        for text in texts:
            text = text[len(self.prefix) :]
            shape = text.translate(kinds)
            if shape not in cuts:
                cuts[shape] = _cut(shape)
            found["".join(kind for kind, _, _ in cuts[shape])].append([text[a:b] for _, a, b in cuts[shape]])
        return found

    def read_somehow(self, texts: Sequence[str]) -> list[tuple[str, int]]:
        """The forms of the first way that finds them for most texts: letters and digits mixed where they are too many apart (checksums), runs of
        several lengths where none is common (mail), which lose how these go together."""
        best: list[tuple[str, int]] = []
        for loose, mixed in itertools.product((False, True), (False, True)):
            found = self.read(self.grouped(texts, mixed=mixed), loose=loose)
            if sum(count for _, count in found) > max(sum(count for _, count in best), 0):
                best = found
            if sum(count for _, count in found) >= COMMON * len(texts):
                break
        return best

    def read(self, groups: dict[str, list[Runs]], *, loose: bool) -> list[tuple[str, int]]:
        """The forms of each group of texts, and how many texts have each; ``loose``: of as many runs, of other lengths."""
        return [
            (re.escape(self.prefix) + form, count)
            for kinds, texts in groups.items()
            if len(texts) >= self.fewest or len(groups) == 1
            for form, count in self._forms(kinds, texts, loose)
        ]

    def _forms(self, kinds: str, texts: list[Runs], loose: bool) -> list[tuple[str, int]]:
        """The narrowest forms that have enough texts to spare: places as in real keys, or as the kind allows; then the runs of few values not
        kept any more, those of most values first."""
        columns = list(zip(*texts, strict=True))
        kept = [kind not in self.alphabets or self._takes_few(run) for kind, run in zip(kinds, columns, strict=True)]
        free = [place for place, keeps in enumerate(kept) if keeps and kinds[place] in self.alphabets]
        free.sort(key=lambda place: -len(set(columns[place])))
        forms = self._written(kinds, kept, texts, True, loose)
        while not self._has_enough(forms, len(texts)):
            forms = self._written(kinds, kept, texts, False, loose)
            if self._has_enough(forms, len(texts)) or not free:
                break
            kept[free.pop(0)] = False
        return forms

    @staticmethod
    def _has_enough(forms: list[tuple[str, int]], texts: int) -> bool:
        return sum(from_regex(form, "").capacity for form, _ in forms) >= SPARE * texts

    def _takes_few(self, run: Sequence[str]) -> bool:
        frequent = [count for _, count in Counter(run).most_common(FEW_VALUES) if count >= self.fewest]
        return sum(frequent) >= COVERED * len(run)

    def _written(
        self, kinds: str, kept: list[bool], texts: list[Runs], closely: bool, loose: bool
    ) -> list[tuple[str, int]]:
        """The forms of texts that have enough of them: by the runs they keep and, unless ``loose``, how long the others are."""
        groups = defaultdict[tuple[str | int, ...], list[Runs]](list)
        for text in texts:
            groups[
                tuple(run if keeps else len(run) for run, keeps in zip(text, kept, strict=True) if keeps or not loose)
            ].append(text)
        common = [group for group in groups.values() if len(group) >= self.fewest or len(groups) == 1]
        found: Counter[str] = Counter()
        for group in common:
            columns = list(zip(*group, strict=True))
            lengths = [sorted(map(len, run)) for run in columns]
            several = SHARES if any(length[0] < length[-1] for length in lengths) else SHARES[:1]
            for share in several:
                sizes = [length[int(share * len(group))] for length in lengths]
                parts = [
                    re.escape(run[0]) if keeps else self._run(kind, run, size, closely)
                    for kind, keeps, run, size in zip(kinds, kept, columns, sizes, strict=True)
                ]
                found["".join(parts)] += -(-len(group) // len(several))
        return list(found.items())

    def _run(self, kind: str, run: Sequence[str], size: int, closely: bool) -> str:
        if kind == "o":
            return OCTET
        return (
            self._places(kind, run)
            if closely and set(map(len, run)) == {size}
            else _classes([self.alphabets[kind]] * size)
        )

    def _places(self, kind: str, run: Sequence[str]) -> str:
        """What may stand at each place of runs of one length: what stands there in enough of them, where there are enough to know it."""
        alphabet, found = self.alphabets[kind], []
        for place in zip(*run, strict=True):
            counted = Counter(place)
            many = len(run) >= TEXTS_A_CHARACTER * len(alphabet)
            common = "".join(sorted(mark for mark, count in counted.items() if count >= self.fewest))
            found.append(
                common if common and (many or (len(counted) == 1 and len(run) >= TEXTS_A_CHARACTER)) else alphabet
            )
        return _classes(found)


class _Kinds(dict[int, str]):
    """For ``str.translate``: a character's kind, u, l or d (``mixed``: a for any), or the mark it is; looked up once each."""

    def __init__(self, mixed: bool) -> None:
        self.mixed = mixed

    def __missing__(self, place: int) -> str:
        mark = chr(place)
        kind = "d" if mark.isdigit() else "u" if mark.isupper() else "l" if mark.isalpha() else mark
        self[place] = "a" if self.mixed and kind in CLASSES else kind
        return self[place]


def _cut(shape: str) -> list[tuple[str, int, int]]:
    """The kind of each run of a shape, and where it begins and ends."""
    sizes = [(kind, len(list(run))) for kind, run in itertools.groupby(shape)]
    ends = list(itertools.accumulate(size for _, size in sizes))
    return [(kind, end - size, end) for (kind, size), end in zip(sizes, ends, strict=True)]


def _alphabets(texts: Sequence[str], fewest: int) -> dict[str, str]:
    """The characters of each kind, without those that no text has, where there are enough to know."""
    counted = Counter("".join(texts))
    found, any_kind = {"d": CLASSES["d"], "o": ""}, CLASSES["d"]
    for kind in ("u", "l"):
        seen = {mark: count for mark, count in counted.items() if mark in CLASSES[kind]}
        many = sum(seen.values()) >= TEXTS_A_CHARACTER * len(CLASSES[kind])
        common = "".join(sorted(mark for mark, count in seen.items() if count >= fewest))
        found[kind] = common if common and many else CLASSES[kind]
        any_kind += found[kind] if seen else ""
    return found | {"a": any_kind}


def _prefix(texts: Sequence[str]) -> str:
    """What all texts begin with, up to the first digit."""
    first, last = min(texts), max(texts)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(itertools.takewhile(lambda mark: not mark.isdigit(), (mark for mark, _ in same)))


def _classes(places: Iterable[str]) -> str:
    """A regular expression for what may stand at each place."""
    found = []
    for characters, same in itertools.groupby(places):
        count = len(list(same))
        if len(characters) == 1:
            found.append(re.escape(characters) * count)
        else:
            # in a row as far as their numbers less their places are the same
            rows = [
                "".join(mark for _, mark in row)
                for _, row in itertools.groupby(enumerate(characters), key=lambda at: ord(at[1]) - at[0])
            ]
            written = "".join(row if len(row) < 3 else f"{row[0]}-{row[-1]}" for row in rows)
            found.append(f"[{written}]" + (f"{{{count}}}" if count > 1 else ""))
    return "".join(found)


def _broadest(texts: Sequence[str]) -> str:
    """When no form is common: letters and digits, of the usual length."""
    length = sorted(map(len, texts))[len(texts) // 2]
    return f"[a-z0-9]{{{max(length, 1)}}}"
