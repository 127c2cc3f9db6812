"""Syslog receivers on loopback, and parsers of what they get that share nothing with the writers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from comity.http.tls import self_signed
from tests.cli.conftest import free_port, until

# RFC 5424 §6: HEADER SP STRUCTURED-DATA [SP MSG], with the lengths that the grammar allows.
SYSLOG = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>(?P<version>[1-9][0-9]{0,2}) "
    rb"(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})) "
    rb"(?P<host>[\x21-\x7e]{1,255}) (?P<app>[\x21-\x7e]{1,48}) (?P<proc>[\x21-\x7e]{1,128}) "
    rb"(?P<msgid>[\x21-\x7e]{1,32}) (?P<data>-|\[.*?\])(?: (?P<msg>.*))?",
    re.DOTALL,
)


def octets(stream: bytes) -> list[bytes]:
    """Split a stream by counted octets (RFC 5425 §4.3), strictly."""
    found = []
    while stream:
        digits = re.match(rb"([1-9][0-9]*) ", stream)
        assert digits, stream[:80]
        size = int(digits[1])
        rest = stream[digits.end() :]
        assert len(rest) >= size, "a frame is cut"
        found.append(rest[:size])
        stream = rest[size:]
    return found


@dataclass
class Cef:
    header: list[str]
    extension: dict[str, str]


def read_cef(line: str) -> Cef:
    """Read a line of CEF character by character."""
    assert line.startswith("CEF:0|")
    header, at, cell = [], len("CEF:0|"), ""
    while len(header) < 6:
        char = line[at]
        if char == "\\":
            assert line[at + 1] in "\\|", "an escape that a header does not have"
            cell += line[at + 1]
            at += 2
            continue
        if char == "|":
            header.append(cell)
            cell = ""
        else:
            cell += char
        at += 1
    extension: dict[str, str] = {}
    rest = line[at:]
    starts = [
        match
        for match in re.finditer(r"(?:\A| )([A-Za-z0-9_.]+)=", rest)
        if not re.search(r"(?<!\\)(?:\\\\)*\\\Z", rest[: match.end() - 1])
    ]
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(rest)
        raw = rest[match.end() : end]
        assert not re.search(r"(?<!\\)(?:\\\\)*=", raw), "an equals sign that is not escaped"
        extension[match[1]] = re.sub(r"\\(.)", lambda one: {"n": "\n", "r": "\r"}.get(one[1], one[1]), raw)
    return Cef(header, extension)


@dataclass
class Siem:
    """Takes syslog over TLS, TCP or UDP and keeps the bytes."""

    folder: Path
    scheme: str
    reads: bool = True
    streams: list[bytearray] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "siem.pem"

    @property
    def frames(self) -> list[bytes]:
        if self.scheme == "udp":
            return [bytes(one) for one in self.streams]
        return [frame for stream in self.streams for frame in octets(bytes(stream))]

    @contextlib.contextmanager
    def serve(self) -> Iterator[Siem]:
        made = self_signed(["127.0.0.1"], at=int(time.time()))
        self.certificate.write_bytes(made.certificate)
        (self.folder / "siem.key").write_bytes(made.key)
        kind = socket.SOCK_DGRAM if self.scheme == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as door:
            if not self.reads:
                door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            door.bind(("127.0.0.1", 0))
            self.port = door.getsockname()[1]
            if self.scheme != "udp":
                door.listen()
            threading.Thread(target=self._take, args=(door,), daemon=True).start()
            yield self
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)

    def _take(self, door: socket.socket) -> None:
        while True:
            try:
                if self.scheme == "udp":
                    self.streams.append(bytearray(door.recv(65_536)))
                    continue
                connection, _ = door.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if not self.reads:
                time.sleep(3_600)
            if self.scheme == "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.certificate, self.folder / "siem.key")
                connection = context.wrap_socket(connection, server_side=True)
            stream = bytearray()
            while chunk := connection.recv(65_536):
                stream += chunk
            self.streams.append(stream)
            connection.close()


@contextlib.contextmanager
def rsyslog(folder: Path, scheme: str) -> Iterator[tuple[str, Path, Path]]:
    """Run the real rsyslog unprivileged; give its address, its certificate and the file it writes."""
    program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if program is None:
        pytest.skip("rsyslogd is not installed: apt-get install rsyslog rsyslog-openssl")
    made = self_signed(["127.0.0.1"], at=int(time.time()))
    certificate, key, out, config = (folder / name for name in ("r.pem", "r.key", "out", "rsyslog.conf"))
    certificate.write_bytes(made.certificate)
    key.write_bytes(made.key)
    port = free_port()
    tls = 'StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"' if scheme == "tls" else ""
    load = f'module(load="imtcp" {tls})' if scheme != "udp" else 'module(load="imudp")'
    listen = f'input(type="im{"udp" if scheme == "udp" else "tcp"}" port="{port}" address="127.0.0.1")'
    fields = "%pri%\\t%timestamp:::date-rfc3339%\\t%hostname%\\t%app-name%\\t%procid%\\t%msgid%\\t%msg%\\n"
    config.write_text(
        f'global(workDirectory="{folder}" maxMessageSize="64k" DefaultNetstreamDriverCAFile="{certificate}"\n'
        f'  DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}")\n'
        f'{load}\n{listen}\ntemplate(name="t" type="string" string="{fields}")\n'
        f'action(type="omfile" file="{out}" template="t")\n'
    )
    modules = os.environ.get("RSYSLOG_MODDIR")
    more = ["-M", modules] if modules else []
    process = subprocess.Popen(
        [program, "-n", "-f", str(config), "-i", str(folder / "pid"), *more],
        stdout=subprocess.DEVNULL, stderr=(folder / "errors").open("wb"),
    )  # fmt: skip
    try:
        if scheme != "udp":
            until(lambda: _answers(port), f"rsyslog listens: {(folder / 'errors').read_text()}")
        yield f"{scheme}://127.0.0.1:{port}", certificate, out
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
