"""Expressions over columns, read from Python's own grammar and computed by Arrow: nothing is ever executed.

Allowed are column names (in backquotes where they are no plain words), numbers, texts, ``True``, ``False`` and ``None``;
``+ - * /``, ``log(x)``, ``exp(x)``, ``sqrt(x)``; ``== != < <= > >=``, ``in (...)``, ``is None``; ``and or not``. A missing cell makes what it takes part in
unknown (null), as in SQL: ``null and false`` is false, ``null or true`` is true, all else stays null. So does what has no
result: a number divided by zero, the logarithm of zero.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lookalike.errors import InputError, SchemaError

LONGEST = 10_000
"""Characters: a longer text is no rule that a person wrote."""
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?P<name>[^`]+)`""")
ARITHMETIC: dict[type, Callable[..., Any]] = {
    ast.Add: pc.add_checked,
    ast.Sub: pc.subtract_checked,
    ast.Mult: pc.multiply_checked,
    ast.Div: pc.divide,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {"log": pc.ln, "exp": pc.exp, "sqrt": pc.sqrt}
COMPARISON: dict[type, Callable[..., Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}
TICKS_A_DAY = 86_400 * 10**6


class Expression:
    """One checked expression.

    Attributes
    ----------
    text
        As it was written.
    names
        The columns it names, in the order of their first use.

    Raises
    ------
    SchemaError
        It is no expression, or uses what is not allowed; the message says where.

    >>> rule = Expression("age >= 18 or `job title` == 'pupil'")
    >>> rule.names
    ('age', 'job title')
    >>> rule.evaluate({"age": pa.array([20, 9, None]), "job title": pa.array(["cook", "cook", "cook"])}).to_pylist()
    [True, False, None]
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            if len(text) > LONGEST:
                raise SyntaxError(f"it is longer than {LONGEST:,} characters")
            self._plain, self._quoted = _without_backquotes(text)
            # a bracket lets a rule run over several lines
            self._tree = ast.parse(f"({self._plain}\n)", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            offset = getattr(error, "offset", None) if getattr(error, "lineno", 1) == 1 else len(text) + 2
            where = "" if offset is None else f" at position {min(max(offset - 2, 0), len(text))}"
            raise SchemaError(
                f"an expression is written as in Python, however: {_shown(text)} cannot be read{where}. "
                "Compare with == and join with and, or, not."
            ) from None
        try:
            self.names: tuple[str, ...] = tuple(dict.fromkeys(self._check(self._tree)))
        except RecursionError:
            raise self._too_deep() from None
        if not self.names:
            raise SchemaError(f"an expression names a column, however: {_shown(text)} names none. Name one.")

    @property
    def computes(self) -> bool:
        """Whether it is made of numbers, columns, ``+ - * /`` and functions alone."""
        allowed = (ast.BinOp, ast.Call, ast.UnaryOp, ast.Name, ast.Constant, ast.operator, ast.UAdd, ast.USub, ast.Load)
        return all(
            isinstance(node, allowed) and not isinstance(getattr(node, "value", 0), (str, bool, type(None)))
            for node in ast.walk(self._tree)
        )

    @property
    def subtracts(self) -> bool:
        """Whether something is taken off: ``a - b``, or ``-a``."""
        return any(isinstance(node, (ast.Sub, ast.USub)) for node in ast.walk(self._tree))

    def evaluate(self, columns: Mapping[str, pa.Array]) -> pa.Array:
        """(n,) cells; null where it is unknown.

        Parameters
        ----------
        columns
            Arrow arrays of numbers, text, booleans or timestamps without a zone. A date is compared with a text like
            ``'2024-05-31'``; the difference of two dates counts days.

        Raises
        ------
        SchemaError
            Text is compared with a number, or the like; the message names the place. Or it is nested too deep to compute.
        InputError
            A whole number leaves 64 bits.
        """
        try:
            found = self._value(self._tree, columns)
        except RecursionError:
            raise self._too_deep() from None
        rows = len(next(iter(columns.values())))
        return pa.repeat(found, rows) if isinstance(found, pa.Scalar) else found

    # ------------------------------------------------------------------------------------------------------ checking

    def _check(self, node: ast.AST) -> Iterator[str]:
        """Yield the columns below a node; raise for what is not allowed there."""
        if isinstance(node, ast.Name):
            yield self._name(node)
        elif isinstance(node, ast.Constant):
            if not isinstance(node.value, (str, bool, int, float, type(None))) or _too_long(node.value):
                raise self._refuse(node, "numbers of 64 bits and texts")
        elif isinstance(node, ast.BoolOp):
            for part in node.values:
                yield from self._check(part)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.UAdd)):
            yield from self._check(node.operand)
        elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            yield from self._check(node.left)
            yield from self._check(node.right)
        elif isinstance(node, ast.Call):
            if (
                not isinstance(node.func, ast.Name)
                or self._name(node.func) not in FUNCTIONS
                or len(node.args) != 1
                or node.keywords
            ):
                raise self._refuse(node, "the functions log, exp and sqrt of one number each")
            yield from self._check(node.args[0])
        elif isinstance(node, ast.Compare):
            yield from self._check_comparison(node)
        else:
            raise self._refuse(
                node, "column names, numbers, texts, + - * /, log, exp, sqrt, comparisons, in, is None, and, or, not"
            )

    def _check_comparison(self, node: ast.Compare) -> Iterator[str]:
        if any(isinstance(operator, (ast.In, ast.NotIn)) for operator in node.ops[:-1]):
            raise self._refuse(node, "no other comparison after the list of an 'in'")
        yield from self._check(node.left)
        for operator, side in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                if not isinstance(side, (ast.Tuple, ast.List, ast.Set)) or not side.elts:
                    raise self._refuse(side, "after 'in' a list of numbers or texts in brackets")
                for entry in side.elts:
                    if not isinstance(_literal(entry), (str, bool, int, float)) or _too_long(_literal(entry)):
                        raise self._refuse(entry, "after 'in' numbers or texts alone")
            elif isinstance(operator, (ast.Is, ast.IsNot)):
                if not (isinstance(side, ast.Constant) and side.value is None):
                    raise self._refuse(side, "after 'is' only None")
            elif type(operator) in COMPARISON:
                yield from self._check(side)
            else:  # pragma: no cover - Python knows no other
                raise self._refuse(node, "comparisons")

    def _name(self, node: ast.Name) -> str:
        place = self._place(node)
        return self._quoted.get(place, node.id)

    def _place(self, node: Any) -> int:
        """Where a node begins in the text as it was written, in characters; lines after the first count on."""
        lines = f"({self._plain}".split("\n")
        before = sum(len(line) + 1 for line in lines[: node.lineno - 1])
        return before + len(lines[node.lineno - 1].encode()[: node.col_offset].decode()) - 1

    def _refuse(self, node: Any, allowed: str) -> SchemaError:
        return SchemaError(
            f"an expression may hold {allowed}, however: {_shown(self.text)} holds something else at position {self._place(node)}. "
            "Write it otherwise."
        )

    def _too_deep(self) -> SchemaError:
        return SchemaError(
            f"an expression is nested as deep as a person writes, however: {_shown(self.text)} is nested deeper. Write it in parts."
        )

    # ----------------------------------------------------------------------------------------------------- computing

    def _value(self, node: ast.AST, columns: Mapping[str, pa.Array]) -> Any:
        if isinstance(node, ast.Name):
            return columns[self._name(node)]
        if isinstance(node, ast.Constant):
            return pa.scalar(node.value)
        if isinstance(node, ast.BoolOp):
            combine = pc.and_kleene if isinstance(node.op, ast.And) else pc.or_kleene
            parts = [self._truth(part, columns) for part in node.values]
            found = parts[0]
            for part in parts[1:]:
                found = combine(found, part)
            return found
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return pc.invert(self._truth(node.operand, columns))
            number = self._number(node.operand, columns)
            return number if isinstance(node.op, ast.UAdd) else self._whole(node, pc.negate_checked, number)
        if isinstance(node, ast.BinOp):
            return self._computed(node, columns)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            return _finite(FUNCTIONS[self._name(node.func)](_floats(self._number(node.args[0], columns))))
        assert isinstance(node, ast.Compare)
        mine, found = self._value(node.left, columns), None
        for operator, right in zip(node.ops, node.comparators, strict=True):
            # computed once, though compared twice in a < b < c: nested so, twice each would be for ever
            other = None if isinstance(operator, (ast.In, ast.NotIn)) else self._value(right, columns)
            one = self._compared(node, mine, operator, right, other)
            found = one if found is None else pc.and_kleene(found, one)
            mine = other
        return found

    def _truth(self, node: ast.AST, columns: Mapping[str, pa.Array]) -> Any:
        found = self._value(node, columns)
        if _kind(found) == "unknown":
            return found.cast(pa.bool_())
        if _kind(found) != "truth":
            raise self._mismatch(node, "and, or and not take comparisons", found)
        return found

    def _number(self, node: ast.AST, columns: Mapping[str, pa.Array]) -> Any:
        found = self._value(node, columns)
        if _kind(found) == "unknown":
            return found.cast(pa.float64())
        if _kind(found) != "number":
            raise self._mismatch(node, "+ - * / take numbers", found)
        return found

    def _computed(self, node: ast.BinOp, columns: Mapping[str, pa.Array]) -> Any:
        if isinstance(node.op, ast.Sub):
            left, right = self._value(node.left, columns), self._value(node.right, columns)
            if _kind(left) == _kind(right) == "date":
                return _days(left, right)
        left, right = self._number(node.left, columns), self._number(node.right, columns)
        if isinstance(node.op, ast.Div):
            return _finite(pc.divide(_floats(left), _floats(right)))
        return self._whole(node, ARITHMETIC[type(node.op)], left, right)

    def _whole(self, node: ast.AST, operation: Callable[..., Any], *numbers: Any) -> Any:
        try:
            return operation(*numbers)
        except pa.ArrowInvalid:
            raise InputError(
                f"whole numbers must fit in 64 bits, however: {_shown(self.text)} leaves them at position {self._place(node)}. "
                "Multiply by 1.0 first."
            ) from None

    def _compared(self, node: ast.Compare, mine: Any, operator: ast.cmpop, right: ast.AST, other: Any) -> Any:
        if isinstance(operator, (ast.Is, ast.IsNot)):
            there = pc.is_valid(mine)
            return there if isinstance(operator, ast.IsNot) else pc.invert(there)
        if isinstance(operator, (ast.In, ast.NotIn)):
            assert isinstance(right, (ast.Tuple, ast.List, ast.Set))
            found = None
            for entry in right.elts:
                same = self._same(node, mine, pa.scalar(_literal(entry)), ast.Eq)
                found = same if found is None else pc.or_kleene(found, same)
            return found if isinstance(operator, ast.In) else pc.invert(found)
        return self._same(node, mine, other, type(operator))

    def _same(self, node: ast.AST, mine: Any, other: Any, operator: type) -> Any:
        kinds = _kind(mine), _kind(other)
        if "unknown" in kinds:
            return pc.if_else(pc.is_valid(mine), pa.scalar(None, pa.bool_()), pa.scalar(None, pa.bool_()))
        if kinds == ("date", "text") and isinstance(other, pa.Scalar):
            other = self._date(node, other)
        elif kinds == ("text", "date") and isinstance(mine, pa.Scalar):
            mine = self._date(node, mine)
        elif kinds[0] != kinds[1]:
            raise self._mismatch(node, f"a comparison needs two of a kind (here a {kinds[0]} first)", other)
        if kinds[0] in ("text", "truth") and "date" not in kinds and operator not in (ast.Eq, ast.NotEq):
            raise self._mismatch(node, "< <= > >= need numbers or dates", mine)
        return COMPARISON[operator](mine, other)

    def _date(self, node: ast.AST, text: pa.Scalar) -> pa.Scalar:
        try:
            return text.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            raise SchemaError(
                f"a date is compared with one like '2024-05-31', however: {_shown(self.text)} has another text at position "
                f"{self._place(node)}. Write year, month, day."
            ) from None

    def _mismatch(self, node: ast.AST, rule: str, found: Any) -> SchemaError:
        return SchemaError(
            f"{rule}, however: {_shown(self.text)} has a {_kind(found)} at position {self._place(node)}. Correct it."
        )


def _without_backquotes(text: str) -> tuple[str, dict[int, str]]:
    """The text with every ```name``` as a plain word of the same length, and {position: name}."""
    found: dict[int, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        found[match.start()] = name
        return "q".ljust(len(match[0]), "_")

    return QUOTED.sub(stand_in, text), found


def quoted(name: str) -> str:
    """A column's name as an expression takes it.

    >>> quoted("price"), quoted("hours per week")
    ('price', '`hours per week`')
    """
    try:
        plain = Expression(name).names == (name,)
    except SchemaError:
        plain = False
    return name if plain else f"`{name}`"


def _literal(node: ast.AST) -> Any:
    """A constant's value, a negative number's too; None for all else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        return -value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return node.value if isinstance(node, ast.Constant) else None


def _too_long(value: Any) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _kind(found: Any) -> str:
    kind = found.type
    if pa.types.is_null(kind):
        return "unknown"
    if pa.types.is_boolean(kind):
        return "truth"
    if pa.types.is_timestamp(kind):
        return "date"
    return "number" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "text"


def _floats(found: Any) -> Any:
    """As 64-bit floats; of whole numbers beyond 2⁵³ the nearest."""
    return found.cast(pa.float64(), safe=False)


def _finite(found: Any) -> Any:
    """Nothing is known of x / 0, or of log(0)."""
    return pc.if_else(pc.is_finite(found), found, pa.scalar(None, pa.float64()))


def _days(left: Any, right: Any) -> Any:
    ticks = [side.cast(pa.timestamp("us"), safe=False).cast(pa.int64()) for side in (left, right)]
    return pc.divide(pc.subtract(*ticks).cast(pa.float64()), float(TICKS_A_DAY))


def _shown(text: str) -> str:
    """The expression for a message, on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= 80 else line[:77] + "...")
