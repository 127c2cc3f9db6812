"""The command line itself: help, usage, exit codes, hostile text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from comity.boot.console import Console
from comity.errors import Misuse, NotFound
from comity.surfaces.cli.root import COMMANDS, root
from comity.surfaces.cli.session import Session, columns, visible
from tests.cli.conftest import Party, comity, environment, spawned

HOSTILE = "\x1b[2J\x1b]0;owned\x07 [bold red]\u202emoc.live\u202c \x9b31m"


def every(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every(inner, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in every(root())], ids=" ".join)
def test_every_command_has_help_and_every_leaf_an_example_that_names_it(path: tuple[str, ...]) -> None:
    ran = comity(*path, "--help")
    assert ran.code == 0
    assert "Usage: comity" in ran.out
    command = dict(every(root()))[path]
    if not isinstance(command, click.Group):
        example = ran.out.partition("Example:\n")[2]
        assert f"comity {' '.join(path)}" in example
        assert "--json" in ran.out
        assert "--as OFFICE" in ran.out


def test_the_commands_of_the_foundation_are_there() -> None:
    named = "init party accord ingest share lookup explain retract sync serve log receipts rebuild doctor demo".split()
    assert set(named) <= set(COMMANDS)


def test_help_loads_no_node() -> None:
    ran = spawned_modules("--help")
    assert "click" in ran
    assert not {"msgspec", "cryptography", "rich", "apsw", "comity.node"} & ran


def spawned_modules(*arguments: str) -> set[str]:
    import subprocess
    import sys

    from tests.cli.conftest import environment

    code = (
        "import sys, contextlib, io\nfrom comity.boot.main import main\n"
        f"sys.argv = ['comity', *{list(arguments)!r}]\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30, env=environment()
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nonsense"], Misuse.exit_code),
        (["lookup", "--nonsense"], Misuse.exit_code),
        (["share", "x"], Misuse.exit_code),
        (["log", "check", "nowhere.json"], Misuse.exit_code),
        (["lookup", "x"], NotFound.exit_code),
        (["--version"], 0),
    ],
)
def test_exit_codes_say_what_went_wrong(arguments: list[str], code: int, tmp_path: Path) -> None:
    ran = spawned("--home", tmp_path / "none", *arguments)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert (ran.returncode == 0) == (ran.stderr == "")


def test_what_strangers_wrote_is_shown_and_never_obeyed(alone: Party, tmp_path: Path) -> None:
    indicator = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": HOSTILE,
        "pattern": "[ipv4-addr:value = '198.51.100.7']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
    }
    file = tmp_path / "hostile.json"
    file.write_text(json.dumps(indicator))
    alone("ingest", file, "--source", "stranger", "--tlp", "CLEAR")
    for arguments in (["lookup", "198.51.100.7"], ["show", "198.51.100.7"], ["lookup", "198.51.100.7", "--json"]):
        text = alone(*arguments).out
        assert "[bold red]" in text  # written out, not taken for markup
        assert all(char.isprintable() or char == "\n" for char in text), repr(text)
    assert alone.ask("lookup", "198.51.100.7")["answers"][0]["found"][0]["name"] == HOSTILE


def test_a_line_is_never_more_than_a_line() -> None:
    assert visible("a\nb\tc\x1b[0m\u202e\U0001f1ea") == "a\\nb\\tc\\x1b[0m\\u202e\U0001f1ea"
    assert columns([["a\n", "b"], ["long", "c"]]) == ["a\\n   b", "long  c"]
    assert columns([]) == []


@pytest.mark.parametrize("other", ["plain\tb", "tvär\tb", "a\x1b[31m\tb"])
def test_no_cell_makes_a_line_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str) -> None:
    # A source is named by whoever states an object, and another party may name it as it likes.
    session = Session(Console(), tmp_path, "", "", as_json=False)
    session.stream([], ["one\tfeed\n198.51.100.9\tcurrent", other])
    first, second = capsys.readouterr().out.splitlines()
    assert first == "one\tfeed\\n198.51.100.9\tcurrent"
    assert second.split("\t") == [visible(cell) for cell in other.split("\t")]


def test_whoever_reads_our_output_may_stop_reading() -> None:
    command = [sys.executable, "-m", "comity.boot.main", "export", "--to", "x", "--format", "help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()) as ran:
        assert ran.stdout is not None
        ran.stdout.close()
        assert ran.wait() == 0
