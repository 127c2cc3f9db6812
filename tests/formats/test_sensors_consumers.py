"""What goes out, given to the programs that take it: they load it, and find what it names and nothing else."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
import time
from base64 import b64decode
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from comity.formats.sensors.item import Gone, Item, Skipped
from comity.formats.sensors.names import NAME_OCTETS_MAX, ORIGIN_OCTETS
from tests.formats.consumers import ABOUT, AT, IDENT, item, network_apart, removed, run, tool, written

HOSTILE = (
    'n"; sid:1; drop ip any any',
    "a | b ; } flush ruleset # \\",
    "line\nsecond\r\n; $INCLUDE /etc/passwd",
    "tab\tnul\0 \u202e\u2066 $(reboot) `id` =1+1 ’é中文",
    "\\",
    "",
)
LABEL = "a" * 63
LONG = ".".join([LABEL, LABEL, LABEL[:57], "example"])  # 193 characters: more than a zone of any name may hold
ADDRESSES = (
    "192.0.2.7",
    "198.51.100.0/24",
    "2001:db8::7",
    "2001:db8:1::/48",
    "2001:db8:0:1::",
    "::1",
    "2001:db8:2:0:1:0:1:0",
)
NAMES = ("bad.example", "_dmarc.bad.example", "xn--bcher-kva.example", "a-b.c--d.bad.example")
URLS = (
    "http://bad.example/",
    "https://bad.example:8443/gate.php?id=1&x=%2F;a|b",
    "http://192.0.2.7/a//b/../c\\d",
    "http://[2001:db8::7]/x",
    "http://bad.example/a?q='$(id)`!",
)
AGENTS = ('Evil/1.0 (a; b|c) "q" \\ : x', "$(id) `x` #", "é")
HASHES = {"md5": "a" * 32, "sha1": "b" * 40, "sha256": "c" * 64}


def everything() -> list[Item]:
    """Return good values of every kind, each named by something hostile."""
    values = [("ipv6" if ":" in value else "ipv4", value) for value in ADDRESSES]
    values += [("domain", name) for name in NAMES] + [("url", url) for url in URLS]
    values += [("user-agent", agent) for agent in AGENTS] + list(HASHES.items()) + [("certificate", "d" * 40)]
    return [
        item(
            kind,
            value,
            name=HOSTILE[place % len(HOSTILE)],
            source=HOSTILE[-1 - place % len(HOSTILE)],
            ident=(IDENT, *HOSTILE)[place % (len(HOSTILE) + 1)],
        )
        for place, (kind, value) in enumerate(values)
    ]


HOSTILE_ABOUT = ABOUT._replace(title=HOSTILE[2], node='x"; y\n$ORIGIN z', link="https://x\ny")


# Name servers


@pytest.mark.parametrize("form", ["rpz", "rpz-below"])
def test_bind_takes_a_response_policy_zone(form: str, tmp_path: Path) -> None:
    check = tool("named-checkzone")
    skipped = Skipped()
    items = [*everything(), item("domain", LONG)]
    (tmp_path / "zone").write_bytes(written(form, items, HOSTILE_ABOUT, skipped))
    origin = ".".join(["z" * 54, "example"])
    assert len(origin) + 2 <= ORIGIN_OCTETS
    dumped = run(check, "-D", "-o", "-", origin, tmp_path / "zone")
    assert dumped.returncode == 0, dumped.stderr
    assert f"serial {ABOUT.serial}" in dumped.stderr
    owners = {line.split()[0] for line in dumped.stdout.splitlines() if " CNAME" in line or "\tCNAME" in line}
    relative = {owner.removesuffix(f".{origin}.") for owner in owners}
    assert {name for name in relative if not name.endswith(".rpz-ip")} == {
        *NAMES,
        *((f"*.{name}" for name in NAMES) if form == "rpz-below" else ()),
    }
    assert len([name for name in relative if name.endswith(".rpz-ip")]) == len(ADDRESSES)
    assert skipped.counts["domain", "length"] == 1


def test_the_longest_name_of_a_zone_fits_under_the_longest_origin(tmp_path: Path) -> None:
    check = tool("named-checkzone")
    room = NAME_OCTETS_MAX - ORIGIN_OCTETS - 1  # characters, beside the first length
    name = LONG[: room - len(".example")].rstrip(".") + ".example"
    origin = "z" * (ORIGIN_OCTETS - 10) + ".example"
    (tmp_path / "zone").write_bytes(written("rpz", [item("domain", name)]))
    answer = run(check, "-D", "-o", "-", origin, tmp_path / "zone")
    assert answer.returncode == 0 and name in answer.stdout


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_bind_loads_every_trigger_of_a_policy_zone(tmp_path: Path) -> None:
    """A name server refuses an address that is not in the one form it writes itself, with a line in its log."""
    server = tool("named")
    made = [*ADDRESSES, *(str(ip_address((0x20010DB8 << 96) | 0x10001 << shift)) for shift in range(0, 96, 7))]
    made += ["2001:db8::1:0:0:1", "2001:db8:0:0:1::", "2001:db8:1::1:0:0:0", "1::", "::", "::1:0:0:0:0:0"]
    made += [str(ip_network(((0x20010DB8 << 96) | (5 << 66), 64 - shift), strict=False)) for shift in range(0, 20, 3)]
    items = [item("ipv6" if ":" in value else "ipv4", value) for value in dict.fromkeys(made)]
    (tmp_path / "policy").write_bytes(written("rpz", [*items, item("domain", "bad.example")]))
    (tmp_path / "bad").write_bytes(written("rpz", []) + b"64.0.0.0.0.0.db8.2001.rpz-ip CNAME .\n")
    (tmp_path / "named.conf").write_text(
        f"""options {{ directory "{tmp_path}"; listen-on port {free_port()} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
        recursion yes; pid-file none; session-keyfile none; dnssec-validation no;
        response-policy {{ zone "policy.invalid"; zone "bad.invalid"; }}; }};
        controls {{ }};
        zone "policy.invalid" {{ type primary; file "{tmp_path}/policy"; }};
        zone "bad.invalid" {{ type primary; file "{tmp_path}/bad"; }};"""
    )
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([server, "-g", "-c", str(tmp_path / "named.conf")], stderr=log, cwd=tmp_path)
    try:
        for _ in range(100):
            said = (tmp_path / "log").read_text()
            if said.count("reload done") >= 2 or process.poll() is not None:
                break
            time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(10)
    refused = re.findall(r'rpz IP address "(.*)" is not the canonical', said)
    assert refused == ["64.0.0.0.0.0.db8.2001"]  # ours are silent, and silence means something
    assert not [
        line for line in said.splitlines() if "invalid" in line.replace("policy.invalid", "").replace("bad.invalid", "")
    ]


# Packet filters, in a network of their own


def test_nftables_fills_its_sets_and_leaves_the_rest_of_the_table(tmp_path: Path) -> None:
    nft, apart = tool("nft"), network_apart()
    items = [*everything(), item("ipv4", "198.51.100.9"), item("ipv4", "198.51.100.0/25"), item("ipv4", "192.0.2.7")]
    skipped = Skipped()
    (tmp_path / "new.nft").write_bytes(written("nftables", items, HOSTILE_ABOUT, skipped))
    (tmp_path / "old.nft").write_bytes(written("nftables", [item("ipv4", "203.0.113.1")]))
    gone = [
        Gone("ipv4", "192.0.2.7", IDENT, AT),
        Gone("ipv6", "2001:db8::7", IDENT, AT),
        Gone("ipv4", "1; x", IDENT, AT),
    ]
    (tmp_path / "gone.nft").write_bytes(removed("nftables", gone))
    (tmp_path / "run").write_text(
        f"set -e\n{nft} -c -f new.nft\n{nft} -f old.nft\n{nft} add chain inet comity mine\n{nft} -f new.nft\n"
        f"{nft} -j list table inet comity\n{nft} -f gone.nft\n{nft} -j list table inet comity\n"
    )
    answer = run(*apart, "sh", "run", folder=tmp_path)
    assert answer.returncode == 0, answer.stderr
    before, after = (json.loads(line)["nftables"] for line in answer.stdout.splitlines())
    assert [part for part in before if part.get("chain", {}).get("name") == "mine"]
    assert elements(before) == set(ADDRESSES)
    assert elements(after) == set(ADDRESSES) - {"192.0.2.7", "2001:db8::7"}
    assert skipped.counts["ipv4", "covered"] == 3


def elements(tree: list[dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    for part in tree:
        for element in part.get("set", {}).get("elem", []):
            prefix = element["prefix"] if isinstance(element, dict) else None
            found.add(element if prefix is None else f"{prefix['addr']}/{prefix['len']}")
    return found


def test_nftables_refuses_the_removal_of_what_is_not_there(tmp_path: Path) -> None:
    """What the reference promises: a removal that does not fit changes nothing, and the full list is to be taken."""
    nft, apart = tool("nft"), network_apart()
    (tmp_path / "new.nft").write_bytes(written("nftables", everything()))
    gone = [Gone("ipv4", "192.0.2.7", IDENT, AT), Gone("ipv4", "203.0.113.9", IDENT, AT)]
    (tmp_path / "gone.nft").write_bytes(removed("nftables", gone))
    (tmp_path / "run").write_text(f"{nft} -f new.nft\n{nft} -f gone.nft\n{nft} -j list table inet comity\n")
    answer = run(*apart, "sh", "run", folder=tmp_path)
    assert "does not exist" in answer.stderr
    assert elements(json.loads(answer.stdout)["nftables"]) == set(ADDRESSES)


def test_ipset_swaps_its_sets_and_deletes_what_is_gone(tmp_path: Path) -> None:
    ipset, apart = tool("ipset"), network_apart()
    items = [*everything(), item("ipv4", "192.0.2.7", ident='i"d \\ \n add x'), item("ipv4", "192.0.2.0/24")]
    (tmp_path / "new").write_bytes(written("ipset", items, HOSTILE_ABOUT))
    (tmp_path / "old").write_bytes(written("ipset", [item("ipv4", "203.0.113.1")]))
    (tmp_path / "gone").write_bytes(
        removed("ipset", [Gone("ipv4", "192.0.2.7", IDENT, AT), Gone("ipv4", "203.0.113.9", IDENT, AT)])
    )
    restore = f"{ipset} -exist restore"
    (tmp_path / "run").write_text(
        f"set -e\n{restore} < old\n{restore} < new\n{ipset} save\necho --\n{restore} < gone\n{ipset} save\n"
    )
    answer = run(*apart, "sh", "run", folder=tmp_path)
    if "Cannot open session to kernel" in answer.stderr:
        pytest.skip("this kernel has no ipset")
    assert answer.returncode == 0, answer.stderr
    before, _, after = answer.stdout.partition("--\n")
    wanted = {*ADDRESSES, "192.0.2.0/24"}
    assert members(before) == wanted
    assert members(after) == wanted - {"192.0.2.7"}
    assert "next" not in before


def members(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("add ")}


# Suricata


def suricata(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run Suricata on `test.rules` with a configuration of its own."""
    program = tool("suricata")
    (folder / "suricata.yaml").write_text(
        "%YAML 1.1\n---\nvars: {address-groups: {HOME_NET: any, EXTERNAL_NET: any}, port-groups: {HTTP_PORTS: 80}}\n"
        "outputs:\n  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert]}\n"
        "app-layer: {protocols: {dns: {udp: {enabled: yes}, tcp: {enabled: yes}}, http: {enabled: yes},"
        " tls: {enabled: yes}, smb: {enabled: yes}, smtp: {enabled: yes}, ftp: {enabled: yes}}}\n"
        "stats: {enabled: no}\nstream: {midstream: true, checksum-validation: no}\n"
    )
    command = [program, "-c", folder / "suricata.yaml", "-S", folder / "test.rules", "-l", folder, *more]
    return run(*command, folder=folder)


def test_suricata_loads_every_rule(tmp_path: Path) -> None:
    skipped = Skipped()
    made = written("suricata", everything(), HOSTILE_ABOUT, skipped)
    (tmp_path / "test.rules").write_bytes(made)
    answer = suricata(tmp_path, "-T", "-v")
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    count = made.count(b"\nalert ")
    assert f"{count} rules successfully loaded, 0 rules failed" in said
    assert not re.findall(r"^(?:E|Warning|Error).*", said, re.MULTILINE)
    # All but hashes, which need lists, and a user agent that is not ASCII has a place too.
    assert {kind for kind, _ in skipped.counts} == set(HASHES)


def lists(folder: Path, items: list[Item]) -> None:
    """Write the rules that load lists, and every list they may ask for."""
    (folder / "test.rules").write_bytes(written("suricata-lists", items))
    for form in ("ip", "domain", "user-agent", "md5", "sha1", "sha256"):
        (folder / f"comity-{form}.lst").write_bytes(written(f"suricata-{form}", items))


def test_suricata_loads_its_lists(tmp_path: Path) -> None:
    lists(tmp_path, everything())
    answer = suricata(tmp_path, "-T", "-vvv")
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    assert "18 rules successfully loaded, 0 rules failed" in said
    agents = (tmp_path / "comity-user-agent.lst").read_text().split()
    assert [b64decode(line).decode() for line in agents] == list(AGENTS)


def test_suricata_asks_only_for_lists_that_have_something(tmp_path: Path) -> None:
    lists(tmp_path, [item("sha256", "c" * 64)])
    for name in ("ip", "domain", "user-agent", "md5", "sha1"):
        (tmp_path / f"comity-{name}.lst").unlink()
    assert suricata(tmp_path, "-T").returncode == 0


# Traffic for Suricata: packets by hand, as RFC 791, 768, 9293 and 1035 have them


def ip_packet(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(payload),
        1,
        0,
        64,
        protocol,
        0,
        socket.inet_aton(source),
        socket.inet_aton(target),
    )
    return head + payload


def udp(source: str, target: str, port: int, data: bytes) -> bytes:
    return ip_packet(source, target, 17, struct.pack(">HHHH", 40_000, port, 8 + len(data), 0) + data)


def session(target: str, port: int, request: bytes, local: int) -> list[bytes]:
    """Return the packets of one TCP connection that carries a request and is closed."""
    client = "192.0.2.200"

    def segment(back: bool, sequence: int, acknowledged: int, flags: int, data: bytes = b"") -> bytes:
        ports = (port, local) if back else (local, port)
        head = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledged, 0x50, flags, 8_192, 0, 0)
        return ip_packet(*((target, client) if back else (client, target)), 6, head + data)

    end = 1_001 + len(request)
    return [
        segment(False, 1_000, 0, 0x02),
        segment(True, 5_000, 1_001, 0x12),
        segment(False, 1_001, 5_001, 0x10),
        segment(False, 1_001, 5_001, 0x18, request),
        segment(True, 5_001, end, 0x11),
        segment(False, end, 5_002, 0x11),
        segment(True, 5_002, end + 1, 0x10),
    ]


def question(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def hello(name: str) -> bytes:
    """Return a TLS 1.2 ClientHello with a server name (RFC 5246 §7.4.1.2, RFC 6066 §3)."""
    server = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name.encode()
    extensions = struct.pack(">HH", 0, len(server)) + server
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack(">HH", 2, 0xC02F) + b"\x01\0"
    body += struct.pack(">H", len(extensions)) + extensions
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def get(host: str, path: str, agent: str = "x") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n".encode()


def capture(packets: list[bytes]) -> bytes:
    """Return packets as a capture file of raw IP (link type 101)."""
    found = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)
    for place, packet in enumerate(packets):
        found += struct.pack("<IIII", AT + place // 1_000, place % 1_000 * 1_000, len(packet), len(packet)) + packet
    return found


def alerts(folder: Path, packets: list[bytes]) -> set[str]:
    """Return the kinds and values that Suricata alerted on, by their messages."""
    (folder / "in.pcap").write_bytes(capture(packets))
    answer = suricata(folder, "-k", "none", "-r", str(folder / "in.pcap"), "--runmode", "single")
    assert answer.returncode == 0, answer.stderr
    lines = (folder / "eve.json").read_text().splitlines()
    return {json.loads(line)["alert"]["signature"].removeprefix("Comity ") for line in lines}


TRAFFIC = [
    udp("192.0.2.200", "192.0.2.53", 53, question("BaD.example")),
    udp("192.0.2.200", "192.0.2.53", 53, question("below.bad.example")),
    udp("192.0.2.200", "203.0.113.7", 9, b"x"),
    *session("203.0.113.80", 443, hello("tls.example"), 40_001),
    *session("203.0.113.81", 80, get("web.example", "/gate.php?id=1", "Evil/1.0 (a; b|c)"), 40_002),
    *session("203.0.113.82", 8080, get("web.example:8080", "/a//b%2f"), 40_003),
    *session("203.0.113.83", 80, get("web.example", "/gate.php?id=12"), 40_004),
]


def named(kind: str, value: str) -> Item:
    return item(kind, value, name=value)


def test_suricata_alerts_on_what_rules_name_and_on_nothing_near_it(tmp_path: Path) -> None:
    met = [
        named("domain", "bad.example"),
        named("domain", "tls.example"),
        named("ipv4", "203.0.113.7"),
        item("url", "http://web.example/gate.php?id=1", name="first"),
        item("url", "http://web.example:8080/a//b%2f", name="second"),
        item("user-agent", "Evil/1.0 (a; b|c)", name="third"),
    ]
    near = [
        named("domain", "ad.example"),
        named("domain", "example.bad.example"),
        named("domain", "ls.example"),
        named("ipv4", "203.0.113.8"),
        item("url", "http://web.example/gate.php", name="near"),
        item("url", "http://web.example:8081/a//b%2f", name="near"),
        item("url", "http://web.example/GATE.php?id=1", name="near"),
        item("user-agent", "Evil/1.0 (a; b|c", name="near"),
    ]
    (tmp_path / "test.rules").write_bytes(written("suricata", [*met, *near]))
    assert alerts(tmp_path, TRAFFIC) == {
        "domain bad.example",
        "domain tls.example",
        "ipv4 203.0.113.7",
        "url first",
        "url second",
        "user-agent third",
    }


def test_suricata_alerts_on_what_lists_name(tmp_path: Path) -> None:
    lists(
        tmp_path,
        [named("domain", "tls.example"), named("ipv4", "203.0.113.7"), named("user-agent", "Evil/1.0 (a; b|c)")],
    )
    assert alerts(tmp_path, TRAFFIC) == {
        "list of domain over tls",
        "list of ip over ip",
        "list of user-agent over http",
    }
