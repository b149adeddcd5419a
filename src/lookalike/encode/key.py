"""Keys are not modelled: new ones are counted out, unique by construction, in the form of the old ones, and never one of them (but for
numbers without gaps, which are counted from the start as theirs are, and say nothing).

A key of several rows each (a patient's, a customer's) is given to as many rows as real ones are, which rows is chance.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.encode import forms, pattern
from lookalike.errors import InputError, LookalikeWarning, SamplingError
from lookalike.rng import derive_seed, generator
from lookalike.schema import ColumnSpec, checksums
from lookalike.schema.types import arrow_type, is_text
from lookalike.schema.values import without_nan
from lookalike.stats import FEW_PEOPLE

BLOCK = 65_536
"""Keys made or marked at once."""
SERIAL_SHARE, GAPLESS_SHARE = 0.1, 0.75
"""Integers that fill more of their range than the former are serial numbers, and new ones are counted: from beyond the old ones, as between
them too few are free, or, where they fill nearly all of it and so say nothing, from the start."""
CROWD = FEW_PEOPLE
"""How many rows a key has is known as the mean of so many keys: nobody is told by having the most."""
UNKNOWN_FORM = "[0-9A-Z]{12}"
WITH_POINT = ".0"
"""How pandas writes whole numbers beside missing cells."""


class KeyEncoder:
    """Learn the form of a key column and make new keys.

    To never give out a real key without keeping the real keys, it keeps one bit for each of about as many hash buckets as there are
    keys. Every real key's bucket is marked, and new keys avoid marked buckets; but about half of all texts that were
    never seen fall into one too, so a mark proves nothing about anyone.

    >>> encoder = KeyEncoder(ColumnSpec(name="id", kind="key"))
    >>> encoder.fit(pa.array([f"C-{number:04}" for number in range(100)]))
    >>> new = encoder.stream(seed=1).take(5)
    >>> len(set(new.to_pylist())), set(new.to_pylist()) & {f"C-{number:04}" for number in range(100)}
    (5, set())
    """

    def __init__(self, spec: ColumnSpec) -> None:
        if spec.pattern is not None:
            pattern.from_regex(spec.pattern, spec.name)  # what cannot be followed is known before training
        self.spec = spec
        self.storage = arrow_type(spec.storage)
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        if not is_text(self.storage) and not any(is_one(self.storage) for is_one in numeric):
            raise InputError(
                f"keys are text or numbers, however: column {spec.name!r} is {spec.storage}. Model it as it is, or drop it (--drop {spec.name})."
            )
        self.marks: np.ndarray = np.zeros(0, bool)
        self.ending = ""
        """``.0`` where text keeps whole numbers so."""
        self.check: str | None = None
        """The scheme of :mod:`lookalike.schema.checksums` that keys keep; their forms and numbers are then those without the check."""
        self.missing = 0.0
        """Share of cells that hold no key."""
        self.unit = 0
        """What the place that new serial numbers are counted from is a multiple of; 0 where that is not beyond the old ones."""
        self.times: list[int] = []
        """How many rows a key may have, ascending; none where every row has a key of its own."""
        self.shared_by: list[int] = []
        """How many real keys have so many rows each."""

    def fit(self, keys: pa.Array) -> None:
        keys = without_nan(keys.cast(self.storage))
        if self.spec.role != "primary_key":
            self.missing = keys.null_count / max(len(keys), 1)
        keys = keys.drop_null()
        if len(keys) == 0:
            raise InputError(
                f"a key needs values to learn its form from, however: column {self.spec.name!r} is all missing. Drop it (--drop {self.spec.name})."
            )
        self.ending = ""
        texts = self._texts(keys.unique())  # a form is known by the keys that have it, not by their rows
        if is_text(self.storage) and self.spec.pattern is None and all(text.endswith(WITH_POINT) for text in texts):
            self.ending, texts = WITH_POINT, [text.removesuffix(WITH_POINT) for text in texts]
        self.is_number, self.serial, self.unit = self._are_numbers(texts), False, 0
        self.check = None if self.spec.pattern is not None else checksums.detect(texts)
        texts = self._without_check(texts)
        if self.is_number:
            self._fit_numbers(np.array([int(text) for text in texts], dtype=object))
        elif self.spec.pattern is not None:
            self.forms, self.weights = [self.spec.pattern], [1]
        else:
            self.forms, self.weights = forms.learn(texts)
        if self.spec.repeated:
            self._fit_times(np.array(pc.value_counts(keys).field("counts")))
        self.marks = np.zeros(0, bool)
        if not self.serial:
            self.marks = np.zeros(max(8, 1 << int(np.ceil(np.log2(max(len(texts), 1))))), bool)
            self.avoid(keys)

    def _texts(self, keys: pa.Array | pa.ChunkedArray) -> list[str]:
        """The keys that are there, as texts: whole numbers without a point."""
        there = without_nan(keys).drop_null()
        if pa.types.is_floating(self.storage) or pa.types.is_decimal(self.storage):
            return [str(int(key)) if key == int(key) else str(key) for key in there.to_pylist()]
        return [text.removesuffix(self.ending) for text in there.cast(pa.string()).to_pylist()]

    def _without_check(self, texts: list[str]) -> list[str]:
        return texts if self.check is None else list(map(checksums.SCHEMES[self.check].without, texts))

    def _are_numbers(self, texts: list[str]) -> bool:
        if pa.types.is_floating(self.storage) or pa.types.is_decimal(self.storage):
            return all(text.removeprefix("-").isdigit() for text in texts)
        if is_text(self.storage) and self.spec.pattern is None:
            return all(text.isdigit() and (text[0] != "0" or text == "0") for text in texts)
        return pa.types.is_integer(self.storage)

    def _fit_times(self, rows: np.ndarray) -> None:
        descending = -np.sort(-rows)
        starts: np.ndarray = np.arange(0, len(rows), CROWD)
        if len(rows) % CROWD and len(starts) > 1:
            starts = starts[:-1]  # the last crowd takes in those left over
        sizes: np.ndarray = np.diff([*starts, len(rows)])
        means = np.maximum(np.rint(np.add.reduceat(descending, starts) / sizes), 1).astype(int)
        times, places = np.unique(means, return_inverse=True)
        self.times, self.shared_by = times.tolist(), np.bincount(places, weights=sizes).astype(int).tolist()

    def make_up(self) -> None:
        """Settle the form without a look at any key, for differential privacy: the declared pattern, whole numbers from 1, or
        twelve letters and digits. New keys may then be old ones, by chance: to avoid those would be to know them."""
        self.is_number = not is_text(self.storage)
        self.serial, self.low, self.high = self.is_number, 1, 2**63
        self._keep_to_type()
        self.forms, self.weights = [self.spec.pattern or UNKNOWN_FORM], [1]
        self.marks = np.zeros(8, bool)

    def _fit_numbers(self, numbers: np.ndarray) -> None:
        low, high = min(numbers), max(numbers)
        filled = len(set(numbers.tolist())) / (high - low + 1)
        unit = 10 ** max(len(str(high - low)) - 1, 0)
        # rounded outwards to the leading digit, so that neither extreme is given away
        self.low, self.high = low // unit * unit, (high // unit + 1) * unit
        self.serial = filled >= SERIAL_SHARE
        if filled >= GAPLESS_SHARE:
            self.low = low if low in (0, 1) else self.low
        elif self.serial:
            self.low, self.unit = self.high, unit
        if self.serial:
            self.high = self.low + 2**63
        self._keep_to_type()

    def _keep_to_type(self) -> None:
        """No number is made that the column's type does not hold."""
        if pa.types.is_integer(self.storage):
            limits = np.iinfo(self.storage.to_pandas_dtype())
            low, high = int(limits.min), int(limits.max) + 1
        elif pa.types.is_decimal(self.storage):
            high = 10 ** (self.storage.precision - self.storage.scale)
            low = 1 - high
        else:
            return
        if self.check is not None:
            high //= 10  # the last digit is the check
        self.low, self.high = max(self.low, low), min(self.high, high)

    def avoid(self, keys: pa.Array | pa.ChunkedArray) -> None:
        """Mark more keys (those of a holdout) as never to be given out."""
        if self.unit:
            beyond = [int(text) for text in self._without_check(self._texts(keys)) if int(text) >= self.low]
            self.low = (max(beyond) // self.unit + 1) * self.unit if beyond else self.low
            self._keep_to_type()
        elif not self.serial:
            texts = self._texts(keys)
            for start in range(0, len(texts), BLOCK):
                self.marks[self.buckets(np.array(texts[start : start + BLOCK], dtype=str))] = True

    def buckets(self, texts: np.ndarray) -> np.ndarray:
        """(n,) texts → (n,) int64 buckets: a hash of their characters, all texts at once."""
        characters = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), -1)
        hashed: np.ndarray = np.full(len(texts), derive_seed(0, "keys", self.spec.name), np.uint64)
        for place, column in enumerate(characters.T):
            hashed = np.where(column > 0, pattern.mix(hashed ^ column, place), hashed)  # 0 fills up shorter texts
        return (hashed % np.uint64(len(self.marks))).astype(np.int64)

    def stream(self, seed: int) -> KeyStream:
        """A fresh, endless supply of keys for one sampled table."""
        return KeyStream(self, seed)

    def state(self) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "is_number": self.is_number,
            "serial": self.serial,
            "marks": np.packbits(self.marks).tobytes().hex(),
            "buckets": len(self.marks),
            "ending": self.ending,
            "check": self.check,
            "missing": self.missing,
            "times": self.times,
            "shared_by": self.shared_by,
        }
        return (
            {**kept, "low": self.low, "high": self.high}
            if self.is_number
            else {**kept, "forms": self.forms, "weights": self.weights}
        )

    def restore(self, state: dict[str, Any]) -> None:
        self.is_number, self.serial = state["is_number"], state["serial"]
        self.missing, self.ending, self.check = state["missing"], state["ending"], state["check"]
        self.times, self.shared_by = state["times"], state["shared_by"]
        self.marks = np.unpackbits(np.frombuffer(bytes.fromhex(state["marks"]), np.uint8))[: state["buckets"]].astype(
            bool
        )
        if self.is_number:
            self.low, self.high = state["low"], state["high"]
        else:
            self.forms, self.weights = state["forms"], state["weights"]


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
