"""Line formats: whatever items hold, a strict reader of the format finds the given values or they were counted."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity.formats.observables import KINDS
from comity.formats.sensors.item import REASONS, Item, Skipped
from comity.formats.sensors.sids import SID_FIRST, SID_LAST, SIDS_PER_VALUE
from tests.formats.consumers import ABOUT, AT, IDENT, item, written

NASTY = "\n\r\t\0\x0b\x1b\x85\u2028\u202e\u2066\ud800\ufeff\"';|\\$(){}[]<>&#=+-@,:!*%`~/ .aé中0"
text = st.one_of(st.text(max_size=20), st.text(NASTY, max_size=20))
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.builds(
        lambda host, bits: str(ip_network((host, bits), strict=False)),
        st.ip_addresses(v=4).map(int),
        st.integers(0, 31),
    ),
    st.builds(
        lambda host, bits: str(ip_network((host, bits), strict=False)),
        st.ip_addresses(v=6).map(int),
        st.integers(0, 127),
    ),
)
names = st.from_regex(r"\A(?:[a-z0-9_](?:[a-z0-9-]{0,8}[a-z0-9])?\.){1,4}[a-z]{2,6}\Z")
paths = st.text("abZ09._~!$&*+=:@/?-%;|'\"\\()é", max_size=12)
urls = st.builds(
    lambda scheme, user, host, port, path: f"{scheme}://{user}{host}{port}/{path}",
    st.sampled_from(["http", "https", "ftp", "gopher"]),
    st.sampled_from(["", "", "", "u:p@"]),
    st.one_of(names, st.just("[2001:db8::7]"), st.ip_addresses(v=4).map(str)),
    st.sampled_from(["", ":8080"]),
    st.one_of(paths, paths, paths.map(lambda path: path + "#x")),
)
hexadecimal = st.sampled_from([32, 40, 64, 128]).flatmap(
    lambda size: st.text("0123456789abcdef", min_size=size, max_size=size)
)
HASHES = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def _address(value: str) -> tuple[str, str]:
    return ("ipv6" if ":" in value else "ipv4", value)


good = st.one_of(
    addresses.map(_address),
    names.map(lambda value: ("domain", value)),
    urls.map(lambda value: ("url", value)),
    hexadecimal.map(lambda value: (HASHES[len(value)], value)),
    hexadecimal.map(lambda value: ("certificate", value)),
)
values = st.one_of(good, st.tuples(st.sampled_from([*KINDS, "bogus"]), st.one_of(text, good.map(lambda pair: pair[1]))))
items = st.builds(
    lambda value, name, source, ident, label, tlp, sure, time: item(
        *value, name=name, source=source, ident=ident, labels=(label, name), tlp=tlp, marking=label, confidence=sure,
        created=time, modified=time, valid_from=time, until=time,
    ),
    values, text, text, st.one_of(st.just(IDENT), text), text,
    st.sampled_from(["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED", "x\n"]),
    st.one_of(st.none(), st.integers(-5, 200)), st.sampled_from([0, AT, -1, 2**62, -(2**62)]),
)  # fmt: skip
hostile_about = st.builds(lambda title, node: ABOUT._replace(title=title, node=node, link=title), text, text)
Found = Counter[tuple[str, str]]


# Strict readers, each of one format: they refuse whatever the format's description does not say


def lines_of(data: bytes) -> list[str]:
    decoded = data.decode("utf-8")
    assert not decoded or decoded.endswith("\n")
    lines = decoded.split("\n")[:-1]
    assert all(line.replace("\t", "").rstrip("\r").isprintable() for line in lines)
    return lines


def bare(sign: str, lines: list[str]) -> Iterator[str]:
    return (line for line in lines if not line.startswith(sign))


OPTION = re.compile(r'([a-z_.0-9]+)(?::(?:"([^";\\]*)"((?:,[a-z0-9_ ]+)*)|([^";\\]*)))?;(?: |$)')


def options_of(line: str, header: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what stands before the options, and the options; nothing in a quoted text is left to be undone."""
    found = re.fullmatch(rf"alert ({header}) \((.*)\)", line)
    assert found, line
    options, at = [], 0
    while at < len(found[2]):
        option = OPTION.match(found[2], at)
        assert option, line
        options.append((option[1], option[2] if option[2] is not None else (option[4] or "")))
        at = option.end()
    return found[1], options


def plain_content(content: str) -> str:
    made = b""
    for place, part in enumerate(content.split("|")):
        made += bytes.fromhex(part) if place % 2 else part.encode("ascii")
    return made.decode()


def of_rules(data: bytes, header: str, read: Callable[[str, list[tuple[str, str]]], tuple[str, str]]) -> Found:
    found: dict[int, set[tuple[str, str]]] = {}
    seen: set[int] = set()
    for line in bare("#", lines_of(data)):
        assert len(line.encode()) < 8_191
        before, options = options_of(line, header)
        named = dict(options)
        assert [name for name, _ in options if name in {"msg", "sid", "rev", "metadata"}] == [
            "msg",
            "metadata",
            "rev",
            "sid",
        ]
        assert 1 <= int(named["rev"]) < 2**31
        sid = int(named["sid"])
        assert SID_FIRST <= sid <= SID_LAST and sid not in seen
        seen.add(sid)
        found.setdefault(sid // SIDS_PER_VALUE, set()).add(read(before, options))
    assert all(len(values) == 1 for values in found.values())  # every rule of a block is about one value
    return Counter(value for values in found.values() for value in values)


SURICATA = r"ip any any <> [0-9a-f.:/]+ any|(?:dns|tls|http) any any -> any any"
SNORT = r"ip any any <> [0-9a-f.:/]+ any|udp any any -> any 53|http"


def suricata_rule(before: str, options: list[tuple[str, str]]) -> tuple[str, str]:
    if before.startswith("ip "):
        assert [name for name, _ in options] == ["msg", "metadata", "rev", "sid"]
        return _address(before.split()[4])
    contents = [plain_content(value) for name, value in options if name == "content"]
    sizes = [int(value) for name, value in options if name == "bsize"]
    words = [name for name, _ in options if name not in {"msg", "metadata", "rev", "sid", "content", "bsize", "nocase"}]
    if words == ["tls.cert_fingerprint"]:
        return "certificate", contents[0].replace(":", "")
    assert sizes == [len(content.encode()) for content in contents]
    if words == ["http.user_agent"]:
        return "user-agent", contents[0]
    if len(words) == 1:
        assert words[0] in {"dns.query", "tls.sni", "http.host"}
        return "domain", contents[0]
    assert words[0] in {"http.host", "http.host.raw"} and words[1] in {"http.uri", "http.uri.raw"}
    return "url", "".join(contents)


def snort_rule(before: str, options: list[tuple[str, str]]) -> tuple[str, str]:
    if before.startswith("ip "):
        return _address(before.split()[4])
    contents = [value for name, value in options if name == "content"]
    sizes = [int(value) for name, value in options if name == "bufferlen"]
    fields = [value for name, value in options if name == "http_header"]
    if before.startswith("udp"):
        parts = contents[0].split("|")
        assert parts[0] == parts[-1] == "" and parts[-2] == "00"
        labels = parts[2:-2:2]
        assert [int(size, 16) for size in parts[1:-2:2]] == [len(label) for label in labels]
        return "domain", ".".join(labels)
    plain = [plain_content(content) for content in contents]
    assert sizes == [len(content.encode()) for content in plain]
    if fields == ["field user-agent"]:
        return "user-agent", plain[0]
    assert fields == ["field host"]
    return ("url", "".join(plain)) if len(plain) == 2 else ("domain", plain[0])


def without_scheme(kind: str, value: str) -> tuple[str, str]:
    return (kind, re.sub(r"\A(?:https?|ftp)://", "", value)) if kind == "url" else (kind, value)


INTEL = {"URL": "url", "DOMAIN": "domain", "EMAIL": "email", "FILE_HASH": "hash", "FILE_NAME": "file-name"}
INTEL |= {"SOFTWARE": "user-agent", "CERT_HASH": "certificate"}


def of_zeek(data: bytes) -> Found:
    def plain(field: str) -> str:
        return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), field)

    head, *lines = lines_of(data)
    assert head == "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\tmeta.url"
    found: Found = Counter()
    for line in lines:
        assert not line.startswith("#")
        indicator, type_, source, said, link = line.split("\t")
        assert "" not in (indicator, source, said, link) and indicator not in {"-", "(empty)"}
        assert source != "-"
        value, word = plain(indicator), type_.removeprefix("Intel::")
        if word in {"ADDR", "SUBNET"}:
            assert ("/" in value) == (word == "SUBNET")
        found[_address(value) if word in {"ADDR", "SUBNET"} else (INTEL[word], value)] += 1
    return found


def zeek_name(kind: str, value: str) -> tuple[str, str]:
    return ("hash", value) if kind in {"md5", "sha1", "sha256"} else without_scheme(kind, value)


def of_zone(data: bytes) -> Found:
    found: Found = Counter()
    lines = list(bare(";", lines_of(data)))
    assert re.fullmatch(r"\$TTL \d+", lines[0]) and re.fullmatch(r"@ IN SOA [a-z.]+ [a-z.]+(?: \d+){5}", lines[1])
    assert lines[2] == "@ IN NS localhost."
    for line in lines[3:]:
        owner = re.fullmatch(r"([a-z0-9_.-]+) CNAME \.", line)
        assert owner, line
        labels = owner[1].split(".")
        if labels[-1] != "rpz-ip":
            found["domain", owner[1]] += 1
            continue
        length, *parts = labels[:-1]
        if len(parts) == 4 and "zz" not in parts:
            shown = ".".join(reversed(parts))
        else:
            if "zz" in parts:
                at = parts.index("zz")
                parts[at : at + 1] = ["0"] * (9 - len(parts))
            shown = str(ip_address(bytes.fromhex("".join(part.zfill(4) for part in reversed(parts)))))
        network = ip_network(f"{shown}/{length}")
        found[_address(shown if network.prefixlen == network.max_prefixlen else str(network))] += 1
    return found


def of_hosts(data: bytes) -> Found:
    matches = [re.fullmatch(r"0\.0\.0\.0 ([a-z0-9_.-]+)", line) for line in bare("#", lines_of(data))]
    assert all(matches)
    return Counter(("domain", match[1]) for match in matches if match)


def of_pf(data: bytes) -> Found:
    lines = list(bare("#", lines_of(data)))
    assert all(re.fullmatch(r"[0-9a-f.:/]+", line) for line in lines)
    return Counter(map(_address, lines))


def of_nftables(data: bytes) -> Found:
    found: Found = Counter()
    for line in bare("#", lines_of(data)):
        if line == "add table inet comity" or re.fullmatch("flush set inet comity ipv[46]", line):
            continue
        if re.fullmatch(
            r'add set inet comity (ipv[46]) \{ type \1_addr; flags interval;(?: comment "[^"\\]{1,128}";)? \}', line
        ):
            continue
        match = re.fullmatch(r"add element inet comity ipv[46] \{ ([0-9a-f.:/, ]+) \}", line)
        assert match, line
        found.update(map(_address, match[1].split(", ")))
    return found


IPSET = r"(?:create comity-v[46](?:-next)? hash:net family inet6? maxelem \d+ comment|flush comity-v[46]-next|"
IPSET += r"swap (comity-v[46]) \1-next|destroy comity-v[46]-next)"


def of_ipset(data: bytes) -> Found:
    found: Found = Counter()
    for line in lines_of(data):
        if re.fullmatch(IPSET, line):
            continue
        match = re.fullmatch(r'add comity-v[46]-next ([0-9a-f.:/]+)(?: comment "[^"\\]{1,255}")?', line)
        assert match, line
        found[_address(match[1])] += 1
    return found


def of_csv(data: bytes) -> Found:
    found: Found = Counter()
    rows = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert data.count(b"\r\n") == len(rows)  # no record has a line end inside
    assert all(len(row) == len(rows[0]) for row in rows)
    for row in rows[1:]:
        assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in row)
        kind, value = row[0], row[1]
        found[kind, value.removeprefix("'")] += 1
    return found


def of_splunk(data: bytes) -> Found:
    found: Found = Counter()
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))
    for row in rows:
        assert 1 <= int(row["weight"]) <= 100
        assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in row.values())
        ((column, value),) = [pair for pair in row.items() if pair[1] and pair[0] not in {"description", "weight"}]
        found[column, value] += 1
    return found


SPLUNK = {"ipv4": "ip", "ipv6": "ip", "email": "src_user", "user-agent": "http_user_agent", "file-name": "file_name"}
SPLUNK |= dict.fromkeys(HASHES.values(), "file_hash") | {"registry-key": "registry_path"}


def of_elastic(data: bytes) -> Found:
    found: Found = Counter()
    lines = data.split(b"\n")
    assert lines.pop() == b"" and len(lines) % 2 == 0
    for action, document in zip(lines[::2], lines[1::2], strict=True):
        assert re.fullmatch(rb'\{"index":\{"_id":"[0-9a-f]{32}"\}\}', action)
        tree = json.loads(document)
        indicator = tree["threat"]["indicator"]
        assert indicator["confidence"] in {"Not Specified", "None", "Low", "Medium", "High"}
        dates = [indicator.get("first_seen"), indicator.get("modified_at"), tree["event"].get("created")]
        assert all(date is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date) for date in dates)
        found[indicator["type"], indicator["name"]] += 1
    return found


ECS = {
    "ipv4": "ipv4-addr",
    "ipv6": "ipv6-addr",
    "domain": "domain-name",
    "email": "email-addr",
    "asn": "autonomous-system",
}
ECS |= dict.fromkeys((*HASHES.values(), "file-name", "file-path"), "file") | {"registry-key": "windows-registry-key"}


def same(kind: str, value: str) -> tuple[str, str]:
    return kind, value


READERS: dict[str, tuple[Callable[[bytes], Found], Callable[[str, str], tuple[str, str]]]] = {
    "suricata": (lambda data: of_rules(data, SURICATA, suricata_rule), without_scheme),
    "snort3": (lambda data: of_rules(data, SNORT, snort_rule), without_scheme),
    "zeek": (of_zeek, zeek_name),
    "rpz": (of_zone, same),
    "hosts": (of_hosts, same),
    "nftables": (of_nftables, same),
    "ipset": (of_ipset, same),
    "pf": (of_pf, same),
    "csv": (of_csv, same),
    "splunk": (of_splunk, lambda kind, value: (SPLUNK.get(kind, kind), value)),
    "elastic": (of_elastic, lambda kind, value: (ECS.get(kind, kind), value)),
}


@pytest.mark.parametrize("form", READERS)
@given(given_items=st.lists(items, max_size=12, unique_by=lambda one: (one.kind, one.value)), about=hostile_about)
@example(
    given_items=[item("text", "=1+1"), item("url", 'http://a.example/|";)'), item("user-agent", '";)|\\x')], about=ABOUT
)
@example(
    given_items=[item("domain", f"{'a' * 64}.example"), item("ipv4", "192.0.2.7\n"), item("ipv6", "fe80::1%eth0")],
    about=ABOUT,
)
@example(given_items=[item("file-name", "-"), item("file-name", "(empty)"), item("file-name", "#\\x41")], about=ABOUT)
def test_what_a_strict_reader_finds_is_what_was_given_and_not_counted_as_left_out(
    form: str, given_items: list[Item], about: object
) -> None:
    read, shown = READERS[form]
    skipped = Skipped()
    found = read(written(form, given_items, about, skipped))  # type: ignore[arg-type]
    given_values = Counter(shown(one.kind, one.value) for one in given_items)
    assert found <= given_values
    assert found.total() + skipped.total == len(given_items)
    assert {rule for _, rule in skipped.counts} <= set(REASONS)
    assert len(skipped.shown) == skipped.total and all(loss.reason.isprintable() for loss in skipped.shown)
