"""`comity mail`: accounts, letters that came, messages that go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.commands.correspondent import certificate
from comity.surfaces.cli.commands.party import done_lines
from comity.surfaces.cli.commands.source import seconds
from comity.surfaces.cli.files import write_text
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import mail as verbs

WRONG: Final = 1  # exit code: carried out, and something is wrong
_AT: Final = "comity.surfaces.cli.commands."
COMMANDS: Final = {
    "setup": (f"{_AT}mail:setup", "Set up a mailbox of your office, or change it."),
    "show": (f"{_AT}mail:show", "The mail accounts: servers, keys, how each does."),
    "key": (f"{_AT}mail:key", "The account's own keys: show, write out, import."),
    "keys": (f"{_AT}mail:keys", "The keys of correspondents, until when they hold."),
    "check": (f"{_AT}mail:check", "Try the logins and look at every key; send nothing."),
    "fetch": (f"{_AT}mail:fetch", "Fetch new letters now."),
    "inbox": (f"{_AT}letters:inbox", "Letters that wait for a person, and what became of others."),
    "read": (f"{_AT}letters:read", "Read one letter, or write out a file in it."),
    "accept": (f"{_AT}letters:accept", "Take a letter in, as the word of whom you know it is from."),
    "refuse": (f"{_AT}letters:refuse", "Refuse a letter, with a reason."),
    "answer": (f"{_AT}letters:answer", "Answer a letter, signed and encrypted."),
    "send": (f"{_AT}letters:send", "Write to correspondents: a text, objects, or both."),
    "outbox": (f"{_AT}letters:outbox", "Messages: queued, sent, bounced, acknowledged …"),
    "again": (f"{_AT}letters:again", "Send a message once more that did not arrive."),
    "cancel": (f"{_AT}letters:cancel", "Take a message back that did not go yet."),
    "flush": (f"{_AT}mail:flush", "Send what waits now."),
    "digest": (f"{_AT}mail:digest", "Send a correspondent what is new, every day or so."),
    "remove": (f"{_AT}mail:remove", "Forget an account; letters, messages and keys stay."),
}
mail = Lazy(
    "mail",
    COMMANDS,
    help="Mail of your office: letters of correspondents come in, are opened, verified and taken as theirs; answers, "
    "alerts and digests go out, each released first, signed and encrypted.",
    context_settings=SETTINGS,
)
account_option = click.option("--account", default="", metavar="NAME", help="Which account.  [default: the only one]")


@command(
    "setup",
    example="comity mail setup cert --address cert@arcadia.example --display 'CERT Arcadia' \\\n"
    "    --imap imap.arcadia.example --smtp smtp.arcadia.example --login cert-mail --prefix CERT-AR",
)
@click.argument("name", metavar="NAME")
@click.option("--address", required=True, help="The address that letters come to and messages are from.")
@click.option("--imap", default="", metavar="HOST[:PORT]", help="Where letters are fetched, over TLS.  [port: 993]")
@click.option("--smtp", required=True, metavar="HOST[:PORT]", help="Where messages are handed over.  [port: 465]")
@click.option("--starttls", is_flag=True, help="TLS begins by STARTTLS at the SMTP server.  [port: 587]")
@click.option("--login", default="", metavar="FILE", help="In the node's `keys`: `basic NAME:PASSWORD`.")
@click.option("--smtp-login", default="", metavar="FILE", help="Another login for the SMTP server.")
@click.option("--certificate", "pem", default="", metavar="FILE", help="PEM that vouches for servers of your own.")
@click.option("--folder", default="INBOX", show_default=True, help="The folder that is fetched.")
@click.option("--display", default="", metavar="NAME", help="The name beside the address.")
@click.option("--prefix", default="COMITY", show_default=True, help="Of ticket numbers: [PREFIX #2026-17].")
@click.option("--link", default="", metavar="URL", help="Where those without a key may ask for what is not sent.")
@click.option("--every", default="60s", show_default=True, metavar="TIME", help="Between two fetches: 60s, 5m.")
@click.option("--pause", is_flag=True, help="Let it rest: nothing is fetched or sent by itself.")
def setup(
    session: Session,
    name: str,
    address: str,
    imap: str,
    smtp: str,
    starttls: bool,
    login: str,
    smtp_login: str,
    pem: str,
    folder: str,
    display: str,
    prefix: str,
    link: str,
    every: str,
    pause: bool,
) -> None:
    """Set up a mailbox of your office, or change it as a whole. A serving node fetches and sends by itself.

    TLS is always checked; --certificate is for a server that no public authority vouches for. An OpenPGP key is made
    for the account unless it has one: `comity mail key` writes its certificate out for your correspondents.
    """
    vouches = certificate(pem).decode("ascii", "replace")
    security = "starttls" if starttls else "tls"
    ask = verbs.Setup(
        name=name,
        address=address,
        imap=_server(imap, 993, "tls", login, vouches) if imap else None,
        smtp=_server(smtp, 587 if starttls else 465, security, smtp_login or login, vouches),
        folder=folder,
        display=display,
        prefix=prefix,
        link=link,
        every=int(every[:-1]) if every.endswith("s") and every[:-1].isdigit() else seconds(every),
        enabled=not pause,
        **session.who,
    )
    shown = session.ask(verbs.SETUP, ask)
    session.put(shown, [*_lines(session, shown), "`comity mail check` tries the logins."])


def _server(text: str, usual: int, security: str, login: str, vouches: str) -> verbs.ServerSaid:
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, str(usual)
    if not (port.isascii() and port.isdigit()):
        raise Misuse(f"{text!r} is no server", hint="HOST or HOST:PORT")
    return verbs.ServerSaid(host.removeprefix("[").removesuffix("]"), int(port), security, login, vouches)


@command("show", example="comity mail show\ncomity mail show --account cert --json")
@account_option
def show(session: Session, account: str) -> None:
    """Show your office's mail accounts: servers, own keys with their end, when each last worked, what is wrong."""
    found = session.ask(verbs.SHOW, verbs.Named(account=account, **session.who))
    lines = [line for one in found.accounts for line in _lines(session, one)]
    session.put(found, lines or ["No mail account; `comity mail setup` makes one."])


def _lines(session: Session, one: verbs.AccountShown) -> Iterator[str]:
    name = f"{one.display} <{one.address}>" if one.display else one.address
    yield f"{one.name}: {name}" + ("" if one.enabled else "  (RESTS)")
    yield f"  letters from {one.imap or 'nowhere: it only writes'}{f' {one.folder}' if one.imap else ''}"
    yield f"  messages by {one.smtp}; tickets [{one.prefix} #…]"
    for each in one.keys:
        yield f"  {_key_line(session, each)}"
    for health in one.health:
        if health.error:
            yield f"  {health.what}: FAILED {health.failures} times: {health.whose}: {health.error}"
        elif health.success:
            yield f"  {health.what}: last worked {session.time(health.success)}"
    if one.left:
        yield f"  {one.left} letters stay on the server for want of room: settle what waits (`comity mail inbox`)"


def _key_line(session: Session, one: verbs.KeyShown) -> str:
    until = f"until {session.time(one.expires)}" if one.expires else "without end"
    wrong = f"  WRONG: {one.wrong}" if one.wrong else ""
    name = {"pgp": "OpenPGP", "smime": "S/MIME"}.get(one.way, "no key")
    return f"{name} {one.fingerprint} {until if one.fingerprint else ''}{wrong}".rstrip()


@command(
    "key",
    example="comity mail key --out cert-arcadia.asc\ncomity mail key --import old-team-key.asc\n"
    "comity mail key --way smime --import cert-arcadia.pem",
)
@account_option
@click.option("--way", type=click.Choice(["pgp", "smime"]), default="pgp", show_default=True, help="Which key.")
@click.option("--out", default="", metavar="FILE", help="Write the certificate there, for correspondents.")
@click.option("--import", "given", default="", metavar="FILE", help="Use this private key from now on.")
def key(session: Session, account: str, way: str, out: str, given: str) -> None:
    """Show an account's own keys; write a certificate out, or import a key that your team has already.

    An OpenPGP key is made by `setup`; an S/MIME key comes from an authority: PEM with the key (not encrypted) and its
    certificate. A key that is replaced is set aside in `keys`, and still opens what was encrypted for it.
    """
    ask = verbs.Key(account=account, way=way, data=certificate(given), **session.who)
    shown = session.ask(verbs.KEY, ask)
    if out:
        chosen = [one for one in shown.keys if one.way == way]
        if not chosen:
            raise Misuse(f"the account has no {way} key", hint="--import FILE")
        write_text(out, chosen[0].certificate.decode("ascii"))
        if out == "-":
            return
    session.put(shown, [f"{shown.name}:", *(f"  {_key_line(session, one)}" for one in shown.keys)])


@command("keys", example="comity mail keys")
def keys(session: Session) -> None:
    """List the keys of correspondents that have mail: fingerprint, until when, and what is wrong with them.

    Above TLP:CLEAR nothing goes to a correspondent without a valid key: a notice goes instead, which says nothing of
    it. `comity party correspondent allow NAME mail --address … --pgp FILE` registers one.
    """
    found = session.ask(verbs.KEYS, Nothing(**session.who))
    rows = [(one.audience, _key_line(session, one.key)) for one in found.keys]
    session.put(found, columns(rows) or ["No correspondent has mail."])


@command("check", example="comity mail check")
@account_option
def check(session: Session, account: str) -> int:
    """Try the logins at both servers, and look at your keys and your correspondents'. Nothing is sent or marked.

    Leaves with 1 if something is gravely wrong.
    """
    found = session.ask(verbs.CHECK, verbs.Named(account=account, **session.who))
    lines = [
        f"{'WRONG' if grave else 'note'}: {what}" + (f"  → {advice}" if advice else "")
        for grave, what, advice in found.wrong
    ]
    session.put(found, lines or [f"{found.account}: both logins work, and every key holds."])
    return WRONG if any(grave for grave, _, _ in found.wrong) else 0


@command("fetch", example="comity mail fetch")
@account_option
def fetch(session: Session, account: str) -> int:
    """Fetch new letters now, whether it is due or not. Leaves with the code of the error where that failed."""
    done = session.ask(verbs.FETCH, verbs.Named(account=account, **session.who))
    session.put(done, _fetched_lines(done))
    return done.exit_code


def _fetched_lines(done: verbs.FetchedShown) -> Iterator[str]:
    yield f"{done.came} letters came" + (f", {done.known} had come before" if done.known else "") + "."
    if done.states:
        yield "  " + ", ".join(f"{count} {state}" for state, count in sorted(done.states.items()))
    if done.left:
        yield f"  {done.left} stay on the server for want of room: settle what waits (`comity mail inbox`)"
    if done.more:
        yield "  there are more: fetch again"
    if done.error:
        yield f"FAILED: {done.whose}: {done.error}"


@command("flush", example="comity mail flush")
@account_option
def flush(session: Session, account: str) -> int:
    """Send what waits now; a serving node does that by itself. Leaves with the code of the error where it failed."""
    done = session.ask(verbs.FLUSH, verbs.Named(account=account, **session.who))
    lines = [", ".join(f"{count} {state}" for state, count in sorted(done.states.items())) or "Nothing waits."]
    session.put(done, [*lines, *([f"FAILED: {done.whose}: {done.error}"] if done.error else [])])
    return done.exit_code


@command(
    "digest",
    example="comity mail digest grid-operator --every 1d\ncomity mail digest\ncomity mail digest grid-operator --end",
)
@click.argument("name", metavar="[CORRESPONDENT]", default="")
@click.option("--every", default="1d", show_default=True, metavar="TIME", help="Between two digests: 1h, 1d, 7d.")
@click.option("--end", is_flag=True, help="Send it no digests any more.")
@account_option
def digest(session: Session, name: str, every: str, end: bool, account: str) -> None:
    """Send a correspondent what becomes visible to it from now on, as one message a day or so; without a name, list.

    Each object is decided when it is queued and again when it goes. Where nothing is new, nothing goes.
    """
    ask = verbs.Digest(name=name, every=seconds(every), end=end, account=account, **session.who)
    found = session.ask(verbs.DIGEST, ask)
    rows = [
        (one.audience, f"every {one.every} s by {one.account}", f"next {session.time(one.due)}", one.why)
        for one in found.digests
    ]
    session.put(found, columns(rows) or ["No digests are sent."])


@command("remove", example="comity mail remove --account cert")
@account_option
def remove(session: Session, account: str) -> None:
    """Forget an account: nothing more is fetched or sent by it. Letters and messages stay, and its keys in `keys`."""
    done = session.ask(verbs.REMOVE, verbs.Named(account=account, **session.who))
    session.put(done, done_lines(done))
