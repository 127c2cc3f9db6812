"""What lies in a node's directory, and what an operator may set there: one table, with units and reasons.

Rules: an unknown name or a value of another kind is an error that names it, never ignored; nothing is read
from the environment but where the node's directory is. A setting that weakens something says so by its name.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from comity import canon
from comity.canon import PartyId
from comity.errors import ComityError, Fault, Malformed, Misuse, NotFound

if TYPE_CHECKING:
    from comity.http.proxy import Proxy

FILE: Final = "settings.toml"
KEYS: Final = "keys"  # 0700; each file 0600
DATABASE: Final = "node.db"
RUN: Final = "run"  # what belongs to this machine and not to a backup
SOCKET: Final = "local.sock"  # in RUN
SPOOL: Final = "spool"  # in RUN: what programs send, until it is brought in
SYNC_SECONDS_MIN: Final = 1  # below it a node would do nothing but ask


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node's settings; `TABLE` says what each is for."""

    party: str
    office: str = ""
    time_zone: str = "Etc/UTC"
    listen: str = ""
    api_listen: str = ""
    taxii_listen: str = ""
    taxii_clients: str = ""
    taxii_address: str = ""
    misp_listen: str = ""
    plain_http: bool = False
    tls_certificate: str = "tls.pem"
    tls_key: str = "tls.key"
    allow_networks: tuple[str, ...] = ()
    sync_seconds: int = 60
    request_seconds: int = 60
    outbound_proxy: str = ""
    outbound_proxy_login: str = ""
    no_proxy: tuple[str, ...] = ()
    log_format: str = "console"
    log_requests: bool = False


class Row(NamedTuple):
    """One setting, for people."""

    name: str
    unit: str
    reason: str


TABLE: Final = (
    Row("party", "a domain name", "whose node this is; written by `comity init` and never changed"),
    Row("office", "an office's short name", "who acts where a command does not say `--as`; empty: it must say"),
    Row("time_zone", "an IANA name", "in which times are shown, beside UTC"),
    Row("listen", "address:port", "where other nodes reach this one; empty: it only pulls"),
    Row("api_listen", "address:port", "where this party's own programs ask this node, by token; empty: nowhere"),
    Row("taxii_listen", "address:port", "where correspondents and own programs ask by TAXII 2.1; empty: nowhere"),
    Row("taxii_clients", "a file", "PEM certificates that issued those of TAXII clients; empty: none are asked for"),
    Row("taxii_address", "https://host", "where TAXII clients reach this node, if a proxy stands before it"),
    Row("misp_listen", "address:port", "where correspondents and own programs ask as they ask a MISP; empty: nowhere"),
    Row("plain_http", "true or false", "listen without TLS; only on a loopback address, behind a proxy that has it"),
    Row("tls_certificate", "a file", "PEM certificate of this node; relative names are in the node's directory"),
    Row("tls_key", "a file", "PEM key of that certificate, readable by its owner alone"),
    Row(
        "allow_networks", "a list of networks", "inward networks that peers' addresses may lead to, such as an own LAN"
    ),
    Row("sync_seconds", "seconds", "between two pulls from a peer: 60 finds an alert within a minute"),
    Row("request_seconds", "seconds", "for one whole exchange with a peer: a page at 64 kbit/s is cut and resumed"),
    Row("outbound_proxy", "http://host:port", "through which every request goes out, to peers too; empty: none"),
    Row("outbound_proxy_login", "a file in keys", "by which the proxy knows this node: `basic NAME:PASSWORD`"),
    Row(
        "no_proxy",
        "a list of names and networks",
        "reached without the proxy, with all names below them; this machine always is",
    ),
    Row("log_format", "console or json", "how the serving node logs, on standard error"),
    Row("log_requests", "true or false", "log method, path and status of every request"),
)


def load(home: Path) -> Settings:
    """Read a node's settings. Raises `NotFound` where no node is, `Misuse` for what cannot stand there."""
    path = home / FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no node in {home}", hint="`comity init` makes one; --home or COMITY_HOME says where"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"{path} cannot be read: {error}") from error
    try:
        settings = msgspec.convert(tomllib.loads(text), Settings)
        check(settings)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError, ComityError) as error:
        names = ", ".join(row.name for row in TABLE)
        raise Misuse(f"{path}: {error}", hint=f"the settings are {names}") from error
    return settings


def check(settings: Settings) -> None:
    """Check what the types cannot say. Raises `Malformed` or `ValueError`."""
    canon.party_id(settings.party)
    listen_at(settings)
    api_listen_at(settings)
    taxii_listen_at(settings)
    misp_listen_at(settings)
    if settings.taxii_address and not settings.taxii_address.startswith("https://"):
        raise Malformed(f"taxii_address: {settings.taxii_address!r} is no https address")
    networks(settings)
    if settings.outbound_proxy:
        proxy_of(settings)
    login = settings.outbound_proxy_login
    if login and (Path(login).name != login or login.startswith(".") or login.endswith((".key", ".retired"))):
        raise Malformed(f"outbound_proxy_login: {login!r} is no file of a login", hint="a name in the node's `keys`")
    for name, least in (("sync_seconds", SYNC_SECONDS_MIN), ("request_seconds", 1)):
        if getattr(settings, name) < least:
            raise ValueError(f"{name} is at least {least}")
    if settings.log_format not in {"console", "json"}:
        raise ValueError(f"log_format is console or json, not {settings.log_format!r}")


def listen_at(settings: Settings) -> tuple[str, int] | None:
    """Return address and port to listen on for peers, or None. Raises `Malformed`."""
    return _address("listen", settings.listen, plain=settings.plain_http)


def api_listen_at(settings: Settings) -> tuple[str, int] | None:
    """Return address and port to listen on for this party's own programs, or None. Raises `Malformed`."""
    return _address("api_listen", settings.api_listen, plain=settings.plain_http)


def taxii_listen_at(settings: Settings) -> tuple[str, int] | None:
    """Return address and port to listen on for TAXII clients, or None. Raises `Malformed`."""
    return _address("taxii_listen", settings.taxii_listen, plain=settings.plain_http)


def misp_listen_at(settings: Settings) -> tuple[str, int] | None:
    """Return address and port to listen on for MISP clients, or None. Raises `Malformed`."""
    return _address("misp_listen", settings.misp_listen, plain=settings.plain_http)


def _address(name: str, text: str, *, plain: bool) -> tuple[str, int] | None:
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise Malformed(f"{name}: {text!r} is not address:port", hint="for example 127.0.0.1:8460 or [::]:8460")
    host = host.removeprefix("[").removesuffix("]")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise Malformed(f"{name}: {host!r} is not an IP address") from error
    if plain and not loopback:
        raise Malformed("plain_http is for a loopback address only")
    return host, int(port)


def networks(settings: Settings) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Return the inward networks that requests may go to. Raises `ValueError`."""
    return tuple(ipaddress.ip_network(text) for text in settings.allow_networks)


def proxy_of(settings: Settings, authorization: str = "") -> Proxy:
    """Return the proxy that the settings name. Raises `Malformed`."""
    from comity.http import proxy as proxies  # loads the client's half of HTTP

    return proxies.parse(settings.outbound_proxy, authorization=authorization, direct=settings.no_proxy)


def me(settings: Settings) -> PartyId:
    """Return the party whose node this is."""
    return canon.party_id(settings.party)


def write(home: Path, settings: Settings) -> None:
    """Write the settings of a new node, every one with its reason, so that the file explains itself."""
    lines = [f"# The settings of {settings.party}'s node. Commented-out lines show the default.", ""]
    for row in TABLE:
        value = getattr(settings, row.name)
        given = row.name == "party" or value != msgspec.structs.fields(Settings)[_index(row.name)].default
        lines += [f"# {row.reason} ({row.unit})", f"{'' if given else '# '}{row.name} = {_toml(value)}", ""]
    path = home / FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def _index(name: str) -> int:
    return [field.name for field in msgspec.structs.fields(Settings)].index(name)


def _toml(value: str | int | bool | tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # A JSON string or list of strings is one of TOML too.
    return msgspec.json.encode(value).decode()
