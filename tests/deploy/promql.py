"""Parses the PromQL that this project writes and says which series it selects, and how."""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<window>\d+(?:ms|[smhdwy])|\$__\w+)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<name>[a-zA-Z_:][\w:]*)
    | (?P<symbol>=~|!~|!=|==|>=|<=|[-+*/%^<>(){}\[\],=])
    )""",
    re.VERBOSE,
)
AGGREGATIONS = frozenset({"sum", "max", "min", "avg", "count"})
FUNCTIONS = frozenset({"rate", "increase", "changes", "histogram_quantile", "scalar", "absent"})
OPERATORS = frozenset({"+", "-", "*", "/", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"})


class NotPromql(ValueError):
    """Not an expression, or one that uses more of PromQL than this project does."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One selected metric; `inside` are the functions around it, the innermost last."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    window: str | None
    inside: tuple[str, ...]
    kept_labels: tuple[frozenset[str], ...]  # of every aggregation around it


def selectors(expression):
    """Every selector in the expression. Raises NotPromql."""
    reader = _Reader(expression)
    reader.binary((), ())
    reader.expect_end()
    return reader.selectors


class _Reader:
    def __init__(self, expression):
        self._tokens = _tokens(expression)
        self.selectors = []

    def binary(self, inside, kept):
        self._operand(inside, kept)
        while self._peek()[1] in OPERATORS:
            self._next()
            self._operand(inside, kept)

    def expect_end(self):
        if self._tokens:
            raise NotPromql(f"left over: {self._peek()[1]}")

    def _operand(self, inside, kept):
        kind, text = self._next()
        if kind == "number":
            return
        if text == "(":
            self.binary(inside, kept)
            self._expect(")")
        elif text in AGGREGATIONS:
            labels = self._labels() if self._accept("by") else frozenset()
            self._arguments((*inside, text), (*kept, labels))
        elif text in FUNCTIONS:
            self._arguments((*inside, text), kept)
        elif kind == "name":
            self._selector(text, inside, kept)
        else:
            raise NotPromql(f"unexpected {text!r}")

    def _arguments(self, inside, kept):
        self._expect("(")
        self.binary(inside, kept)
        while self._accept(","):
            self.binary(inside, kept)
        self._expect(")")

    def _selector(self, name, inside, kept):
        if self._peek()[1] in {"(", "by"}:
            raise NotPromql(f"{name} is no function that this project uses")
        matchers = self._matchers() if self._accept("{") else ()
        window = self._window() if self._accept("[") else None
        self.selectors.append(Selector(name, matchers, window, inside, kept))

    def _matchers(self):
        matchers = []
        while not self._accept("}"):
            label = self._take("name")
            operator = self._take("symbol")
            matchers.append((label, operator, self._take("string")[1:-1]))
            self._accept(",")
        return tuple(matchers)

    def _window(self):
        window = self._take("window")
        self._expect("]")
        return window

    def _labels(self):
        self._expect("(")
        labels = set()
        while not self._accept(")"):
            labels.add(self._take("name"))
            self._accept(",")
        return frozenset(labels)

    def _peek(self):
        return self._tokens[0] if self._tokens else ("end", "the end")

    def _next(self):
        if not self._tokens:
            raise NotPromql("ends too early")
        return self._tokens.pop(0)

    def _take(self, kind):
        found, text = self._next()
        if found != kind:
            raise NotPromql(f"expected a {kind}, found {text!r}")
        return text

    def _accept(self, text):
        if self._peek()[1] != text:
            return False
        self._tokens.pop(0)
        return True

    def _expect(self, text):
        if not self._accept(text):
            raise NotPromql(f"expected {text!r}, found {self._peek()[1]!r}")


def _tokens(expression):
    tokens, position = [], 0
    expression = expression.strip()
    while position < len(expression):
        match = TOKEN.match(expression, position)
        if match is None:
            raise NotPromql(f"cannot read {expression[position:]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens
