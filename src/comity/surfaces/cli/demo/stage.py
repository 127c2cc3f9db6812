"""The stage of the demonstration: a directory of nodes, the commands that are typed there, what is claimed of them.

Rules: a command is run exactly as it is printed, by the same code that runs it for a person; what a node
answered is kept, so that claims are checked against values and never against the words shown. A claim that
does not hold ends the demonstration. Whatever was started here is stopped here, unless it is to be kept.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from comity.errors import ComityError
from comity.surfaces.cli.demo.nodes import Listening, Member, answers, free_port, program
from comity.surfaces.cli.demo.telling import Telling
from comity.surfaces.cli.host import Host
from comity.surfaces.cli.root import run
from comity.surfaces.cli.verbs import A, R, Verb

PATIENCE_SECONDS: Final = 40.0  # what should happen within two seconds gets this long on a busy machine
POLL_SECONDS: Final = 0.1
STOP_SECONDS: Final = 20.0
LINES_SHOWN: Final = 8  # of a command's answer, unless a step asks for more


class Failed(Exception):
    """A claim does not hold, or a command did not end as it should."""


class Claim(msgspec.Struct, frozen=True):
    """Something that was claimed and checked."""

    what: str
    holds: bool
    after: float  # seconds since the beginning


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that was run: what it printed, how it ended, and the last value that a node answered it with."""

    code: int
    text: str
    errors: str
    answer: Any


@dataclass(eq=False)
class Stage:
    """Where the demonstration plays."""

    host: Host
    say: Telling
    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="comity-demo-")))
    members: list[Member] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def member(self, short: str, jurisdiction: str) -> Member:
        """Return a new party, with a port of its own; its node is not made yet."""
        name = f"CERT {short.capitalize()}"
        made = Member(f"cert.{short}.example", name, jurisdiction, self.root / short, free_port())
        self.members.append(made)
        return made

    # -- commands ------------------------------------------------------------

    def run(self, *words: str, home: Path | None = None, codes: Sequence[int] = (0,), show: int = LINES_SHOWN) -> Ran:
        """Print a command, run it, show its answer. Raises `Failed` where it ends in another way than it should."""
        argv = [*(["--home", str(home)] if home else []), *words]
        self.say.command(self.shown(argv))
        ran = self.quietly(*words, home=home)
        self.say.answer(self.shortened(ran.text + ran.errors), show)
        if ran.code not in codes:
            raise Failed(f"`{self.shown(argv)}` ended with {ran.code}, not {codes[0]}: {ran.errors.strip()}")
        return ran

    def quietly(self, *words: str, home: Path | None = None) -> Ran:
        """Run a command without showing it."""
        argv = [*(["--home", str(home)] if home else []), *words]
        listening = Listening(self.host)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(argv, lambda: listening)
        return Ran(code, out.getvalue(), err.getvalue(), listening.answer)

    def elsewhere(self, *words: str, cwd: Path, codes: Sequence[int] = (0,), show: int = LINES_SHOWN) -> Ran:
        """Run a command in another process, in a directory that has never seen a node."""
        typed = shlex.join(["comity", *words]).replace(f"{self.root}/", "../")
        self.say.command(f"cd {shlex.quote(self.shortened(str(cwd)))} && {typed}")
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
        environment = os.environ | {"COMITY_HOME": str(cwd / "no-node-here"), "PYTHONPATH": path}
        argv = [*program(), *words]
        done = subprocess.run(  # noqa: S603 - our own program
            argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        self.say.answer(self.shortened(done.stdout + done.stderr), show)
        if done.returncode not in codes:
            raise Failed(f"`comity {shlex.join(words)}` ended with {done.returncode}: {done.stderr.strip()}")
        return Ran(done.returncode, done.stdout, done.stderr, None)

    def ask(self, member: Member, verb: Verb[A, R], ask: A) -> R:
        """Ask a node a question whose answer is not shown."""
        office, user = ask.office or "csirt", ask.user or "demo"
        ask = msgspec.structs.replace(ask, office=office, user=user)
        return self.host.call(member.home, verb, ask, lambda _: None)

    def shown(self, argv: Sequence[str]) -> str:
        """Return a command as people type it in the demonstration's directory."""
        return self.shortened(shlex.join(["comity", *argv]))

    def shortened(self, text: str) -> str:
        """Return a text with paths in the demonstration's directory relative to it."""
        return text.replace(f"{self.root}/", "").replace(str(self.root), ".")

    # -- claims --------------------------------------------------------------

    def claim(self, what: str, holds: object, detail: object = "") -> None:
        """State something that has been checked. Raises `Failed` where it does not hold."""
        self.claims.append(Claim(what, bool(holds), round(time.monotonic() - self.began, 1)))
        self.say.claim(what, holds=bool(holds))
        if not holds:
            raise Failed(f"{what}: it does not hold{f' ({detail})' if detail else ''}")

    def until(self, what: str, look: Callable[[], object]) -> None:
        """Look until it is so, and state it. Raises `Failed` where it does not come about in time."""
        end = time.monotonic() + PATIENCE_SECONDS
        last = ""
        while time.monotonic() < end:
            try:
                if look():
                    self.claim(what, holds=True)
                    return
            except ComityError as error:
                last = f": {error.says()}"
            time.sleep(POLL_SECONDS)
        self.claim(what, holds=False, detail=f"not within {PATIENCE_SECONDS:.0f} s{last}")

    def each(self, what: str, members: Iterable[Member], look: Callable[[Member], object]) -> None:
        """State of each member, whose name stands for `{who}`, what is so or will soon be."""
        for member in members:
            self.until(what.format(who=member.name), partial(look, member))

    # -- processes -----------------------------------------------------------

    def start(self, *members: Member) -> None:
        """Serve parties' nodes, and wait until they answer."""
        for member in members:
            member.process = self.serve(member.home)
        for member in members:
            self.ready(member.home, member.process)

    def serve(self, home: Path) -> subprocess.Popen[bytes]:
        """Serve the node in a directory; `ready` waits for it."""
        with self._serving_log(home).open("ab") as log:
            # A session of its own, so that Ctrl-C here does not reach it.
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*program(), "--home", str(home), "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def _serving_log(self, home: Path) -> Path:
        return self.root / f"{home.name}.serve.log"

    def ready(self, home: Path, process: subprocess.Popen[bytes] | None) -> None:
        """Wait until a node answers. Raises `Failed` where it does not."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not answers(home / "run" / "local.sock"):
            if process is None or process.poll() is not None or time.monotonic() > end:
                tail = self._serving_log(home).read_text("utf-8", "replace")[-600:]
                raise Failed(f"the node in {home.name} is not being served: {tail.strip()}")
            time.sleep(POLL_SECONDS / 2)

    def stop(self, *members: Member) -> None:
        """Stop serving parties' nodes."""
        for member in members:
            if member.process is not None:
                self.end(member.process)
                member.process = None

    def end(self, *processes: subprocess.Popen[bytes]) -> None:
        """Ask processes to stop, all at once, and wait for them."""
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.processes.remove(process)

    def close(self) -> None:
        """Stop what was started, and remove the directory."""
        self.end(*self.processes)
        shutil.rmtree(self.root, ignore_errors=True)
