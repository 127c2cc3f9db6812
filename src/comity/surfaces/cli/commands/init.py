"""`comity init`: a party's node in an empty directory."""

from __future__ import annotations

import sys

import click

from comity.errors import Misuse
from comity.surfaces.cli.commands.party import card_lines
from comity.surfaces.cli.founding import Founding
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import command


@command(
    "init",
    example="""comity init cert.arcadia.example --name "CERT Arcadia" --jurisdiction XA \\
    --office csirt:csirt:"National CSIRT" --office police:law-enforcement:"Cybercrime Unit" \\
    --address https://node.arcadia.example:8460 --listen 0.0.0.0:8460""",
)
@click.argument("party", required=False, metavar="[PARTY]")
@click.option("--name", default="", help="The party's name as people say it.")
@click.option("--jurisdiction", default="", help="ISO 3166-1 alpha-2, or a regional organisation's short name.")
@click.option("--office", "offices", multiple=True, metavar="ID:KIND:NAME", help="An office; say it again for more.")
@click.option("--language", "languages", multiple=True, default=("en",), show_default=True, help="BCP 47; repeatable.")
@click.option("--time-zone", default="Etc/UTC", show_default=True, help="IANA name, in which times are shown.")
@click.option("--address", default="", help="Base URL at which other nodes reach this one; without it, it only pulls.")
@click.option("--listen", default="", metavar="IP:PORT", help="Where to listen for them.")
@click.option("--host", "hosts", multiple=True, help="A name for the certificate.  [default: the address's]")
@click.option("--tls-certificate", default="", metavar="FILE", help="A certificate of a public authority, instead.")
@click.option("--tls-key", default="", metavar="FILE", help="Its key.")
@click.option("--allow-network", "networks", multiple=True, metavar="NET", help="An own network peers may live in.")
def init(
    session: Session,
    party: str | None,
    name: str,
    jurisdiction: str,
    offices: tuple[str, ...],
    languages: tuple[str, ...],
    time_zone: str,
    address: str,
    listen: str,
    hosts: tuple[str, ...],
    tls_certificate: str,
    tls_key: str,
    networks: tuple[str, ...],
) -> None:
    """Make this party's node: its keys, its certificate, its store and its first card.

    PARTY is a domain name that the party holds. What is not given is asked for on a terminal. Kinds of offices:
    csirt, law-enforcement, foreign-affairs, telecom-regulator, coordination, privacy, sector, other.
    """
    party = party or _asked("The party, a domain name it holds", "PARTY")
    wanted = Founding(
        party=party,
        name=name or _asked("Its name as people say it", "--name"),
        jurisdiction=jurisdiction or _asked("Its jurisdiction (ISO 3166-1 alpha-2)", "--jurisdiction"),
        offices=offices or (_asked("An office as id:kind:name", "--office", "csirt:csirt:National CSIRT"),),
        user=session.who["user"],
        languages=languages,
        time_zone=time_zone,
        address=address,
        listen=listen,
        hosts=hosts,
        allow_networks=networks,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
    )
    made = session.host.found(session.home, wanted)
    session.put(
        made,
        [
            f"The node of {made.party} is in {session.home}.",
            "",
            *card_lines(session, made),
            "",
            "These twelve words stand for your party: read them out to partners over a number they have.",
            f"Keep {session.home}/keys/root.key and next-root.key offline when you do not need them; back up the rest.",
            "Next: `comity ingest FILE --source NAME --tlp AMBER`; `comity party card --out FILE` is for partners.",
        ],
    )


def _asked(question: str, option: str, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        raise Misuse(f"{option} is missing", hint="see `comity init --help`; it asks only on a terminal")
    answer: str = click.prompt(question, default=default, err=True)
    return answer
