"""The STIX patterning language (STIX 2.1 §9): tokens, a recursive-descent parser, and a fast way for the usual.

Rules: `parse_pattern` accepts exactly what the OASIS grammar accepts, within `PATTERN_BYTES_MAX` and
`PATTERN_DEPTH_MAX`, and raises `Malformed` for everything else. `simple` and `flat` answer only for texts that
`parse_pattern` accepts too, and then with the same comparisons. Nothing here matches data.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from comity.errors import Malformed
from comity.formats.observables import Observable
from comity.formats.stix import paths
from comity.limits import PATTERN_BYTES_MAX, PATTERN_DEPTH_MAX

NUMBER_CHARS_MAX: Final = 4_000  # digits of a number; beyond it Python refuses to read one


class Literal(NamedTuple):
    """A constant. `kind` is string, integer, float, boolean, binary, hex or timestamp; a timestamp stays text."""

    kind: str
    value: str | int | float | bool | bytes


class Index(NamedTuple):
    """A step into a list; None is `[*]`."""

    at: int | None


class Path(NamedTuple):
    """An object path, e.g. `file:hashes.'SHA-256'`: the object's type and the steps into it."""

    type: str
    steps: tuple[str | Index, ...]

    def text(self) -> str:
        """Return the steps as one name: keys joined by points, list steps left out."""
        return ".".join(step for step in self.steps if isinstance(step, str))


class Comparison(NamedTuple):
    """One test of a path. `value` is a tuple for IN and None for EXISTS."""

    path: Path
    operator: str  # =, !=, <, <=, >, >=, IN, LIKE, MATCHES, ISSUBSET, ISSUPERSET, EXISTS
    negated: bool
    value: Literal | tuple[Literal, ...] | None


class Joined(NamedTuple):
    """Two or more parts joined by one word: AND, OR or (between observations) FOLLOWEDBY."""

    word: str
    parts: tuple[Node, ...]


class Observation(NamedTuple):
    """A bracketed test of one observation."""

    test: Node


class Qualifier(NamedTuple):
    """WITHIN seconds, REPEATS times, or START and STOP timestamps."""

    word: str
    values: tuple[Literal, ...]


class Qualified(NamedTuple):
    """An observation expression and one qualifier on it."""

    inner: Node
    qualifier: Qualifier


Node = Comparison | Joined | Observation | Qualified


class Pattern(NamedTuple):
    """A parsed pattern."""

    root: Node


class Equality(NamedTuple):
    """A comparison of a path with one string, as nearly all indicators are."""

    type: str
    path: str
    value: str


class Token(NamedTuple):
    """A token, where it begins and its text."""

    kind: str
    text: str
    at: int


_KEYWORDS: Final = frozenset(
    (
        *("AND", "OR", "NOT", "FOLLOWEDBY", "LIKE", "MATCHES", "ISSUPERSET", "ISSUBSET", "EXISTS", "LAST"),
        *("IN", "START", "STOP", "SECONDS", "true", "false", "WITHIN", "REPEATS", "TIMES"),
    )
)
_SPACE: Final = "[ \t\r\n\x0b\x0c\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"  # the grammar's own list
_TOKEN: Final = re.compile(
    rf"""
    (?P<skip>{_SPACE}++|/\*.*?\*/|//[^\r\n]*+)
    |(?P<timestamp>t'[0-9]{{4}}-(?:0[1-9]|1[012])-(?:0[1-9]|[12][0-9]|3[01])
        T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?Z')
    |(?P<hex>h'(?:[0-9A-Fa-f]{{2}})*+')
    |(?P<binary>b'(?:[A-Za-z0-9+/]{{4}})*(?:[A-Za-z0-9+/]{{4}}|[A-Za-z0-9+/]{{3}}=|[A-Za-z0-9+/]{{2}}==)')
    |(?P<string>'(?:[^'\\]++|\\['\\])*+')
    |(?P<float>[+-]?[0-9]*+\.[0-9]++)
    |(?P<integer>[+-]?(?:0|[1-9][0-9]*+))
    |(?P<word>[A-Za-z_][A-Za-z0-9_-]*+)
    |(?P<mark>==|!=|<>|<=|>=|[=<>:.,()*\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)
_EQUAL_MARKS: Final = {"=": "=", "==": "=", "!=": "!=", "<>": "!="}
_ORDER_MARKS: Final = frozenset({"<", "<=", ">", ">="})
_STRING_WORDS: Final = frozenset({"LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"})

# The fast ways: no comments or escapes. Which words may stand in a path is asked once per path.
_GAP: Final = "[ \t\r\n]*+"
_TEST: Final = rf"[A-Za-z_][A-Za-z0-9_-]*+{_GAP}:{_GAP}[A-Za-z_][A-Za-z0-9_.'-]*+{_GAP}==?{_GAP}'[^'\\]*+'"
_EACH: Final = re.compile(
    rf"([A-Za-z_][A-Za-z0-9_-]*+){_GAP}:{_GAP}([A-Za-z_][A-Za-z0-9_.'-]*+){_GAP}==?{_GAP}'([^'\\]*+)'"
)
_ONE: Final = re.compile(rf"{_GAP}\[{_GAP}{_EACH.pattern}{_GAP}\]{_GAP}")
_TESTS: Final = rf"\[{_GAP}{_TEST}(?:{_GAP}OR(?![A-Za-z0-9_-]){_GAP}{_TEST})*+{_GAP}\]"
_CHAIN: Final = re.compile(rf"{_GAP}{_TESTS}(?:{_GAP}OR(?![A-Za-z0-9_-]){_GAP}{_TESTS})*+{_GAP}")
_STEPS: Final = r"[A-Za-z_](?:[A-Za-z0-9_.'-]|\[\*\])*+"
_LEAD: Final = rf"[A-Za-z_][A-Za-z0-9_-]*+{_GAP}:{_GAP}{_STEPS}{_GAP}==?{_GAP}'[^'\\]*+'"
_EACH_LEAD: Final = re.compile(rf"([A-Za-z_][A-Za-z0-9_-]*+){_GAP}:{_GAP}({_STEPS}){_GAP}==?{_GAP}'([^'\\]*+)'")
_FLAT: Final = re.compile(rf"{_GAP}\[{_GAP}{_LEAD}(?:{_GAP}(?:AND|OR)(?![A-Za-z0-9_-]){_GAP}{_LEAD})*+{_GAP}\]{_GAP}")


def simple(text: str) -> tuple[Equality, ...] | None:
    """Return the comparisons of `[type:path = 'value']`, or of such joined by OR; None for any other pattern.

    Any of them alone is a match. A path has no list steps.
    """
    if len(text) * 4 > PATTERN_BYTES_MAX:  # the longest take the slow way, which measures them
        return None
    found = _ONE.fullmatch(text)
    if found is not None:
        only = _equality(found[1], found[2], found[3])
        return (only,) if only is not None else None
    if not _CHAIN.fullmatch(text):
        return None
    return _equalities(_EACH.findall(text))


def flat(text: str) -> tuple[Equality, ...] | None:
    """Return the comparisons of one observation joined by AND and OR without parentheses; None for any other pattern.

    Each is a lead. A path may have list steps `[*]`, which are left out, as `Path.text` does.
    """
    if len(text) * 4 > PATTERN_BYTES_MAX or not _FLAT.fullmatch(text):
        return None
    return _equalities(_EACH_LEAD.findall(text))


def _equalities(found: Iterable[tuple[str, str, str]]) -> tuple[Equality, ...] | None:
    tests = [_equality(*groups) for groups in found]
    return tuple(test for test in tests if test is not None) if None not in tests else None


def _equality(kind: str, path: str, value: str) -> Equality | None:
    steps, form = _plain_path(kind, path)
    if not steps or (form is not None and not form.fullmatch(value)):
        return None
    return Equality(kind, steps, value)


@lru_cache(maxsize=1_024)
def _plain_path(kind: str, path: str) -> tuple[str, re.Pattern[str] | None]:
    """Return a path's text, empty where the grammar has no such path, and what its values have to look like."""
    try:
        parser = _Parser(_tokens(f"{kind}:{path}"))
        parsed = parser.path()
        parser.end()
    except Malformed:
        return "", None
    return parsed.text(), paths.hash_form(parsed.text()) if "hashes" in parsed.steps else None


def parse_pattern(text: str) -> Pattern:
    """Parse a STIX 2.1 pattern. Raises `Malformed` naming the character at which it goes wrong."""
    if len(text) > PATTERN_BYTES_MAX or len(text.encode("utf-8", "surrogatepass")) > PATTERN_BYTES_MAX:
        raise Malformed(f"a pattern of more than {PATTERN_BYTES_MAX} bytes (PATTERN_BYTES_MAX)")
    parser = _Parser(_tokens(text))
    root = parser.followed()
    parser.end()
    return Pattern(root)


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Malformed(f"pattern, character {at}: {text[at]!r} is not expected here")
        if match.lastgroup != "skip":
            kind = match.lastgroup or ""
            if kind == "word" and match[0] in _KEYWORDS:
                kind = "keyword"
            found.append(Token(kind, match[0], at))
        at = match.end()
    found.append(Token("end", "the end", len(text)))
    return found


class _Parser:
    """Recursive descent over the tokens; the last token is always `end`, so looking ahead by one is safe."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def end(self) -> None:
        """Require that nothing is left."""
        if self._tokens[self._next].kind != "end":
            raise self._unexpected("the end")

    def followed(self) -> Node:
        """observationExpressions: FOLLOWEDBY binds loosest, then OR, then AND (STIX 2.1 §9.5)."""
        return self._joined("FOLLOWEDBY", lambda: self._joined("OR", lambda: self._joined("AND", self._observation)))

    def _unexpected(self, wanted: str) -> Malformed:
        token = self._tokens[self._next]
        return Malformed(f"pattern, character {token.at}: {wanted} expected, not {token.text[:40]}")

    def _take(self, text: str) -> bool:
        token = self._tokens[self._next]
        if token.text != text or token.kind not in {"keyword", "mark"}:
            return False
        self._next += 1
        return True

    def _want(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(text)

    def _of(self, *kinds: str) -> Token:
        token = self._tokens[self._next]
        if token.kind not in kinds:
            raise self._unexpected(" or ".join(kinds))
        self._next += 1
        return token

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _nested(self, inside: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > PATTERN_DEPTH_MAX:
            raise Malformed(f"a pattern with more than {PATTERN_DEPTH_MAX} nested parentheses (PATTERN_DEPTH_MAX)")
        node = inside()
        self._want(")")
        self._depth -= 1
        return node

    def _observation(self) -> Node:
        if self._take("("):
            return self._qualified(self._nested(self.followed), repeatable=True)
        self._want("[")
        test = self._tests()
        self._want("]")
        return self._qualified(Observation(test), repeatable=False)

    def _qualified(self, node: Node, *, repeatable: bool) -> Node:
        """STIX 2.1 §9.5.1: no two qualifiers of one kind directly on one observation; on a group they nest."""
        seen: set[str] = set()
        while (qualifier := self._qualifier()) is not None:
            if qualifier.word in seen and not repeatable:
                raise Malformed(f"pattern: two qualifiers {qualifier.word} on one observation")
            seen.add(qualifier.word)
            node = Qualified(node, qualifier)
        return node

    def _qualifier(self) -> Qualifier | None:
        if self._take("WITHIN"):
            seconds = self._positive("integer", "float")
            self._want("SECONDS")
            return Qualifier("WITHIN", (seconds,))
        if self._take("REPEATS"):
            times = self._positive("integer")
            self._want("TIMES")
            return Qualifier("REPEATS", (times,))
        if self._take("START"):
            start = _literal(self._of("timestamp"))
            self._want("STOP")
            return Qualifier("START", (start, _literal(self._of("timestamp"))))
        return None

    def _positive(self, *kinds: str) -> Literal:
        if self._tokens[self._next].text.startswith("-"):
            raise self._unexpected("a positive number")
        return _literal(self._of(*kinds))

    def _tests(self) -> Node:
        return self._joined("OR", lambda: self._joined("AND", self._test))

    def _test(self) -> Node:
        if self._take("("):
            return self._nested(self._tests)
        negated = self._take("NOT")
        if negated or self._tokens[self._next].text == "EXISTS":
            self._want("EXISTS")
            return Comparison(self.path(), "EXISTS", negated, None)
        path = self.path()
        negated = self._take("NOT")
        mark = self._of("mark", "keyword").text
        value: Literal | tuple[Literal, ...]
        if mark in _EQUAL_MARKS:
            mark = _EQUAL_MARKS[mark]
            value = self._constant(boolean=True)
            _check_hash(path, (value,))
        elif mark in _ORDER_MARKS:
            value = self._constant(boolean=False)
        elif mark == "IN":
            value = self._set()
            _check_hash(path, value)
        elif mark in _STRING_WORDS:
            value = _literal(self._of("string"))
        else:
            self._next -= 1
            raise self._unexpected("a comparison operator")
        return Comparison(path, mark, negated, value)

    def _constant(self, *, boolean: bool) -> Literal:
        token = self._tokens[self._next]
        if boolean and token.text in {"true", "false"} and token.kind == "keyword":
            self._next += 1
            return Literal("boolean", token.text == "true")
        return _literal(self._of("string", "integer", "float", "timestamp", "binary", "hex"))

    def _set(self) -> tuple[Literal, ...]:
        self._want("(")
        if self._take(")"):
            return ()
        values = [self._constant(boolean=True)]
        while self._take(","):
            values.append(self._constant(boolean=True))
        self._want(")")
        return tuple(values)

    def path(self) -> Path:
        """objectPath: type, colon, steps."""
        kind = self._of("word").text
        self._want(":")
        steps: list[str | Index] = [self._step()]
        while True:
            if self._take("."):
                steps.append(self._step())
            elif self._take("["):
                steps.append(Index(None) if self._take("*") else Index(_integer(self._of("integer"))))
                self._want("]")
            else:
                return Path(kind, tuple(steps))

    def _step(self) -> str:
        token = self._of("word", "string")
        if token.kind == "string":
            return _unquoted(token.text)
        if "-" in token.text:  # only object types have hyphens without quotes
            self._next -= 1
            raise self._unexpected("a property name")
        return token.text


def _literal(token: Token) -> Literal:
    text = token.text
    match token.kind:
        case "string":
            return Literal("string", _unquoted(text))
        case "integer":
            return Literal("integer", _integer(token))
        case "float":
            return Literal("float", float(text[:NUMBER_CHARS_MAX]))
        case "hex":
            return Literal("hex", bytes.fromhex(text[2:-1]))
        case "binary":
            return Literal("binary", b64decode(text[2:-1]))
        case _:
            return Literal("timestamp", text[2:-1])


def _integer(token: Token) -> int:
    if len(token.text) > NUMBER_CHARS_MAX:
        raise Malformed(f"pattern, character {token.at}: a number of {len(token.text)} digits")
    return int(token.text)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(['\\])", r"\1", text[1:-1])


def _check_hash(path: Path, values: tuple[Literal, ...]) -> None:
    if "hashes" not in path.steps or not isinstance(path.steps[-1], str):
        return
    form = paths.hash_form(path.steps[-1])
    for kind, value in values:
        if not form.fullmatch(value if kind == "string" and isinstance(value, str) else ""):
            raise Malformed(f"pattern: {value!r} is not a hash of the kind {path.steps[-1]}")


def comparisons(pattern: Pattern) -> Iterator[Comparison]:
    """Yield every comparison of a pattern, from left to right."""
    pending: list[Node] = [pattern.root]
    while pending:
        node = pending.pop()
        match node:
            case Comparison():
                yield node
            case Joined():
                pending.extend(reversed(node.parts))
            case Observation():
                pending.append(node.test)
            case Qualified():
                pending.append(node.inner)


def observables_of(pattern: Pattern) -> tuple[Observable, ...]:
    """Return the values that a pattern asks for: by =, IN, or the prefix of ISSUBSET; never what it excludes.

    Where the pattern joins tests by AND or in sequence, each value alone is a lead and not a match.
    """
    found: dict[Observable, None] = {}
    for comparison in comparisons(pattern):
        if comparison.negated or comparison.operator not in {"=", "IN", "ISSUBSET"} or comparison.value is None:
            continue
        values = (comparison.value,) if isinstance(comparison.value, Literal) else comparison.value
        for kind, value in values:
            if kind == "string" or (kind == "integer" and comparison.path.type == "autonomous-system"):
                observable = paths.observable_at(comparison.path.type, comparison.path.text(), str(value))
                if observable is not None:
                    found[observable] = None
    return tuple(found)
