"""How commands look: groups that load a command when it is called for, and help that ends in an example.

Rules: `comity --help` loads no command; a command's help loads no node. Every command takes the same options
for where the node is, who acts and how the answer is printed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

import click

if TYPE_CHECKING:
    from comity.surfaces.cli.session import Session

P = ParamSpec("P")

HOME: Final = "~/.comity"
SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Lazy(click.Group):
    """A group that knows its commands' summaries by heart and loads a command when it is called for."""

    def __init__(self, name: str, table: Mapping[str, tuple[str, str]], **rest: Any) -> None:
        super().__init__(name, **rest)
        self._table = table  # name -> (module:attribute, summary)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table: the order in which people need them."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summaries without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._table.items()])


class Exemplified(click.Command):
    """A command whose help ends in an example."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example as it is typed."""
        formatter.write_paragraph()
        formatter.write("Example:\n")
        for line in self.example.splitlines():
            formatter.write(f"  {line}\n")


def command(name: str, *, example: str) -> Callable[[Callable[Concatenate[Session, P], Any]], click.Command]:
    """Make a command of a function whose first argument is the session."""

    def decorate(function: Callable[Concatenate[Session, P], Any]) -> click.Command:
        @click.pass_context
        def run(ctx: click.Context, /, home: str | None, as_office: str, user: str, as_json: bool, **rest: Any) -> Any:
            from comity.surfaces.cli.session import Session

            session = Session(ctx.find_root().obj(), home_of(ctx, home), as_office, user, as_json=as_json)
            try:
                return function(session, **rest)  # type: ignore[call-arg]  # the options are the function's own
            except BrokenPipeError:
                # Whoever read our output has closed it: nothing more is wanted, and Python must not complain at exit.
                # Here and not around click, which would end the process with 1.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return 0

        params = list(reversed(getattr(function, "__click_params__", [])))
        return Exemplified(
            name,
            callback=run,
            params=[*params, *_common()],
            help=function.__doc__,
            example=example,
            context_settings=SETTINGS,
        )

    return decorate


def _common() -> list[click.Parameter]:
    return [
        click.Option(["--as", "as_office"], metavar="OFFICE", default="", help="Act for this office of your party."),
        click.Option(["--user"], metavar="NAME", default="", help="Who acts.  [default: your login name]"),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the answer as JSON."),
        home_option(),
    ]


def home_option() -> click.Option:
    """Return the option that says where the node is."""
    text = f"The node's directory.  [env: COMITY_HOME; default: {HOME}]"
    return click.Option(["--home"], metavar="DIR", default=None, help=text)


def home_of(ctx: click.Context, home: str | None) -> Path:
    """Return the node's directory: as the command says, as `comity` was told, by the environment, or the usual one."""
    told = home or ctx.find_root().params.get("home") or os.environ.get("COMITY_HOME") or HOME
    return Path(told).expanduser().absolute()
