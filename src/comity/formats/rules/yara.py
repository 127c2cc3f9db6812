"""YARA rules: a text cut into its rules by a lexer that knows strings, regular expressions, comments and hex strings.

Rules: one pass, nothing looked at twice: a rule that is broken is refused with its line and reading goes on at the
next line that begins one. Each rule keeps its very text, with the imports it uses before it; another rule it needs is
named by a `depends-on` relationship. No file that `include` names is opened, and no regular expression is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from comity.formats import fields
from comity.formats.convert import Context, Loss, Made, Outcome, ident, loss
from comity.formats.rules import indicator
from comity.formats.rules.indicator import Rule

NAME_CHARS_MAX: Final = 128  # characters of an identifier (YARA: YR_MAX_ID_LENGTH)
META_MAX: Final = 512  # entries of one rule's meta section

_TOKEN: Final = re.compile(
    r"""
    (?P<blank>\s++)
    |(?P<comment>//[^\n]*+)
    |(?P<open_comment>/\*)
    |(?P<text>"(?:[^"\\\n]++|\\[^\n])*+")
    |(?P<regex>/(?:[^/\\\n]++|\\[^\n])++/[a-z]*+)
    |(?P<word>[$\#@!]?[A-Za-z_][A-Za-z0-9_]*+\*?|[$\#@!]\*?)
    |(?P<number>0[xX][0-9A-Fa-f]++|0o[0-7]++|[0-9]++(?:\.[0-9]++)?(?:KB|MB)?)
    |(?P<mark>[^"/])
    """,
    re.VERBOSE,
)
_NEXT_RULE: Final = re.compile(r"^[ \t]*+(?:(?:private|global)\s++)*+rule\s", re.MULTILINE)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
_MODIFIERS: Final = frozenset({"private", "global"})
_SECTIONS: Final = frozenset({"meta", "strings", "condition", "variables"})
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPED: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_REFERENCE_KEYS: Final = re.compile(r"(?:references?|ref|url|link|source_url|report)_?[0-9]{0,3}")
_HASH_KEYS: Final = re.compile(r"(?:hash|md5|sha1|sha256|sample)(?:es|s)?_?[0-9]{0,4}")
_PEOPLE: Final = frozenset({"author", "authors", "contact", "email", "credit", "credits"})
_ATTACK: Final = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?")


class _Token(NamedTuple):
    """A token: its kind, text and place."""

    kind: str
    text: str
    at: int
    line: int


@dataclass(slots=True)
class _Found:
    """A rule as the lexer cut it."""

    name: str
    text: str
    line: int
    tokens: list[_Token]  # from its first modifier to its last brace
    imports: list[str] = field(default_factory=list)


class _Broken(Exception):
    """What is wrong, and the token to go on at where one is known; never leaves this module."""

    def __init__(self, reason: str, resume: _Token | None = None, rule: str = "syntax") -> None:
        super().__init__(reason)
        self.reason, self.resume, self.rule = reason, resume, rule


class _Lexer:
    """Tokens of a text, forwards only."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.comments = 0  # outside rules
        self._no_end = False  # no comment is closed any more: looked for once

    def next(self, inside: bool) -> _Token | None:
        """Return the next token that is neither blank nor comment; None at the end. Raises `_Broken`."""
        while self.at < len(self.text):
            found = _TOKEN.match(self.text, self.at)
            if found is None:
                raise _Broken("a text or regular expression that its line does not close")
            kind, start, line = found.lastgroup or "", self.at, self.line
            end = self._end_of_comment() if kind == "open_comment" else found.end()
            self.at = end
            self.line += self.text.count("\n", start, end)
            if kind in {"comment", "open_comment"}:
                self.comments += not inside
            elif kind != "blank":
                return _Token(kind, self.text[start:end], start, line)
        return None

    def _end_of_comment(self) -> int:
        end = -1 if self._no_end else self.text.find("*/", self.at + 2)
        if end < 0:
            self._no_end = True
            raise _Broken("a comment that nothing closes")
        return end + 2

    def recover(self, resume: _Token | None) -> None:
        """Go on at a token, or at the next line that begins a rule; always behind where the broken rule began."""
        if resume is not None:
            self.at, self.line = resume.at, resume.line
            return
        found = _NEXT_RULE.search(self.text, self.at + 1)
        target = found.start() if found else len(self.text)
        self.line += self.text.count("\n", self.at, target)
        self.at = target


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Yield the indicators of YARA rules, what they refer to, and a loss for what is no rule."""
    text = indicator.lines_of(chunks)
    if isinstance(text, Loss):
        yield text
        return
    rules: dict[str, _Found] = {}
    for found in _cut(text):
        if isinstance(found, Loss):
            yield found
        elif found.name in rules:
            yield loss(f"line {found.line}", Outcome.REFUSED, "duplicate", f"a second rule {found.name}")
        else:
            rules[found.name] = found
    known: set[str] = set()
    for found in rules.values():
        made = _rule(found, rules, context)
        if isinstance(made, Loss):
            yield made
        else:
            yield from indicator.objects(made, context, known)
    if not rules and not text.strip():
        yield loss("", Outcome.REFUSED, "empty", "nothing in it")


def _cut(text: str) -> Iterator[_Found | Loss]:
    lexer = _Lexer(text)
    imports: dict[str, None] = {}
    while True:
        line = lexer.line
        try:
            token = lexer.next(inside=False)
            if token is None:
                break
            line = token.line
            if token.kind == "word" and token.text in {"import", "include"}:
                yield from _import(token, lexer, imports)
                continue
            found = _one(token, lexer)
        except _Broken as broken:
            yield loss(f"line {line}", Outcome.REFUSED, broken.rule, f"{broken.reason} (line {lexer.line})")
            lexer.recover(broken.resume)
            continue
        found.imports = list(imports)
        yield found
    if lexer.comments:
        yield loss("", Outcome.UNMAPPED, "comment", f"{lexer.comments} comments outside rules")


def _import(token: _Token, lexer: _Lexer, imports: dict[str, None]) -> Iterator[Loss]:
    name = lexer.next(inside=False)
    if name is None or name.kind != "text":
        raise _Broken(f"{token.text} without a name in quotes", name)
    if token.text == "import":
        imports[name.text[1:-1]] = None
    else:
        yield loss(f"line {token.line}", Outcome.UNMAPPED, "include", f"{name.text} is not opened")


def _one(token: _Token, lexer: _Lexer) -> _Found:
    """Cut one rule out, from its first modifier. Raises `_Broken`."""
    tokens = [token]
    while tokens[-1].text in _MODIFIERS:
        _take(tokens, lexer)
    if tokens[-1].text != "rule":
        raise _Broken(f"{tokens[-1].text[:40]!r} where a rule should begin")
    name = _take(tokens, lexer).text
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARS_MAX or name in _SECTIONS:
        raise _Broken(f"{name[:40]!r} is no name of a rule")
    while _take(tokens, lexer).text != "{":
        if tokens[-1].kind != "word" and tokens[-1].text != ":":
            raise _Broken(f"{tokens[-1].text[:40]!r} between a rule's name and its brace")
    depth = 1
    while depth:
        last = _take(tokens, lexer)
        if last.kind == "mark":
            depth += (last.text == "{") - (last.text == "}")
    return _Found(name, lexer.text[token.at : lexer.at], token.line, tokens)


def _take(tokens: list[_Token], lexer: _Lexer) -> _Token:
    """Add the next token of a rule. Raises `_Broken`."""
    token = lexer.next(inside=True)
    if token is None:
        raise _Broken("a rule that nothing closes")
    if token.text == "rule" and token.kind == "word" and any(each.text == "rule" for each in tokens[:3]):
        # A word of the language and no name: the rule before was not closed, and a new one begins.
        begin = token
        while len(tokens) > 1 and tokens[-1].text in _MODIFIERS:
            begin = tokens.pop()
        raise _Broken("a rule that is not closed before the next one", begin)
    if token.at - tokens[0].at > indicator.RULE_BYTES_MAX:
        reason = f"a rule of more than {indicator.RULE_BYTES_MAX} characters (RULE_BYTES_MAX)"
        raise _Broken(reason, rule="too-large")
    tokens.append(token)
    return token


def _rule(found: _Found, rules: dict[str, _Found], context: Context) -> Rule | Loss:
    words = _free_words(found.tokens)
    imports = [f'import "{name}"\n' for name in found.imports if name in words]
    text = "".join(imports) + ("\n" if imports else "") + found.text + "\n"
    where = f"line {found.line}: {found.name}"
    bad = indicator.unfit(text)
    if bad is not None:
        return loss(where, Outcome.REFUSED, *bad)
    rule = Rule("yara", text, where, _ident(found.name, context), found.name)
    rule.labels = [token.text for token in _tags(found.tokens)]
    for count, (key, value) in enumerate(_meta(found.tokens)):
        if count == META_MAX:
            break
        _take_meta(rule, key.lower(), value)
    rule.related = [("depends-on", _ident(word, context)) for word in words if word in rules and word != found.name]
    return rule


def _ident(name: str, context: Context) -> str:
    return ident("indicator", context, "yara", name)


def _free_words(tokens: list[_Token]) -> dict[str, None]:
    """Return the words of the condition that are no field of something else."""
    start = next((at for at, token in enumerate(tokens) if token.text == "condition" and token.kind == "word"), 0)
    return {
        token.text: None
        for before, token in pairwise(tokens[start:])
        if token.kind == "word" and before.text != "."
    }  # fmt: skip


def _tags(tokens: list[_Token]) -> Iterator[_Token]:
    """Yield what stands between the name and the brace."""
    brace = next((at for at, token in enumerate(tokens) if token.text == "{"), 0)
    named = next((at for at, token in enumerate(tokens) if token.text == "rule"), 0) + 1
    yield from (token for token in tokens[named + 1 : brace] if token.kind == "word")


def _meta(tokens: list[_Token]) -> Iterator[tuple[str, str]]:
    """Yield the entries of the meta section, which comes first."""
    at = next((at for at, token in enumerate(tokens) if token.text == "{"), 0) + 1
    if [token.text for token in tokens[at : at + 2]] != ["meta", ":"]:
        return
    at += 2
    while at + 2 < len(tokens) and tokens[at + 1].text == "=":
        yield tokens[at].text, _unquoted(tokens[at + 2])
        at += 4 if tokens[at + 2].text == "-" else 3  # a number below zero


def _unquoted(token: _Token) -> str:
    if token.kind != "text":
        return token.text
    return _ESCAPED.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPES.get(found[2], found[2]), token.text[1:-1]
    )


def _take_meta(rule: Rule, key: str, value: str) -> None:
    """Take an entry of the meta section by the names that published rules use; the rest stays in the text."""
    if key == "description":
        rule.description = value
    elif key in _PEOPLE:
        rule.author = True
    elif key in {"date", "created", "creation_date", "first_imported"}:
        rule.created = rule.created or value
    elif key in {"modified", "last_modified", "updated"}:
        rule.modified = value
    elif key in {"tlp", "sharing"}:
        rule.markings.append(value)
    elif key in {"mitre_att", "technique", "mitre", "mitre_attack"}:
        rule.techniques += _ATTACK.findall(value)
    elif key in {"severity", "category", "malware", "family", "malware_family", "threat_level"}:
        rule.labels.append(f"{key}:{value}")
    elif _HASH_KEYS.fullmatch(key):
        rule.references.append(fields.reference("sample", value))
    elif _REFERENCE_KEYS.fullmatch(key):
        is_url = "://" in value
        rule.references.append(
            fields.reference("yara", url=value if is_url else "", description="" if is_url else value)
        )
