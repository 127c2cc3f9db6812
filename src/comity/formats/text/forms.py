"""How values are written in running text: the patterns by which places of interest are found, and values at them.

Rules: nothing matches across a line's end. `PLACE` and `MARKED` run over everything that is read, so each of their
alternatives begins with a literal character, which the engine finds without trying to match; what stands before that
is looked at behind it. `VALUE` runs at the few places found. Every repetition is bounded or possessive.
"""

from __future__ import annotations

import re
from typing import Final

# What a label of a name may be written with. Beyond ASCII: letters, marks and digits of every script, no punctuation.
LETTERS: Final = (
    r"0-9A-Za-z_\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u060b\u060d-\u061a\u0620-\u066a\u066e-\u06d3"
    r"\u06d5-\u0963\u0966-\u1fff\u200c\u200d\u2c00-\u2dff\u3005-\u3007\u3040-\ud7ff\uf900-\ufd3d\ufd40-\ufdff"
    r"\ufe70-\ufefe\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc\U00010000-\U0001f000\U00020000-\U000323af"
)
# Scripts that put no space between words: in them a value's end is where ASCII ends.
UNSPACED: Final = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef"
)

_WORDLY = r"0-9A-Za-z_"  # what a value in ASCII must not be joined to; a script without spaces may stand beside it
# What the local part of a mail address is written with (RFC 6532), scripts without spaces left out.
_LOCAL = (
    r"0-9A-Za-z_%+\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u060b\u060d-\u061a\u0620-\u066a\u066e-\u06d3\u06d5-\u0963"
    r"\u0966-\u0dff"
)
_GAP = r"[ \t\u00a0]?"
_OPEN, _CLOSE = r"[\[({<]", r"[\])}>]"
_DOT_WORDS = r"(?:\.|[dD][oO][tT]|[pP]unkt|[pP]unto|[pP]oint)"
# A dot as people write it so that nobody clicks: [.] (.) {.} [dot] (dot) [. .] \. and the wide dots of East Asia, where
# they end no sentence.
DOT: Final = (
    rf"(?:{_GAP}{_OPEN}{_GAP}{_DOT_WORDS}{_GAP}{_CLOSE}{_GAP}|\[\.|\.\]|\\\."
    r"|[.．․]|[。｡](?=[0-9A-Za-z])|[ ](?:dot|DOT)[ ])"
)
AT: Final = rf"(?:@|{_GAP}{_OPEN}{_GAP}(?:@|[aA][tT]){_GAP}{_CLOSE}{_GAP}|[ ](?:at|AT)[ ])"
_COLON = r"(?:\[::?\]|:)"
_LABEL = rf"[{LETTERS}](?:[{LETTERS}-]{{0,62}}+)"
_HOST = rf"{_LABEL}(?:{DOT}{_LABEL})++"
_OCTET = r"[0-9]{1,3}"
_QUAD = rf"{_OCTET}(?:{DOT}{_OCTET}){{3}}"
_GROUPS = rf"[0-9A-Fa-f]{{0,4}}(?:{_COLON}[0-9A-Fa-f]{{0,4}}){{2,8}}"
_SCHEME = (
    r"[hH]\[?[tTxX*_]{2}\]?[pP][sS]?|[fF][tTxX*]?[tTxX*][pP][sS]?|[sS][fF][tT][pP]|[wW][sS][sS]?|[lL][dD][aA][pP][sS]?"
    r"|tcp|udp|ssh|smb|rmi|dns|irc|ircs|rtsp|telnet|gopher|tftp|socks[45]|stratum\+(?:tcp|ssl)"
)
_SEPARATOR = r"[\[({]?:[\])}]?[\[({]?(?://|\\\\|\\/\\/)[\])}]?|[\[({]?:/[\])}]/"
_USER = r"[A-Za-z0-9._~!$&*+=%-]{1,64}(?::[A-Za-z0-9._~!$&*+=%-]{0,64})?@"
_PORT = r"(?:\[?:\]?[0-9]{1,5}(?![0-9]))?"
# Spaces end an address; so do quotation marks, brackets of markup and the marks of sentences of East Asia.
_EASTERN = "「」『』（）【】《》，。；：、！？"
_TAIL = rf"(?:\[?[/?#]\]?|\\/)[^\s<>\"“”„«»‹›{_EASTERN}|^`\x00-\x1f\x7f{UNSPACED}]*+"

_HIVE = r"HKEY_[A-Z_]{4,30}|HK(?:LM|CU|CR|U|CC)"
_PART = rf"[^\\/:*?\"<>|\s,;{_EASTERN}]"
_WORD = rf"(?!HK|[A-Za-z]:|%){_PART}{{1,80}}+"
# One more part of a path. A part with spaces is taken where another part follows: what else would end it?
_STEP = rf"\\{{1,2}}(?:{_WORD}(?:[ ]{_WORD}){{1,4}}(?=\\)|{_PART}{{1,255}}+)"
_ROOTS = (
    "tmp|etc|var|usr|home|opt|bin|sbin|dev|proc|root|mnt|lib|lib64|srv|run|boot|data|sdcard|storage"
    "|Library|Users|Applications|System|Volumes|private"
)

_HIDES = r"(?:[.@:/]|[aA][tT]\b|[dD][oO][tT]\b|[pP]un[kt]|[pP]oint\b)"
PLACE: Final = re.compile(
    rf"\.(?=[{LETTERS}\]])|@(?=[{LETTERS}])|:(?=[/\\:0-9A-Fa-f\[\]])|\\(?=[\w.\\%$])"
    rf"|\[(?={_GAP}{_HIDES})|\((?={_GAP}{_HIDES})|\{{(?={_GAP}{_HIDES})|<(?=[.@]>|dot>|at>)"
    r"|-(?=[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-)"
    rf"|/(?<![\w./~:*-]/)(?=(?:{_ROOTS})/)|~(?=/[\w.])"
    r"|。(?=[0-9A-Za-z])|．(?=[0-9A-Za-z])|｡(?=[0-9A-Za-z])|․(?=[0-9A-Za-z])"
)
"""Where a value may stand: something that words have inside and sentences have not."""

SPACED: Final = re.compile(r" (?=(?:dot|DOT) )")
"""A dot spelled between spaces; looked for only where a text has the word."""

_DASH = r"[-\u2010\u2011\u2012\u2013]"
MARKED: Final = re.compile(
    rf"C(?<![0-9A-Za-z_-]C)[Vv][Ee](?P<cve>{_DASH}[0-9]{{4}}{_DASH}[0-9]{{4,19}})(?![0-9A-Za-z_])"
    r"|A(?<![0-9A-Za-z_-]A)S(?P<asn>N?[ :-]{0,2}[0-9]{1,10})(?![0-9A-Za-z_]|[.,-][0-9A-Za-z])"
    r"|T(?<![0-9A-Za-z_.-]T)(?P<technique>[01][0-9]{3}(?:\.[0-9]{3})?|A0[01][0-9]{2})(?![0-9A-Za-z_]|[.-][0-9A-Za-z])"
    r"|G(?<![0-9A-Za-z_.-]G)(?P<group>[01][0-9]{3})(?![0-9A-Za-z_]|[.-][0-9A-Za-z])"
    r"|S(?<![0-9A-Za-z_.-]S)(?P<software>[01][0-9]{3})(?![0-9A-Za-z_]|[.-][0-9A-Za-z])"
)
"""What begins with letters of its own: CVE, autonomous systems, ids of ATT&CK."""

SMALL_CVE: Final = re.compile(rf"c(?<![0-9A-Za-z_-]c)ve(?P<cve>{_DASH}[0-9]{{4}}{_DASH}[0-9]{{4,19}})(?![0-9A-Za-z_])")

VALUE: Final = re.compile(
    rf"(?P<url>(?<![A-Za-z0-9+])(?P<scheme>{_SCHEME})(?P<separator>{_SEPARATOR})(?P<user>{_USER})?"
    rf"(?P<place>\[?{_GROUPS}(?:{_QUAD})?\]|{_HOST}){_PORT}(?:{_TAIL})?)"
    rf"|(?P<email>(?<![{_LOCAL}.@-])[{_LOCAL}][{_LOCAL}.-]{{0,63}}+{AT}{_HOST})"
    rf"|(?P<registry>(?<![\w\\])(?:{_HIVE})(?:{_STEP})++)"
    rf"|(?P<windows>(?<![\w\\/])(?:[A-Za-z]:(?={_STEP})|%[A-Za-z0-9_()]{{2,30}}%(?=\\)"
    r"|\\{2}(?!\\)[\w.$-]{1,63}+(?=\\\w))"
    rf"(?:{_STEP})++)"
    rf"|(?P<unix>(?<![\w./~:*\\-])(?:/(?:{_ROOTS})(?=/[\w.~])|~(?=/[\w.]))(?:/[\w.+@%~$#=-]{{1,255}}+)++/?)"
    r"|(?P<certificate>(?<![0-9A-Za-z:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){19}"
    r"(?:(?::[0-9A-Fa-f]{2}){12})?(?![0-9A-Za-z:]))"
    r"|(?P<mac>(?<![0-9A-Za-z:.-])(?:[0-9A-Fa-f]{2}:(?:[0-9A-Fa-f]{2}:){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{2}-(?:[0-9A-Fa-f]{2}-){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?![0-9A-Za-z:.-]))"
    rf"|(?P<ipv4>(?<![{_WORDLY}])(?<![0-9]\.)(?P<quad>{_QUAD})"
    rf"(?:\[?/\]?(?P<length>[0-9]{{1,2}})(?![{_WORDLY}]|\.[{_WORDLY}]))?"
    rf"(?![{_WORDLY}]|-[A-Za-z]|\.[0-9a-z]))"
    rf"|(?P<ipv6>(?<![{_WORDLY}:.])(?P<groups>{_GROUPS}(?:{DOT}{_OCTET}(?:{DOT}{_OCTET}){{2}})?)"
    rf"(?:\[?/\]?(?P<bits>[0-9]{{1,3}})(?![{_WORDLY}]|\.[{_WORDLY}]))?(?![{_WORDLY}]))"
    rf"|(?P<host>(?:(?<![{LETTERS}])|(?<=[{UNSPACED}])(?=[0-9A-Za-z])){_HOST})"
)
"""A value at a place; the name of the group is what it seems to be."""

DOTS: Final = re.compile(DOT)
ATS: Final = re.compile(AT)
PLAIN_HOST: Final = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_-]*+(?:\.[0-9A-Za-z_][0-9A-Za-z_-]*+)++")
OVERRIDING: Final = re.compile(r"[\u202d\u202e]")  # letters are shown in another order than they stand
INVISIBLE: Final = re.compile(r"[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")
"""What nobody sees and no value has: soft hyphens, spaces without width, marks of direction."""

RUN_CHARS_MIN: Final = 26  # characters of the shortest address of a cryptocurrency; fingerprints are longer
RUN: Final = b"x" * RUN_CHARS_MIN
RUN_TABLE: Final = bytes(ord("x") if chr(byte).isalnum() and byte < 128 else ord(" ") for byte in range(256))
"""Letters and digits as `x`, all else as a space: a long word is then found as a string is, a thousand megabytes a
second, where a pattern takes a twentieth of that."""

# Words in front of what looks like a fingerprint of a file and is one of something else.
OTHER_FINGERPRINT: Final = re.compile(
    r"(?:ja[34]s?h?|imp[- ]?hash|authenti[- ]?hash|rich[- ]?(?:pe[- ]?)?hash|telfhash|favicon|commit|revision|etag"
    r"|nonce|session|api[- ]?key|token|salt|guid|uuid|build[- ]?id)s?"
    r"(?:[ _-]?(?:hash|id|digest|sum|fingerprint)|\" ?: ?\{ ?\"hash)?[ \t:=\"'`(\[|,]{1,6}\Z",
    re.IGNORECASE,
)
# Words in front of four numbers that are a version, or an identifier of another kind.
VERSION: Final = re.compile(
    r"(?:\b(?:versi(?:ons?|one|on[ei]n|unea|e|i|o)|versión|versão|verzió|verze|verzij[ae]|wersj[aię]|верси[яи]"
    r"|версія|верзија|έκδοσης?|sürümü?|phiên bản|إصدار|الإصدار|نسخه|نسخهٔ|גרסה|संस्करण|ver|vers|v|release|build"
    r"|firmware|update|patch|revision|oid|sections?|chapters?|clauses?|rfc)\b[ \t:=#\"'.(]{0,4}|(?-i:[a-z])/"
    r"|(?:版本|バージョン|버전|เวอร์ชัน|รุ่น)[:： ]?|CEF:[01](?:\|[^|\n]{1,16}){2}\|)\Z",
    re.IGNORECASE,
)

WORD_REST: Final = re.compile(r"[^ \t\n\r]*+")
WORDS_REST: Final = re.compile(r"[ ]?[^ \t\n\r]*+(?:[ ][^ \t\n\r]++){0,8}")
"""The rest of a word; where a dot has spaces around it, the words up to and behind it."""
TAIL_DOT: Final = re.compile(r"[\[({]\.[\])}]|[\[({]dot[\])}]|\\\.|\[\.|\.\]", re.IGNORECASE)
TAIL_SLASH: Final = re.compile(r"\[([/?#=&:])\]|\\(/)")
# Where what followed an address in markup, lists and code begins.
TAIL_END: Final = re.compile(
    r"\]\(|\)\[|\]\]|\\[nrt\"']|&(?:quot|lt|gt|apos|#39|nbsp);|['*`]{1,2}[,;:)\]}]"
    rf"|[,;](?=(?:{_SCHEME})[\[({{]?:|[0-9A-Fa-f]{{32}}|{_QUAD}|CVE-|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}"
    r"|[A-Za-z0-9-]{1,63}+\.[a-z]{2,24}\b|[A-Za-z]++(?:[,;]|\Z))"
)
QUOTES: Final = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "`": "`", "「": "」"}
CLOSERS: Final = {")": "(", "]": "[", "}": "{", ">": "<"}
