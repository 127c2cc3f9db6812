"""Real mail servers for the tests: Dovecot and Postfix of Debian, with their own configuration, below one folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

USERS = ("cert@arcadia.example", "soc@grid.example", "eve@evil.example", "team@borealia.example")
PASSWORD = "correct horse"
DOVECOT = """
base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{base}/server.pem
ssl_key = <{base}/server.key
disable_plaintext_auth = yes
auth_mechanisms = plain login
mail_location = maildir:{base}/mail/%u/Maildir
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {base}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service auth {{
  unix_listener sasl {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
MAIN = """
compatibility_level = 3.6
queue_directory = {base}/spool
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.arcadia.example
mydestination =
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
maillog_file = {base}/postfix.log
maillog_file_prefixes = {base}
virtual_mailbox_domains = arcadia.example, grid.example, evil.example, borealia.example
virtual_mailbox_maps = texthash:{base}/mailboxes
virtual_mailbox_base = {base}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
message_size_limit = 52428800
virtual_mailbox_limit = 0
default_transport = error:5.1.2 nobody is there
transport_maps = inline:{{bounces.example=nobody:}}
smtpd_tls_cert_file = {base}/server.pem
smtpd_tls_key_file = {base}/server.key
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {base}/run/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_peername_lookup = no
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
bounce_notice_recipient = cert@arcadia.example
"""
MASTER = """
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{plain} inet n - n - - smtpd -o smtpd_tls_security_level=none
    -o smtpd_relay_restrictions=permit_mynetworks,reject -o smtpd_recipient_restrictions=permit_mynetworks,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
nobody unix - n n - - pipe user=nobody argv={base}/nobody
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Servers:
    """Where they listen, and the certificate they show."""

    base: Path
    imaps: int
    smtps: int
    starttls: int
    plain: int  # for strangers: whatever they claim is delivered
    certificate: Path
    authority: trustme.CA

    def deliver(self, address: str, data: bytes) -> None:
        """Put a message into a mailbox as a delivery agent does, whatever it says."""
        folder = self.base / "mail" / address / "Maildir" / "new"
        _folder(folder)
        name = f"{time.time_ns()}.{os.getpid()}.test"
        partial = folder.parent / "tmp" / name
        partial.write_bytes(data)
        uid, gid = _owner()
        os.chown(partial, uid, gid)
        partial.rename(folder / name)

    def mailbox(self, address: str) -> list[bytes]:
        """Return what lies in a mailbox, the oldest first."""
        folder = self.base / "mail" / address / "Maildir"
        paths = [path for name in ("new", "cur") if (folder / name).is_dir() for path in (folder / name).iterdir()]
        return [path.read_bytes() for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns)]

    def wait_for(self, address: str, count: int) -> list[bytes]:
        """Wait until so many messages lie in a mailbox."""
        give_up = time.monotonic() + 30
        while len(found := self.mailbox(address)) < count:
            if time.monotonic() > give_up:
                log = (self.base / "postfix.log").read_text() if (self.base / "postfix.log").exists() else ""
                pytest.fail(f"{len(found)} of {count} messages came to {address}:\n{log[-3000:]}")
            time.sleep(0.05)
        return found

    def clear(self) -> None:
        """Empty every mailbox."""
        for address in USERS:
            for name in ("new", "cur"):
                folder = self.base / "mail" / address / "Maildir" / name
                for path in folder.iterdir() if folder.is_dir() else ():
                    path.unlink(missing_ok=True)


def why_not() -> str:
    """Return why they cannot run here, or nothing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    missing = [name for name in ("dovecot", "postfix") if shutil.which(name, path=path) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (apt install dovecot-imapd postfix)"
    return "" if os.geteuid() == 0 else "Postfix begins as root only"


def _owner() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def _folder(path: Path) -> None:
    uid, gid = _owner()
    for part in (path.parent.parent, path.parent, path, path.parent / "tmp", path.parent / "cur"):
        part.mkdir(exist_ok=True)
        os.chown(part, uid, gid)


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def running() -> Iterator[Servers]:
    """Start both, and stop them at the end."""
    base = Path(tempfile.mkdtemp(prefix="comity-mail-"))  # not below pytest's folder, which the servers may not enter
    base.chmod(0o755)
    try:
        servers = _prepared(base)
        dovecot = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", str(base / "dovecot.conf")])
        _postfix(base, "start")
        try:
            for port in (servers.imaps, servers.smtps, servers.starttls, servers.plain):
                _until_open(port, base)
            yield servers
        finally:
            _postfix(base, "stop", check=False)
            dovecot.send_signal(signal.SIGTERM)
            dovecot.wait(20)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _prepared(base: Path) -> Servers:
    uid, gid = _owner()
    imaps, smtps, starttls, plain = _ports(4)
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    server.cert_chain_pems[0].write_to_path(base / "server.pem")
    server.private_key_pem.write_to_path(base / "server.key")
    (base / "server.key").chmod(0o600)
    words = {"base": base, "uid": uid, "gid": gid, "imaps": imaps}
    words |= {"smtps": smtps, "starttls": starttls, "plain": plain}
    for name in ("run", "mail", "postfix", "spool", "data"):
        (base / name).mkdir(mode=0o755)
    os.chown(base / "mail", uid, gid)
    shutil.chown(base / "data", "postfix", "postfix")
    (base / "dovecot.conf").write_text(DOVECOT.format(**words))
    (base / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in USERS))
    (base / "mailboxes").write_text("".join(f"{user} {user}/Maildir/\n" for user in USERS))
    (base / "postfix" / "main.cf").write_text(MAIN.format(**words))
    (base / "postfix" / "master.cf").write_text(MASTER.format(**words))
    (base / "nobody").write_text("#!/bin/sh\nexit 67\n")  # EX_NOUSER of sysexits.h
    (base / "nobody").chmod(0o755)
    for user in USERS:
        _folder(base / "mail" / user / "Maildir" / "new")
    return Servers(base, imaps, smtps, starttls, plain, base / "server.pem", authority)


def _postfix(base: Path, what: str, *, check: bool = True) -> None:
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", str(base / "postfix"), what],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    if check and done.returncode:
        log = (base / "postfix.log").read_text() if (base / "postfix.log").exists() else ""
        pytest.fail(f"postfix {what}: {done.stdout}{done.stderr}{log}")


def _until_open(port: int, base: Path) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    logs = [path.read_text() for path in (base / "postfix.log", base / "dovecot.log") if path.exists()]
    pytest.fail(f"nobody listens on {port}:\n{''.join(logs)}")
