"""Keys: unique by construction, in the learned or given form, never a real one."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.encode.forms import learn
from lookalike.encode.frame import TableEncoder
from lookalike.encode.key import KeyEncoder
from lookalike.encode.pattern import from_regex
from lookalike.encode.stream import shuffled_indices
from lookalike.errors import InputError, LookalikeWarning, SamplingError, SchemaError
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_column


def keys(cells, storage=None, **spec):
    array = pa.array(cells, storage)
    encoder = KeyEncoder(ColumnSpec(name="id", kind="key", storage=str(array.type), **spec))
    encoder.fit(array)
    return encoder


@given(size=st.integers(1, 3000), seed=st.integers(0, 2**62))
def test_shuffled_indices_are_a_permutation(size, seed):
    assert np.array_equal(np.sort(shuffled_indices(np.arange(size), size, seed)), np.arange(size))


@pytest.mark.parametrize("form", ["[A-Za-z0-9]{20}", "([a-f0-9]{8}-){3}[a-f0-9]{8}", "[a-z]{14,16}x?", "[0-9]{40}"])
def test_more_texts_than_64_bits_count_are_kept_apart_and_spread_out(form):
    drawn = keys(["x1", "x2"] * 5, pattern=form).stream(seed=0).take(3000).to_pylist()
    assert len(set(drawn)) == 3000
    assert all(re.fullmatch(form, key) for key in drawn)
    assert len({key[0] for key in drawn}) > 8


@pytest.mark.parametrize(
    ("real", "rounded"),
    [(range(12_345, 98_761, 1_543), (10_000, 100_000)), (range(5_017, 8_979), (5_000, 2**63))],
    ids=["sparse", "without gaps"],
)
def test_no_extreme_of_real_numbers_is_given_away(real, rounded):
    encoder = keys(list(real))
    kept = json.dumps(encoder.state())
    assert str(real[0]) not in kept and str(real[-1]) not in kept
    assert (encoder.low, encoder.high) == rounded


def test_no_number_is_made_that_a_decimal_does_not_hold():
    stream = keys([Decimal(number) for number in range(9_000, 9_990)], pa.decimal128(6, 2)).stream(seed=0)
    assert len(set(stream.take(1_000).to_pylist())) == 1_000
    with pytest.raises(SamplingError, match="no more than 1,000 texts"):
        stream.take(1)


def test_numbers_of_forty_digits_are_made_anew():
    real = [str(10**39 + 10**36 * number * number) for number in range(1, 90)]
    drawn = keys(real).stream(seed=0).take(500).to_pylist()
    assert len(set(drawn)) == 500 and not set(drawn) & set(real)
    assert all(len(key) == 40 and key.isdigit() for key in drawn)
    assert len({key[:4] for key in drawn}) > 5


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9), st.text(max_size=3))
def test_a_texts_bucket_is_its_own(text, other):
    encoder = keys(["a1", "b2", "c3"], pattern="[a-c][0-9]")
    alone, beside = encoder.buckets(np.array([text])), encoder.buckets(np.array([text, other + "longer than it"]))
    assert alone[0] == beside[0]


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        ([f"CUST-{i:05}" for i in range(0, 90_000, 300)], r"CUST-\d{5}"),
        ([f"{'ABCDEF'[i % 6]}{i:06}-{i % 10}" for i in range(300)], r"[A-Z]\d{6}-\d"),
        ([f"user{i}@mail.at" for i in range(1000, 1300)], r"user\d{4}@[a-z]{4}\.[a-z]{2}"),
    ],
)
def test_the_form_is_learned(made, shape):
    drawn = keys(made).stream(seed=1).take(500).to_pylist()
    assert len(set(drawn)) == 500
    assert not set(drawn) & set(made)
    assert all(re.fullmatch(shape, key) for key in drawn)


def test_a_given_pattern_is_followed():
    drawn = keys(["x1", "x2"] * 5, pattern="[A-C]{2}-(red|blue)-[0-9]{3}").stream(seed=0).take(300).to_pylist()
    assert len(set(drawn)) == 300
    assert all(re.fullmatch("[A-C]{2}-(red|blue)-[0-9]{3}", key) for key in drawn)


@pytest.mark.parametrize("form", ["[A-", "[0-9]{99999999999999999999}", "(?:" * 5_000 + "a" + ")" * 5_000])
def test_a_pattern_that_is_none_is_known_before_training(form):
    with pytest.raises(SchemaError, match="'id'.*regular expression"):
        keys(["a", "b"], pattern=form)


@pytest.mark.parametrize(
    "form", ["(((a{0,40}){0,40}){0,40}){0,40}", "[0-9]{1,1000000}", "(){1000000000}", "x{1000001}"]
)
def test_a_pattern_larger_than_memory_is_refused_before_it_is_laid_out(form):
    with pytest.raises(SchemaError, match="'id'.*1,000,000 places"):
        keys(["a", "b"], pattern=form)


def test_a_class_of_no_characters():
    with pytest.raises(SchemaError, match="'id'.*holds none"):
        keys(["a", "b"], pattern=r"[^\x20-\x7e]")


def test_a_pattern_of_many_lengths_is_followed():
    drawn = keys(["x1", "x2"] * 5, pattern=".{0,255}").stream(seed=0).take(50).to_pylist()
    assert len(set(drawn)) == 50 and max(map(len, drawn)) <= 255


def test_too_few_texts_is_an_error_in_bounded_time():
    with pytest.raises(SamplingError, match="'id' has no more than"):
        keys(["a1", "b2"], pattern="[a-b][0-9]").stream(seed=0).take(50)


def test_sparse_integers_stay_in_their_range_and_are_never_real():
    real = np.random.default_rng(0).choice(10**7, 2000, replace=False) + 3 * 10**7
    drawn = keys(real).stream(seed=0).take(3000).to_pylist()
    assert len(set(drawn)) == 3000
    assert not set(drawn) & set(real.tolist())
    assert min(drawn) >= 3 * 10**7 and max(drawn) < 4 * 10**7 + 1


@pytest.mark.parametrize("written", [float, lambda number: f"{number}.0"])
def test_whole_numbers_with_a_point_are_made_as_whole_numbers(written):
    """As pandas keeps and writes them beside missing cells."""
    real = [written(int(number)) for number in np.random.default_rng(0).choice(90_000, 500, replace=False) + 10_000]
    encoder = keys([*real, None])
    restored = KeyEncoder(encoder.spec)
    restored.restore(json.loads(json.dumps(encoder.state())))
    drawn = restored.stream(seed=0).take(1000).drop_null().to_pylist()
    assert drawn == encoder.stream(seed=0).take(1000).drop_null().to_pylist()
    assert len(set(drawn)) == len(drawn) > 900 and not set(drawn) & set(real)
    assert all(
        type(key) is type(real[0]) and 10_000 <= float(key) < 100_000 and float(key).is_integer() for key in drawn
    )
    assert isinstance(real[0], float) or all(key.endswith(".0") for key in drawn)
    encoder.make_up()
    assert len(set(encoder.stream(seed=0).take(9).drop_null().to_pylist())) > 5


def test_serial_numbers_are_counted_anew():
    assert keys(range(1, 101)).stream(seed=0).take(5).to_pylist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("written", [int, str])
@pytest.mark.parametrize("real", [range(1, 2_001, 5), np.random.default_rng(0).choice(5_000, 1_000, replace=False)])
def test_numbers_with_gaps_go_on_beyond_the_old_ones(real, written):
    real = [written(number) for number in real]
    encoder = keys(real)
    drawn = encoder.stream(seed=0).take(3_000).to_pylist()
    assert len(set(drawn)) == 3_000 and not set(drawn) & set(real)
    kept_back = drawn[2_500]
    encoder.avoid(pa.array([kept_back]))
    assert int(encoder.stream(seed=0).take(1).to_pylist()[0]) > int(kept_back)


def test_a_narrow_integer_type_is_not_left():
    with pytest.raises(SamplingError, match="'id'"):
        keys(list(range(100)), pa.int8()).stream(seed=0).take(300)


def test_batches_carry_on():
    encoder = keys([f"K{i:05}" for i in range(500)])
    stream = encoder.stream(seed=3)
    parts = stream.take(200).to_pylist() + stream.take(200).to_pylist()
    assert parts == encoder.stream(seed=3).take(400).to_pylist() or len(set(parts)) == 400
    assert len(set(parts)) == 400


def test_kept_back_keys_are_avoided_too():
    encoder = keys(["a1", "b2"], pattern="[a-b][0-9]")
    free = set(encoder.stream(seed=0).take(2).to_pylist())
    encoder.avoid(pa.array(sorted(free)))
    stream = encoder.stream(seed=0)
    drawn = set()
    with pytest.raises(SamplingError):
        while True:
            drawn |= set(stream.take(1).to_pylist())
    assert not drawn & free


def test_a_form_that_few_have_is_not_learned():
    forms, _ = learn([f"A-{i:04}" for i in range(100)] + ["Élise Müller 1"])
    assert forms == [r"A\-[0-9]{4}"] or all("lise" not in form for form in forms)


def test_patterns_count_their_texts():
    assert from_regex("[a-c]{1,2}|xy?", "id").size == 3 + 9 + 2
    with pytest.raises(SchemaError, match="'id'"):
        from_regex(r"(?=a)b", "id")


@pytest.mark.parametrize("repeated", [False, True])
def test_missing_keys_are_as_often_missing(repeated):
    cells = [f"R{i // (1 + repeated):05}" if i % 4 else None for i in range(2000)]
    encoder = keys(cells, repeated=repeated)
    drawn, stream = encoder.stream(seed=1).take(2000), encoder.stream(seed=1)
    assert 0.2 < drawn.null_count / 2000 < 0.3
    assert drawn.to_pylist() == [key for _ in range(20) for key in stream.take(100).to_pylist()]
    assert pa.compute.count_distinct(drawn).as_py() == pytest.approx(
        pa.compute.count_distinct(pa.array(cells)).as_py(), rel=0.1
    )


class TestRepeated:
    """Keys of several rows each: a patient's, a customer's."""

    REAL = pa.array(
        [f"P{1000 + 7 * key}" for key in range(400) for _ in range(1 + key % 4)]
        + ["P9999"] * 150  # 1,150 rows, 401 keys
    )

    def encoder(self) -> KeyEncoder:
        encoder = KeyEncoder(ColumnSpec(name="id", kind="key", storage="string", repeated=True))
        encoder.fit(self.REAL)
        return encoder

    def test_are_as_often_repeated_as_real_ones_and_never_one(self):
        drawn = self.encoder().stream(seed=1).take(len(self.REAL))
        times = pa.compute.value_counts(drawn).field("counts").to_numpy()
        assert not set(drawn.to_pylist()) & set(self.REAL.to_pylist())
        assert all(re.fullmatch(r"P[0-9]{4}", key) for key in drawn.to_pylist())
        assert abs(len(times) - 401) < 20
        shares = [np.mean(times == rows) for rows in (1, 2, 3, 4)]
        assert shares == pytest.approx([0.25] * 4, abs=0.04)

    def test_nobody_is_told_by_having_the_most(self):
        assert max(self.encoder().times) == round((150 + 4 * 4) / 5)

    def test_are_scattered_over_the_rows(self):
        drawn = self.encoder().stream(seed=1).take(len(self.REAL)).to_pylist()
        assert sum(a == b for a, b in pairwise(drawn)) < 60

    @given(st.lists(st.integers(0, 700), max_size=6))
    def test_batches_carry_on(self, sizes):
        stream, encoder = self.encoder().stream(seed=3), self.encoder()
        parts = [key for size in sizes for key in stream.take(size).to_pylist()]
        assert parts == encoder.stream(seed=3).take(sum(sizes)).to_pylist()

    def test_come_back_from_a_file(self):
        encoder, restored = self.encoder(), KeyEncoder(ColumnSpec(name="id", kind="key", repeated=True))
        restored.restore(json.loads(json.dumps(encoder.state())))
        assert restored.stream(seed=2).take(900) == encoder.stream(seed=2).take(900)

    @pytest.mark.parametrize("real", [["a1"] * 20, ["a1"] * 3 + ["b2"], [7, 7, 9000, 9000, 9000]])
    def test_of_very_few(self, real):
        drawn = keys(real, repeated=True).stream(seed=0).take(9).to_pylist()
        assert len(drawn) == 9 and not set(drawn) & set(real)


def test_places_of_a_table_written_as_text_are_serial():
    """The index that pandas writes begins with 0, which is no leading zero."""
    made = keys([str(i) for i in range(800)]).stream(seed=1).take(1_600)
    assert made.to_pylist() == [str(i) for i in range(1_600)]


def test_whole_numbers_of_a_database_are_numbers():
    storage = pa.decimal128(38, 0)
    cells = [Decimal(10**20 + 7_919 * i) for i in range(300)]
    spec = infer_column("customer_id", pa.array([Decimal(1_000 + 7_919 * i) for i in range(300)], storage))
    assert spec.kind == "key"
    made = keys(cells, storage).stream(seed=1).take(300)
    assert made.type == storage and not set(made.to_pylist()) & set(cells)


def test_no_number_is_no_key():
    cells = [float(1_000 + 7_919 * i) for i in range(300)] + [float("nan")] * 100
    encoder = keys(cells)
    made = encoder.stream(seed=1).take(4_000).to_pylist()
    assert encoder.missing == 0.25 and 0.22 < made.count(None) / 4_000 < 0.28
    assert all(key is None or key.is_integer() for key in made)


@pytest.mark.parametrize("storage", [pa.date32(), pa.bool_(), pa.timestamp("us")])
def test_what_is_neither_text_nor_number_is_no_key(storage):
    with pytest.raises(InputError, match=r"keys are text or numbers, however: column .day. is .*--drop day"):
        TableEncoder(Schema([ColumnSpec(name="day", kind="key", storage=str(storage))]))


def test_a_form_of_too_few_texts_grows():
    """Rooms R000 to R999 are a thousand, of which seven hundred are real ones."""
    real = [f"R{i:03}" for i in range(0, 1_000, 10)] + [f"R{i:03}" for i in range(5, 605)]
    with pytest.warns(LookalikeWarning, match="that of column 'id' has too few texts. Some are . digits longer"):
        made = keys(sorted(set(real))).stream(seed=0).take(3_000).to_pylist()
    assert len(set(made)) == 3_000 and not set(made) & set(real)
    assert all(re.fullmatch(r"R\d{3,}", key) for key in made)


def test_keys_of_a_form_that_grew_are_unlike_those_of_the_others():
    stream = keys([f"{i:02}-" for i in range(90)] + [f"{i:02}-{7 * i % 100:02}" for i in range(90)]).stream(seed=0)
    with pytest.warns(
        LookalikeWarning, match="too few texts. Some are 3 digits longer"
    ):  # with two they would be the others
        made = [key for _ in range(1_100) for key in stream.take(10).to_pylist()]
    assert len(set(made)) == len(made)


def card(number):
    """The digits before the check are doubled from the right, every second one: ISO/IEC 7812-1, appendix B."""
    digits = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(str(number)))]
    return sum(digit - 9 * (digit > 9) for digit in digits) % 10 == 0


def account(iban):
    return int("".join(str(int(mark, 36)) for mark in iban[4:] + iban[:4])) % 97 == 1


def article(number):
    return sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(reversed(str(number)))) % 10 == 0


REAL_CARDS = [
    number for number in range(4_556_000_000_000_000, 4_985_000_000_000_000, 1_234_567_891_011) if card(number)
]
REAL_ACCOUNTS = [
    f"DE{check:02}{place:018}"
    for place in range(10**17 + 1, 9 * 10**17, 10**15)
    for check in range(2, 99)
    if account(f"DE{check:02}{place:018}")
]
REAL_BOOKS = [str(number) for number in range(9_780_000_000_001, 9_789_999_999_999, 33_333_331) if article(number)]


@pytest.mark.parametrize(
    ("real", "valid"),
    [
        (REAL_CARDS, card),
        ([str(number) for number in REAL_CARDS], card),
        ([f"{number}.0" for number in REAL_CARDS], lambda text: card(text.removesuffix(".0"))),
        ([f"{str(n)[:4]} {str(n)[4:8]} {str(n)[8:12]} {str(n)[12:]}" for n in REAL_CARDS], lambda text: card(text.replace(" ", ""))),
        (REAL_ACCOUNTS, account),
        ([f"{text[:4]} {text[4:8]} {text[8:]}" for text in REAL_ACCOUNTS], lambda text: account(text.replace(" ", ""))),
        (REAL_BOOKS, article),
        ([f"{n[:3]}-{n[3:]}" for n in REAL_BOOKS], lambda text: article(text.replace("-", ""))),
    ],
)  # fmt: skip
def test_what_checks_itself_does_so_when_made(real, valid):
    encoder = keys(real)
    restored = KeyEncoder(encoder.spec)
    restored.restore(json.loads(json.dumps(encoder.state())))
    made = restored.stream(seed=1).take(400).to_pylist()
    assert len(real) > 30 and all(map(valid, real)) and all(map(valid, made))
    assert len(set(made)) == 400 and not set(made) & set(real)
    assert {len(str(key)) for key in made} == {len(str(key)) for key in real}


def test_what_does_not_check_itself_is_given_no_check():
    made = keys([f"{number:016}" for number in range(10**10, 10**14, 10**11 + 7)]).stream(seed=1).take(400).to_pylist()
    assert 10 < sum(map(card, made)) < 90


@pytest.mark.parametrize(
    ("real", "shape"),
    [
        ([f"ORD-2024-{i:06}" for i in range(3_000)], r"ORD-2024-\d{6}"),
        ([f"+{'49 1' if i % 3 else '43 6'}{i * 7_919 % 10**8:08}" for i in range(1_000)], r"\+(49 1|43 6)\d{8}"),
        ([f"{name}{i}@{host}" for i in range(300) for name, host in [("ab", "mail.at"), ("xyz", "post.com")]], r"[a-z]+\d+@(mail\.at|post\.com)"),
        ([f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}" for i in range(1, 400)], r"[0-9a-f]{16}"),
        ([f"{i % 256:02X}:{i * 77 % 256:02X}:{i * 7_919 % 65_536:04X}" for i in range(500)], r"[0-9A-F]{2}:[0-9A-F]{2}:[0-9A-F]{4}"),
        ([f"10.7.{i % 251}.{i * 7 % 256}" for i in range(900)], r"10\.7(\.(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){2}"),
        ([f"2001:db8:{i * 7_919 % 65_536:x}:{i * 31 % 65_536:x}" for i in range(900)], r"2001:db8:[0-9a-f]{1,4}:[0-9a-f]{1,4}"),
        ([f"{'abcdefgh'[: 2 + i % 7]}.{'stuvwxyz'[: 2 + i % 5]}@my.org" for i in range(35)] , r"[a-z]+\.[a-z]+@my\.org"),
    ],
)  # fmt: skip
def test_what_all_keys_have_in_common_is_kept(real, shape):
    made = keys(real).stream(seed=1).take(len(real)).to_pylist()
    assert all(re.fullmatch(shape, key) for key in real) and all(re.fullmatch(shape, key) for key in made)
    assert len(set(made)) == len(made) and not set(made) & set(real)


def test_which_address_goes_with_which_network_stays():
    """Two forms of one shape: what stands in their runs goes together, as often as in real keys."""
    numbers = [i * 7_919 % 10**7 for i in range(1_500)]
    real = [f"{'DE-2' if place % 3 else 'AT-1'}{number:07}" for place, number in enumerate(numbers)]
    made = keys(real).stream(seed=1).take(3_000).to_pylist()
    assert {key[:4] for key in made} == {"AT-1", "DE-2"}
    assert sum(key.startswith("AT") for key in made) == pytest.approx(1_000, abs=120)


def test_what_few_keys_share_is_not_shown():
    """Four of a family in one mail domain, beside a thousand in another."""
    real = [f"u{i}@mail.at" for i in range(10_000, 11_000)] + [f"u{i}@smith.me" for i in range(99_990, 99_994)]
    made = keys(real).stream(seed=1).take(2_000).to_pylist()
    assert not any("smith" in key for key in made)


def test_a_key_of_many_rows_weighs_as_one():
    """A form is known by keys, not by their rows: one customer of five hundred rows is told by none."""
    made = keys([f"C{i:06}" for i in range(1_000, 90_000, 300)] + ["VIP"] * 500, repeated=True).stream(seed=1).take(900)
    assert all(re.fullmatch(r"C\d{6}", key) for key in made.to_pylist())


@given(
    st.lists(st.from_regex(r"[a-c]{1,3}[-.é]?[0-9AÖ]{1,4}(@[ab]{1,2})?", fullmatch=True), min_size=1, unique=True),
    st.integers(1, 6),
)
def test_no_two_forms_have_a_text_in_common(texts, fewest):
    """Or a key might come twice."""
    forms, counts = learn(texts, fewest=fewest)
    assert 0 < len(forms) == len(counts)
    for form in forms:
        tree = from_regex(form, "id")
        for text in tree.pick(np.linspace(0, tree.capacity - 1, 20).astype(np.int64)):
            assert [other for other in forms if re.fullmatch(other, text)] == [form]
