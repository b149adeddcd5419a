"""New keys, one after the other: unique by construction, in the form of the old ones, and never one of them (but for numbers without gaps,
which are counted from the start as theirs are, and say nothing).

A key of several rows each (a patient's, a customer's) is given to as many rows as real ones are, which rows is chance.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lookalike.encode import pattern
from lookalike.errors import LookalikeWarning, SamplingError
from lookalike.rng import derive_seed, generator
from lookalike.schema import checksums
from lookalike.schema.types import is_text

if TYPE_CHECKING:
    from lookalike.encode.key import KeyEncoder

BLOCK = 65_536
"""Keys made or marked at once."""


class KeyStream:
    """Keys one after the other: each form counts through its texts in a shuffled order, so none comes twice."""

    def __init__(self, encoder: KeyEncoder, seed: int) -> None:
        self.encoder = encoder
        self.referring = generator(seed, "referring")
        self.rng, self.gaps = (np.random.default_rng(part) for part in (seed, derive_seed(seed, "missing")))
        if encoder.is_number:
            self.sizes = [min(encoder.high - encoder.low, pattern.WIDEST)]
            self.weights: np.ndarray = np.ones(1)
        else:
            self.forms = list(encoder.forms)
            self.patterns = [pattern.from_regex(form, encoder.spec.name) for form in self.forms]
            self.sizes = [tree.capacity for tree in self.patterns]
            self.weights = np.asarray(encoder.weights, float) / sum(encoder.weights)
        self.seeds = [derive_seed(seed, "form", place) for place in range(len(self.sizes))]
        self.used = [0] * len(self.sizes)
        self.waiting: np.ndarray = np.zeros(0, object)
        """Repeated keys that no row has taken yet."""

    def take(self, rows: int) -> pa.Array:
        """Give ``rows`` more keys, in the column's own type, some missing where real ones are.

        Raises
        ------
        SamplingError
            The form has no more texts to give.
        """
        there = self._there(rows)
        count = int(there.sum())
        return self._cells(self._repeated(count) if self.encoder.times else self._new(count), there)

    def distinct(self, count: int) -> pa.Array:
        """Give so many keys that were not given before, none of them missing."""
        return self._cells(self._new(count), np.ones(count, bool))

    def shared(self, entities: np.ndarray, parts: np.ndarray) -> pa.Array:
        """Give (n,) rows the keys of the entities that they belong to, each a new one; missing, if so, in all rows of a part."""
        there = self._there(int(parts.max(initial=-1)) + 1)[parts]
        return self._cells(self._new(int(entities.max(initial=-1)) + 1)[entities[there]], there)

    def among(self, keys: pa.Array, count: int) -> pa.Array:
        """Give so many of other rows' ``keys``, none twice unless there are fewer."""
        keys = keys.drop_null()
        places = self.referring.choice(len(keys), count, replace=count > len(keys)) if len(keys) else np.zeros(0, int)
        return keys.take(pa.array(places)) if len(keys) else pa.nulls(count, keys.type)

    @property
    def mean_rows(self) -> float:
        """How many rows a key has on average."""
        shared_by = np.array(self.encoder.shared_by or [1])
        return float(np.array(self.encoder.times or [1]) @ shared_by / shared_by.sum())

    def lengths(self, rows: int) -> np.ndarray:
        """Return how many rows each of the next keys has, in no order, for ``rows`` rows at least."""
        found: list[np.ndarray] = []
        while sum(int(times.sum()) for times in found) < rows:
            times = self._times()
            self.rng.shuffle(times)
            found.append(times)
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _there(self, rows: int) -> np.ndarray:
        return np.asarray(self.gaps.random(rows) >= self.encoder.missing)

    def _cells(self, given: np.ndarray, there: np.ndarray) -> pa.Array:
        """The keys ``given`` to the rows that have one, in the column's own type."""
        keys, storage = np.full(len(there), None), self.encoder.storage
        keys[there] = given
        if self.encoder.is_number and not is_text(storage):
            return pa.array(keys.tolist(), storage)
        keys[there] = np.char.add(keys[there].astype(str), self.encoder.ending)
        return pa.array(keys.tolist(), pa.string()).cast(storage)

    def _repeated(self, rows: int) -> np.ndarray:
        """(rows,) keys, each as often as a real one may be, shuffled over about as many rows as there were real ones."""
        given: list[np.ndarray] = []
        while (wanted := rows - sum(map(len, given))) > 0:
            if not len(self.waiting):
                times = self._times()
                self.waiting = np.repeat(self._new(len(times)), times)
                self.rng.shuffle(self.waiting)
            given.append(self.waiting[:wanted])
            self.waiting = self.waiting[wanted:]
        return np.concatenate(given) if given else self.waiting[:0]

    def _times(self) -> np.ndarray:
        """How many rows each of the next keys has: in the shares that real ones have, for a few rows more than there were real ones."""
        times, shared_by = np.array(self.encoder.times), np.array(self.encoder.shared_by)
        rows, share = min(int(times @ shared_by), BLOCK), shared_by / shared_by.sum()
        count = int(1.02 * rows / (times @ share)) + 1
        places = np.searchsorted(share.cumsum(), (np.arange(count) + self.rng.random()) / count, side="right")
        return times[np.minimum(places, len(times) - 1)]

    def _new(self, rows: int) -> np.ndarray:
        """(rows,) keys that were not given before."""
        forms = self.rng.choice(len(self.sizes), size=rows, p=self.weights)
        keys: np.ndarray = np.zeros(rows, object)
        for form in np.unique(forms):
            mine = np.flatnonzero(forms == form)
            keys[mine] = self._some(int(form), len(mine))
        return keys

    def _some(self, form: int, wanted: int) -> np.ndarray:
        """(wanted,) new keys of one form; a form that is used up hands over to the others."""
        found: list[np.ndarray] = []
        places = [form, *range(len(self.sizes))]
        while wanted and (places or self._may_widen):
            place = places.pop(0) if places else self._widen(wanted)
            while wanted and self.used[place] < self.sizes[place]:
                count = min(2 * wanted + 64, self.sizes[place] - self.used[place], BLOCK)
                keys, new = self._keys(place, self.used[place] + np.arange(count))
                taken = np.flatnonzero(new)[:wanted]
                self.used[place] += int(taken[-1]) + 1 if len(taken) == wanted else count
                found.append(keys[taken])
                wanted -= len(taken)
        if wanted:
            name = self.encoder.spec.name
            raise SamplingError(
                f"keys must be unique and new, however: the form of column {name!r} has no more than {sum(self.used):,} texts, real ones included. "
                "Give it a wider pattern in the schema, or ask for fewer rows."
            )
        return np.concatenate(found)

    @property
    def _may_widen(self) -> bool:
        """Whether keys may be longer than real ones: a learned form may, numbers and a declared one may not."""
        return not self.encoder.is_number and self.encoder.spec.pattern is None

    def _widen(self, wanted: int) -> int:
        """Return the place of one more form, of texts a few digits longer: there are no more of the others."""
        digits, text = len(str(4 * wanted)), str(self.patterns[0].pick(np.zeros(1, np.int64))[0])
        while any(re.fullmatch(form, text + "0" * digits) for form in self.forms):
            digits += 1  # or a key of that form might come twice
        warnings.warn(
            f"new keys have the form of real ones, however: that of column {self.encoder.spec.name!r} has too few texts. Some are {digits} digits longer.",
            LookalikeWarning,
            stacklevel=2,
        )
        self.forms.append(f"{self.forms[0]}[0-9]{{{digits}}}")
        self.patterns.append(pattern.from_regex(self.forms[-1], self.encoder.spec.name))
        self.sizes.append(self.patterns[-1].capacity)
        self.seeds.append(derive_seed(self.seeds[0], "wider", len(self.seeds)))
        self.used.append(0)
        self.weights = np.append(self.weights, 0.0)
        return len(self.sizes) - 1

    def _keys(self, form: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The keys of some indices, and which of them are surely no real ones."""
        if self.encoder.serial:
            return self._checked(indices.astype(object) + self.encoder.low), np.ones(len(indices), bool)
        shuffled = shuffled_indices(indices, self.sizes[form], self.seeds[form])
        if not self.encoder.is_number:
            texts = self._checked(self.patterns[form].pick(shuffled).astype(object))
            return texts, ~self.encoder.marks[self.encoder.buckets(texts.astype(str))]
        numbers = shuffled.astype(object)
        if (wide := (self.encoder.high - self.encoder.low) // pattern.WIDEST) > 1:
            upper = pattern.mix(shuffled.astype(np.uint64), 0).astype(object) % wide
            numbers = numbers + upper * pattern.WIDEST
        numbers = self._checked(numbers + self.encoder.low)
        return numbers, ~self.encoder.marks[self.encoder.buckets(numbers.astype(str))]

    def _checked(self, keys: np.ndarray) -> np.ndarray:
        """(n,) texts or numbers with their checks, where real ones have some."""
        if self.encoder.check is None:
            return keys
        scheme = checksums.SCHEMES[self.encoder.check]
        checked: np.ndarray = np.empty(len(keys), object)
        checked[:] = [type(key)(scheme.complete(str(key))) for key in keys]
        return checked


def shuffled_indices(indices: np.ndarray, size: int, seed: int) -> np.ndarray:
    """(n,) int64 indices → their places in a seeded permutation of ``range(size)``, size ≤ 2⁶², without making it.

    A four-round Feistel network over the next even power of two, walked until it falls inside (Black and Rogaway 2002,
    "Ciphers with arbitrary finite domains", section 3).

    >>> sorted(shuffled_indices(np.arange(10), 10, seed=3).tolist()) == list(range(10))
    True
    """
    half = max((max(size - 1, 1).bit_length() + 1) // 2, 1)
    mask, shift = np.uint64((1 << half) - 1), np.uint64(half)
    places = indices.astype(np.uint64)
    outside = np.arange(len(places))
    while len(outside):
        left, right = places[outside] >> shift, places[outside] & mask
        for turn in range(4):
            left, right = right, left ^ (pattern.mix(right ^ np.uint64(seed), turn) & mask)
        places[outside] = left << shift | right
        outside = outside[places[outside] >= np.uint64(size)]
    return places.astype(np.int64)
