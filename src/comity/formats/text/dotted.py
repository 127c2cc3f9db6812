"""What a word with dots inside is: a domain, the name of a file, a piece of code or nothing.

Rules: what its author defanged is a name unless it ends as files do. What was left clickable has to end with a
known top-level domain and must not stand as code does. Where a suffix is both, a word of two labels is a file (`.py`,
`.sh`, `.zip` …) or a domain (`.pl`, `.rs`, `.com`), whichever is the more frequent in reports; the page on this
format has the table.
"""

from __future__ import annotations

import re
from typing import Final

from comity.formats.observables import normal
from comity.formats.text.forms import PLAIN_HOST
from comity.formats.text.tlds import TLDS

SUFFIXES: Final = frozenset(
    """
    7z ace accdb apk arj asp aspx bak bash bat bin bmp bz2 cab cer cfg cgi chm class cmd conf config cpl cpp crt
    csproj csv ctl dat db deb dex dll dmg dmp doc docm docx dot dotm drv dylib elf eml exe gif gz hta htm html ico
    img inf ini ipa iso jar java jpeg jpg js json jse jsp jspx kdbx key ko lnk log lua lzh mdb mht mp3 mp4 mpeg
    msg msi msp nsi ocx odt ods one onepkg ost ova p12 pdb pdf pem pfx php phtml pkg pl plist png pot potm pps ppt
    pptm pptx ps1 psd1 psm1 pst pub py pyc pyd pyw rar rb reg rpm rtf scf scr sct sh sln slk so sql sqlite svg swf
    sys tar tgz tif tiff tmp ts txt url vb vba vbe vbs vhd vhdx vmdk wasm wav wim wmv wsc wsf wsh xhtml xla xlam
    xll xls xlsb xlsm xlsx xml xsl xz yaml yml yar zip zst mov md ps rs
    """.split()
)
"""Suffixes that make a word the name of a file."""
_DOMAIN_FIRST: Final = frozenset(("pl", "rs", "one", "pub"))  # of those that are both
_PLATFORMS: Final = frozenset(
    "node.js vue.js next.js react.js d3.js nuxt.js express.js three.js asp.net vb.net ado.net ml.net paint.net".split()
)
"""Products that are named like files or hosts."""
_RECEIVERS: Final = frozenset(
    """
    self this cls os sys re window document console math json module process request response req res ctx args
    kwargs event obj object item items data user file string array list dict system java javax javafx android
    kotlin com org net io edu gov microsoft std app config settings logger logging log subprocess asyncio socket
    urllib requests datetime time date path struct df np pd plt torch tf jquery angular node elem element params
    options env exports import global script
    """.split()
)
"""First labels of dotted words in code: receivers of calls, packages of libraries, names of Java turned round."""
_SUBJECTS: Final = frozenset(
    """
    self this cls obj args kwargs res req ctx os sys re request response result record params event elem node e
    """.split()
)
"""First labels of what would be the name of a file and is a property: `self.log`, `response.msg`."""
_CODE_ENDINGS: Final = frozenset(
    """
    name id map next now new call read save data select search style date open run show play link page host is in it do
    media zip py sh so ps md mov info group cat ping family pid events secure day test domains
    """.split()
)
"""Top-level domains that are names of properties and methods too."""
_CALLED: Final = re.compile(r"\(|\[[0-9'\"]|::|->|[ ]?(?:[+*/-]?=(?!=)|==|!=)[ ]")
_SHORT_RECEIVER: Final = 5  # letters: `obj`, `event`; a registered name is seldom as short


def classify(labels: list[str], text: str, start: int, end: int, *, defanged: bool) -> tuple[str, str]:
    """Return kind and name of what `labels` are, found at `text[start:end]`; both empty where they are nothing.

    The name is shorter than the labels joined where a sentence without spaces runs into it.
    """
    before = text[start - 1] if start else " "
    suffix = labels[-1].lower()
    name = ".".join(labels)
    if before == "@" or (before == "$" and not defanged):
        return "", ""  # a handle; a variable
    if not name.isascii():
        return _international(name, defanged=defanged)
    if _is_file(labels, suffix, text, end, defanged=defanged):
        known = name.lower() in _PLATFORMS or (labels[0] in _SUBJECTS and not defanged)
        return ("", "") if known else ("file-name", name)
    if suffix not in TLDS:
        plausible = defanged and suffix.isalpha() and len(suffix) > 1
        return ("domain", name) if plausible else ("", "")
    if not defanged and _is_code(labels, name, text, start, end, before):
        return "", ""
    return "domain", name


def _is_file(labels: list[str], suffix: str, text: str, end: int, *, defanged: bool) -> bool:
    if suffix not in SUFFIXES or (suffix in _DOMAIN_FIRST and len(labels) == 2):
        return False
    if suffix not in TLDS:
        return True
    if defanged or labels[0].lower() == "www" or text.startswith("/", end):
        return False
    # cert.gov.pl is a host; archive.tar.zip is a file; a word of two labels is a file.
    return suffix not in _DOMAIN_FIRST and (len(labels) == 2 or labels[-2].lower() in SUFFIXES)


def _is_code(labels: list[str], name: str, text: str, start: int, end: int, before: str) -> bool:
    """Tell a word that stands as code does, or that only a forgotten space made."""
    last, first = labels[-1], labels[0].lower()
    if name.lower() in _PLATFORMS or before in "%#" or text[max(start - 2, 0) : start] in {"->", "::"}:
        return True
    if before == "/" and text[max(start - 2, 0)].isalnum():  # part of a path
        return True
    if not (last.islower() or name.upper() == name):  # "… was seen.In March": a sentence begins
        return True
    if first in _RECEIVERS or "_" in labels[-2]:  # a registered name has no underscore
        return True
    if text.startswith("(", end) or (last in _CODE_ENDINGS and _CALLED.match(text, end)):
        return True
    if last in _CODE_ENDINGS and len(labels) == 2:
        camel = first != labels[0] and not labels[0].isupper()
        return camel or (len(first) <= _SHORT_RECEIVER and first.isalpha())
    return False


def _international(name: str, *, defanged: bool) -> tuple[str, str]:
    """A name with letters beyond ASCII, or one in ASCII within a sentence that has no spaces."""
    suffix = name.rpartition(".")[2].lower()
    if suffix in SUFFIXES and suffix not in TLDS and not _is_mixed(name):
        return "file-name", name
    found = normal("domain", name)
    if found is not None and not _is_mixed(name) and (defanged or found.value.rpartition(".")[2] in TLDS):
        return "domain", name
    plain = PLAIN_HOST.search(name)
    if plain is None:
        return "", ""
    suffix = plain[0].rpartition(".")[2].lower()
    if suffix in SUFFIXES and suffix not in TLDS:
        return "file-name", plain[0]
    return ("domain", plain[0]) if suffix in TLDS else ("", "")


def _is_mixed(name: str) -> bool:
    """Return whether a label joins ASCII letters to a script without spaces: a sentence runs into the name."""
    return any(
        any("\u2e80" <= char <= "\ud7ff" or "\u0e00" <= char <= "\u0eff" for char in label)
        and any("a" <= char <= "z" for char in label.lower())
        for label in name.split(".")
    )
