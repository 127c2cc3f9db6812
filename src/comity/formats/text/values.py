"""What is found at a place in a text, in normal form: refanged, cut to what belongs to it, refused where it is none.

Rules: each judge gets what a pattern of `forms` matched and the text around it. It answers with a finding or
nothing, and where to look on. A finding without a kind takes its place and is told to nobody: what follows a host
without a scheme, or a mail address that is a handle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from comity.formats.observables import HASH_OF_LENGTH, normal
from comity.formats.text import forms
from comity.formats.text.dotted import classify
from comity.formats.text.tlds import TLDS
from comity.formats.text.wallets import is_wallet
from comity.limits import OBSERVABLE_CHARS_MAX

Found = tuple[int, int, str, str, bool]  # start, end, kind, value, defanged
Judged = tuple[Found | None, int]  # and where to look on

ATTACK: Final = "attack"
FINGERPRINTS: Final = frozenset(HASH_OF_LENGTH.values())
_HEX: Final = re.compile(r"[0-9a-fA-F]++")
_LOOK_BACK: Final = 40  # characters before a value in which a word may say what it is instead
_DISTINCT_DIGITS_MIN: Final = 5  # different digits of a fingerprint; 0000… and its like are placeholders
_PREFIX_MIN: Final = 8  # bits of the widest network told; "1.2.3.4/2" is a page or a part
_BARE_TAIL: Final = re.compile(r"(?::[0-9]{1,5})?/[^\s<>\"'|,;]*+")
_NOT_NUMBERS: Final = frozenset("1 2 3 4 400".split())  # AS2 and AS4 are protocols, AS/400 a computer
_YEARS: Final = range(1900, 2100)
_DOT_SPACED: Final = re.compile(r" (?:dot|DOT) ")
_JOINED: Final = re.compile(rf"[{forms.UNSPACED}](?=[0-9A-Za-z])")
# A path that a word of a script without spaces is joined to: that begins behind the suffix.
_GLUED: Final = re.compile(rf"\\[^\\{forms.UNSPACED}]*\.[A-Za-z0-9]{{2,4}}(?=[{forms.UNSPACED}][^\\.]*+\Z)")
_AT_NEXT: Final = re.compile(r"@|[\[({<](?:@|[aA][tT])[\])}>]")
_FULL_STOP: Final = re.compile(r"[。｡](?=[^。｡]*\Z)")
_WIDE: Final = re.compile(r"[。．｡․]")
_SAFE_DOTS: Final = frozenset(".。．｡․")


def run(text: str, start: int, end: int) -> Found | None:
    """Judge a long word of ASCII letters and digits: a fingerprint, an address of a currency or nothing."""
    word = text[start:end]
    size = len(word)
    if size in HASH_OF_LENGTH and _HEX.fullmatch(word):
        low = word.lower()
        if len(set(low)) < _DISTINCT_DIGITS_MIN or low.isdigit() or low.isalpha():
            return None
        if forms.OTHER_FINGERPRINT.search(text, max(start - _LOOK_BACK, 0), start):
            return None
        return start, end, HASH_OF_LENGTH[size], low, False
    if size > 106 or (text[start - 1 : start] in {"+", "/"} and start and size > 42):
        return None
    found = normal("wallet", word)
    return (start, end, "wallet", found.value, False) if found and is_wallet(word) else None


def marked(found: re.Match[str]) -> Found | None:
    """Judge what begins with letters of its own."""
    kind, text, start, end = found.lastgroup, found[found.lastgroup or 0], found.start(), found.end()
    if kind == "cve":
        digits = re.sub("[^0-9]+", "-", text)
        return start, end, "cve", f"CVE{digits}", False
    if kind == "asn":
        number = text.lstrip("N :-")
        spelled = text.startswith("N")
        spaced = not spelled and text[0] in " :-"
        if text == "N1":  # ASN.1 without its dot
            return None
        if not spelled and (number in _NOT_NUMBERS or (spaced and (len(number) < 4 or int(number) in _YEARS))):
            return None
        asn = normal("asn", number)
        return (start, end, "asn", asn.value, False) if asn and asn.value != "0" else None
    return start, end, ATTACK, found[0], False


def judge(found: re.Match[str], text: str) -> Judged:
    """Judge what stands at a place."""
    if found.end() - found.start() > OBSERVABLE_CHARS_MAX:
        return None, found.end()
    return _JUDGES[found.lastgroup or ""](found, text)


def _refang(written: str) -> tuple[str, bool]:
    """Return a host or address with plain dots, and whether it had others."""
    plain = forms.DOTS.sub(".", written)
    return plain, plain != written and _WIDE.sub(".", written) != plain


def _url(found: re.Match[str], text: str) -> Judged:
    scheme, place = _scheme(found["scheme"]), found["place"]
    host_end = found.end("place")
    if place.startswith("[") and place.endswith("]"):
        host, defanged = place.replace("[:", ":").replace(":]", ":"), ":]" in place
        host = f"[{host.strip('[]')}]"
    else:
        host, defanged = _refang(place)
        kept = _known_end(host, place)
        if kept < len(place):
            host, host_end = _refang(place[:kept])[0], found.start("place") + kept
    end = _tail_end(text, found.start(), host_end, found.end() if host_end == found.end("place") else host_end)
    tail = forms.TAIL_SLASH.sub(r"\1\2", forms.TAIL_DOT.sub(".", text[host_end:end])).replace("[:]", ":")
    if not tail.startswith(":"):
        tail = tail.replace("\\", "/") if tail.startswith("\\") else tail
    value = normal("url", f"{scheme}://{found['user'] or ''}{host}{tail}")
    if value is None or not _is_host(host):
        return None, found.end()
    defanged = defanged or found["scheme"].lower() != scheme or found["separator"] != "://"
    return (found.start(), end, "url", value.value, defanged), end


def _scheme(written: str) -> str:
    low = written.lower()
    if low[0] == "h":
        return "https" if low.endswith("s") else "http"
    if low[0] == "f":
        return "ftps" if low.endswith("s") else "ftp"
    return low


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return normal("ipv6", host) is not None
    return normal("ipv4", host) is not None or (
        not host.replace(".", "").isdigit() and normal("domain", host) is not None
    )


def _known_end(host: str, place: str) -> int:
    """Return how much of a host's text is the host: a sentence without spaces may run on behind it."""
    if host.isascii():
        return len(place)
    name = normal("domain", host)
    if name is not None and name.value.rpartition(".")[2] in TLDS:
        return len(place)
    plain = forms.PLAIN_HOST.match(place)
    return plain.end() if plain and plain[0].rpartition(".")[2].lower() in TLDS else len(place)


def _tail_end(text: str, start: int, host_end: int, end: int) -> int:
    """Return where an address ends: before markup, closing brackets that it did not open, and a sentence's marks."""
    before = text[start - 1] if start else ""
    if before == "<" and text.startswith(">", end):
        return end  # RFC 3986 appendix C: what is between them is the address
    stop = forms.TAIL_END.search(text, host_end, end)
    if stop:
        end = stop.start()
    closing = forms.QUOTES.get(before, "")
    if closing:
        quoted = text.find(closing, host_end, end)
        end = quoted if quoted >= 0 else end
    while end > host_end:
        last = text[end - 1]
        closes = last in forms.CLOSERS and text.count(last, start, end) > text.count(forms.CLOSERS[last], start, end)
        if not (closes or last in ".,;:!?'*…‚~" or (last == "_" and before == "_")):
            break
        end -= 1
    return end


def _email(found: re.Match[str], text: str) -> Judged:
    written = found[0]
    at = forms.ATS.search(written)
    if at is None:
        return None, found.end()
    place = written[at.end() :]
    host, defanged = _refang(place)
    if at[0] in {" at ", " AT "} and not _DOT_SPACED.search(place):
        return None, found.start() + at.end()  # "look at bad.example"
    kept = _known_end(host, place)
    host = _refang(place[:kept])[0]
    end = found.start() + at.end() + kept
    defanged = defanged or at[0] != "@"
    domain = normal("domain", host)
    remote = text[end : end + 1] == ":" and text[end + 1 : end + 2].isalpha()  # git@host:path
    if domain is None or remote or not (defanged or domain.value.rpartition(".")[2] in TLDS):
        return (found.start(), end, "", "", False), end
    value = normal("email", f"{written[: at.start()]}@{host}")
    return ((found.start(), end, "email", value.value, defanged) if value else None), end


def _registry(found: re.Match[str], text: str) -> Judged:
    return _path("registry-key", found, text)


def _file_path(found: re.Match[str], text: str) -> Judged:
    return _path("file-path", found, text)


def _path(kind: str, found: re.Match[str], text: str) -> Judged:
    start, end = found.span()
    closing = forms.QUOTES.get(text[start - 1 : start])
    if closing:
        quoted = text.find(closing, end, start + OBSERVABLE_CHARS_MAX)
        inside = text[start:quoted] if quoted >= 0 else ""
        # What is in quotes may have spaces, and may be a whole command, whose options are no part of the path.
        if (
            inside
            and "\n" not in inside
            and not any(mark in inside for mark in (" -", " /", " --", '"', "*", "|", "<"))
        ):
            end = quoted
    glued = _GLUED.search(text, start, end)
    end = glued.end() if glued else end
    while end > start and text[end - 1] in ".,;:)]}'\"!?*`=":
        if text[end - 1] in ")]}" and text.count(forms.CLOSERS[text[end - 1]], start, end) >= text.count(
            text[end - 1], start, end
        ):
            break
        end -= 1
    written = text[start:end]
    unc = written.startswith("\\\\")
    plain = ("\\" if unc else "") + re.sub(r"\\{2,}", r"\\", written)
    value = normal(kind, plain.rstrip("\\") if kind == "registry-key" else plain)
    return ((start, end, kind, value.value, False) if value else None), max(end, start + 1)


def _unix_path(found: re.Match[str], text: str) -> Judged:
    start, end = found.span()
    while text[end - 1] in ".,=-":
        end -= 1
    value = normal("file-path", text[start:end])
    return ((start, end, "file-path", value.value, False) if value else None), found.end()


def _certificate(found: re.Match[str], text: str) -> Judged:
    value = normal("certificate", found[0].replace(":", ""))
    return ((*found.span(), "certificate", value.value, False) if value else None), found.end()


def _mac(found: re.Match[str], text: str) -> Judged:
    value = normal("mac", found[0])
    if value is None or len(set(value.value) - {":"}) == 1:  # all zeros, or everybody
        return None, found.end()
    return (*found.span(), "mac", value.value, False), found.end()


def _ipv4(found: re.Match[str], text: str) -> Judged:
    plain, defanged = _refang(found["quad"])
    length = found["length"]
    start, end = found.start(), found.end()
    if not defanged and forms.VERSION.search(text, max(start - _LOOK_BACK, 0), start):
        return None, end
    if length and _PREFIX_MIN <= int(length) <= 32:
        plain = f"{plain}/{length}"
        defanged = defanged or "[" in found[0]
    else:
        end = found.end("quad")
    value = normal("ipv4", plain)
    return ((start, end, "ipv4", value.value, defanged) if value else None), found.end()


def _ipv6(found: re.Match[str], text: str) -> Judged:
    groups, end = found["groups"], found.end("groups")
    if groups.endswith(":") and not groups.endswith("::"):
        groups, end = groups[:-1], end - 1
    plain = forms.DOTS.sub(".", groups.replace("[:", ":").replace(":]", ":"))
    bits = found["bits"]
    digits = sum(char.isdigit() for char in plain)
    value = normal("ipv6", plain)
    # "a::b" is code and "::" is punctuation; 10:20:30 does not parse.
    short = plain.endswith("::") and plain.count(":") == 2 and not bits  # "10::" is markup
    if value is None or short or not digits or (digits < 2 and plain != "::1"):
        return None, found.end()
    if bits and _PREFIX_MIN <= int(bits) <= 128:
        value, end = normal("ipv6", f"{plain}/{bits}") or value, found.end("bits")
    return (found.start(), end, "ipv6", value.value, plain != groups), found.end()


def _host(found: re.Match[str], text: str) -> Judged:
    start, end = found.span()
    if _AT_NEXT.match(text, end):
        return None, end  # the local part of an address whose host goes on behind spaces
    judged = _dotted(found[0], text, start)
    while judged is None and (stop := _FULL_STOP.search(found[0][: end - start])):
        end = start + stop.start()  # a sentence of East Asia ended there, and the next one began in ASCII
        judged = _dotted(text[start:end], text, start)
    if judged is not None:
        return judged
    # In a sentence without spaces something may begin behind its last letter of that script.
    joined = _JOINED.search(found[0])
    return ((start, found.end(), "", "", False), found.end()) if joined is None else (None, start + joined.end())


def _dotted(written: str, text: str, start: int) -> Judged | None:
    """Judge a word with dots inside; None where it is nothing."""
    end = start + len(written)
    parts, dots = forms.DOTS.split(written), forms.DOTS.findall(written)
    defanged = not _SAFE_DOTS.issuperset(dots)
    if _DOT_SPACED.search(written) and not _is_top(parts[-1]):
        return None  # "polka dot pattern"
    kind, name = classify(parts, text, start, end, defanged=defanged) if dots else ("", "")
    if not kind:
        return None
    if name != ".".join(parts):
        start += max(written.find(name), 0)
        end = start + len(name)
    value = normal(kind, name)
    if value is None:
        return None
    if kind == "file-name":
        return _file(text, start, end, defanged=defanged), end
    tail = _BARE_TAIL.match(text, end)
    return (start, end, kind, value.value, defanged), tail.end() if tail else end


def _is_top(label: str) -> bool:
    name = normal("domain", f"a.{label}")
    return name is not None and name.value.rpartition(".")[2] in TLDS


def _file(text: str, start: int, end: int, *, defanged: bool) -> Found | None:
    """Name a file; one in quotes may have spaces in its name."""
    closing = text[end : end + 1]
    for opening, closes in forms.QUOTES.items():
        if closes == closing:
            first = text.rfind(opening, max(start - 80, 0), start) + 1
            inside = text[first:start]
            if first and inside[:1].isalnum() and not re.search(r"[\n\"'`“”«»\\/<>|]", inside):
                start = first
            break
    value = normal("file-name", forms.DOTS.sub(".", text[start:end]))
    return (start, end, "file-name", value.value, defanged) if value else None


_JUDGES: Final[dict[str, Callable[[re.Match[str], str], Judged]]] = {
    "url": _url,
    "email": _email,
    "registry": _registry,
    "windows": _file_path,
    "unix": _unix_path,
    "certificate": _certificate,
    "mac": _mac,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "host": _host,
}
