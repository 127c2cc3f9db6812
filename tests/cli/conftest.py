"""Three parties on one machine, asked as people ask them: through the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from comity.boot.console import Console
from comity.surfaces.cli.root import run

EXAMPLES = "schemas-2.1/examples/threat-reports"
JURISDICTIONS = {"arcadia": "XA", "borealia": "XB", "cascadia": "XC"}
START_SECONDS = 20.0


@dataclass(frozen=True)
class Ran:
    """What one run of the command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal(io.TextIOWrapper):
    """A text stream over bytes, as a terminal's is."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


def comity(*arguments: str | Path) -> Ran:
    """Run one command in this process: everything but the interpreter's start is as users have it."""
    out, err = Terminal(), Terminal()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments], Console)
    return Ran(code, out.text(), err.text())


def spawned(*arguments: str | Path, cwd: Path | None = None, **rest: Any) -> subprocess.CompletedProcess[str]:
    """Run one command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "comity.boot.main", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment(), **rest,
    )  # fmt: skip


def environment() -> dict[str, str]:
    """Return an environment in which a process finds this checkout and no node."""
    kept = {name: value for name, value in os.environ.items() if name != "COMITY_HOME"}
    return {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"), "HOME": "/nonexistent"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Party:
    """One party, its node's directory, and the process that serves it."""

    name: str
    home: Path
    serving: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self, *arguments: str | Path, code: int = 0) -> Ran:
        ran = comity("--home", self.home, *arguments)
        assert ran.code == code, f"{arguments}: {ran.code}\n{ran.out}{ran.err}"
        return ran

    def ask(self, *arguments: str | Path, code: int = 0) -> Any:
        return self(*arguments, "--json", code=code).json

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"

    def serve(self) -> None:
        with self.log.open("ab") as log:
            self.serving = subprocess.Popen(
                [sys.executable, "-m", "comity.boot.main", "--home", str(self.home), "serve"],
                stdout=log, stderr=log, env=environment(),
            )  # fmt: skip
        until(lambda: (self.home / "run" / "local.sock").exists() or self._died(), "a node serves")

    def _died(self) -> bool:
        assert self.serving is not None
        if self.serving.poll() is not None:
            pytest.fail(f"{self.name} does not serve:\n{self.log.read_text()}")
        return False

    def end(self) -> None:
        """Stop serving, however a test ended."""
        if self.serving is not None:
            self.serving.kill()
            self.serving.wait()

    def stop(self) -> int:
        assert self.serving is not None
        self.serving.send_signal(signal.SIGTERM)
        code = self.serving.wait(START_SECONDS)
        self.serving = None
        return code


def until(holds: Any, what: str, seconds: float = START_SECONDS) -> None:
    """Wait until something holds."""
    give_up = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


def found(folder: Path, short: str, *, listens: bool = True) -> Party:
    """Make a party's node as its operator would."""
    party = Party(f"cert.{short}.example", folder / short)
    port = free_port()
    network = ["--address", f"https://127.0.0.1:{port}", "--listen", f"127.0.0.1:{port}"] if listens else []
    party(
        "init", party.name, "--name", f"CERT {short.title()}", "--jurisdiction", JURISDICTIONS[short],
        "--office", "csirt:csirt:National CSIRT", "--office", "police:law-enforcement:Cybercrime Unit",
        "--allow-network", "127.0.0.0/8", "--time-zone", "Europe/Paris", *network,
    )  # fmt: skip
    settings = party.home / "settings.toml"
    settings.write_text(settings.read_text().replace("# sync_seconds = 60", "sync_seconds = 1"))
    return party


def acquaint(parties: list[Party], folder: Path) -> None:
    """Let every party confirm every other's card, the words compared."""
    for one in parties:
        one("party", "card", "--out", folder / f"{one.name}.card")
    for one in parties:
        for other in parties:
            if other is not one:
                words = one.ask("party", "import", folder / f"{other.name}.card")["words"]
                one("party", "confirm", other.name, "--words", words)


def accord(parties: list[Party], folder: Path, name: str = "three-shores") -> None:
    """Let parties sign an accord, the files going round."""
    text, file = folder / f"{name}.toml", folder / f"{name}.accord"
    first, *others = parties
    members = [argument for other in others for argument in ("--with", other.name)]
    first("accord", "draft", "--template", "csirt-network", "--id", name, *members, "--out", text)
    first("accord", "sign", text)
    for one, following in zip(parties, [*others, first], strict=True):
        one("accord", "export", name, "--out", file)
        following("accord", "import", file)
        if following is not first:
            following("accord", "sign", name)
    for other in others[:-1]:
        last = parties[-1]
        last("accord", "export", name, "--out", file)
        other("accord", "import", file)


@pytest.fixture(scope="session")
def report() -> Path:
    """Return the APT1 report as OASIS publishes it in STIX 2.1."""
    path = Path(str(files("stix2validator"))) / EXAMPLES / "apt1.json"
    assert path.is_file()
    return path


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Party]:
    """Return one party's fresh node."""
    party = found(tmp_path, "arcadia", listens=False)
    yield party
    party.end()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Party]]:
    """Return three parties that know one another and have signed an accord."""
    parties = [found(tmp_path, short) for short in JURISDICTIONS]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    yield parties
    for party in parties:
        party.end()
