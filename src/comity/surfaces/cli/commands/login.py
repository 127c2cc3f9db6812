"""`comity party correspondent login`: the credentials by which correspondents come."""

from __future__ import annotations

from typing import Final

import click

from comity.surfaces.cli.commands.correspondent import CHANNELS, certificate, login_lines
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import correspondent as verbs

_AT: Final = "comity.surfaces.cli.commands.login:"
COMMANDS: Final = {
    "create": (f"{_AT}create", "Make a credential; its secret is shown this once."),
    "list": (f"{_AT}list_", "Credentials, when and from where they were used."),
    "revoke": (f"{_AT}revoke", "End a credential from now on."),
}
login = Lazy("login", COMMANDS, help="Credentials of a correspondent, each for one channel.", context_settings=SETTINGS)


@command(
    "create",
    example="comity party correspondent login create grid-operator taxii\n"
    "comity party correspondent login create grid-operator taxii --form basic --days 30\n"
    "comity party correspondent login create grid-operator misp",
)
@click.argument("name", metavar="NAME")
@click.argument("channel", type=CHANNELS)
@click.option(
    "--form",
    type=click.Choice(["bearer", "basic", "certificate", "key"]),
    default=None,
    show_default="key for misp, else bearer",
    help="A token; a user name with a secret; a client certificate; a key of 40 characters as MISP has them.",
)
@click.option("--days", default=90, show_default=True, help="How long it holds.")
@click.option("--certificate", "file", default="", metavar="FILE", help="The client certificate, in DER.")
@click.option("--spki", default="", metavar="HEX", help="SHA-256 of its public key, instead of the certificate.")
def create(session: Session, name: str, channel: str, form: str | None, days: int, file: str, spki: str) -> None:
    """Make a credential for one channel. Its secret is made here, shown this once, and kept as its SHA-256 alone."""
    ask = verbs.Login(
        name=name, channel=channel, form=form or "", days=days, spki=spki, certificate=certificate(file), **session.who
    )
    made = session.ask(verbs.LOGIN, ask)
    lines = [f"user: {made.shown.user}"] if made.shown.user else []
    lines += (
        [made.secret, "Give it to the correspondent by a safe way: nobody can show it again."] if made.secret else []
    )
    lines = lines or [f"Certificate {made.shown.id} is known from now on."]
    if not made.guards:
        lines.append(f"Nothing asks for credentials of {channel} in this version yet.")
    session.put(made, lines)


@command("list", example="comity party correspondent login list grid-operator")
@click.argument("name", metavar="NAME")
def list_(session: Session, name: str) -> None:
    """List a correspondent's credentials: until when each holds, when it was last used, and from which networks."""
    found = session.ask(verbs.LOGINS, verbs.Named(name=name, **session.who))
    lines = [line for one in found.credentials for line in login_lines(session, one)]
    session.put(found, lines or ["It has no credential."])


@command("revoke", example="comity party correspondent login revoke grid-operator 5f0c2a9be1d4")
@click.argument("name", metavar="NAME")
@click.argument("ident", metavar="ID")
def revoke(session: Session, name: str, ident: str) -> None:
    """End a credential, by id: from the next request on it does not hold."""
    ended = session.ask(verbs.END_LOGIN, verbs.EndLogin(name=name, id=ident, **session.who))
    session.put(ended, [f"Revoked {ended.form} {ended.id} for {ended.channel}."])
