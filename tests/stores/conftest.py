"""Stores to test: SQLite files, and a PostgreSQL server of this machine's own, started once a session."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("comity.testing.contract")

START_SECONDS = 60


def _programs() -> Path | None:
    """Return the folder of the newest PostgreSQL installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _as_nobody_special() -> list[str]:
    """Return what to put before a command so that it does not run as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return []
    users = {entry.pw_name for entry in pwd.getpwall()}
    return ["runuser", "-u", "postgres" if "postgres" in users else "nobody", "--"]


class Server:
    """A PostgreSQL server with its data in a folder of its own, reached by a socket in that folder and nowhere else."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # The path of a socket may have 107 characters: pytest's own folders are too deep.
        self._folder = Path(tempfile.mkdtemp(prefix="comity-pg-"))
        self._schemas = 0

    def start(self) -> None:
        """Make a cluster and serve it. `fsync` stays on: what is durable is what is tested."""
        if os.geteuid() == 0:
            user = pwd.getpwnam(_as_nobody_special()[2])
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        data, log = self._folder / "data", self._folder / "log"
        self._run("initdb", "-D", data, "-U", "comity", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=on -c max_connections=50"
        self._run("pg_ctl", "-D", data, "-l", log, "-w", "-t", str(START_SECONDS), "-o", options, "start")

    def stop(self) -> None:
        """Stop serving and remove everything."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)

    def dsn(self) -> str:
        """Return the address of an empty schema: one store each."""
        import psycopg

        self._schemas += 1
        name = f"store_{self._schemas}"
        base = f"host={self._folder} user=comity dbname=postgres"
        with psycopg.connect(base, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{base} options='-c search_path={name}'"

    def _run(self, program: str, *arguments: object) -> None:
        command = [*_as_nobody_special(), str(self._programs / program), *map(str, arguments)]
        # Output goes to a file: a server that inherits a pipe keeps it open for ever.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
                cwd="/",
                timeout=2 * START_SECONDS,
            )
            said.seek(0)
            assert done.returncode == 0, f"{program}: {said.read().decode(errors='replace')}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    programs = _programs()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: the second backend would go untested")
        pytest.skip("PostgreSQL is not installed")
    server = Server(programs)
    server.start()
    yield server
    server.stop()
