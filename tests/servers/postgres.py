"""A private Postgres. It refuses to run as root, so that root runs it as `nobody`."""

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

from tests.servers.process import free_port, missing

_OPTIONS = (
    "-c fsync=off -c full_page_writes=off -c max_connections=200 -c listen_addresses=127.0.0.1"
)


class PostgresServer:
    """A cluster with as many databases as tests want, which can be stopped and restarted."""

    def __init__(self) -> None:
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="flashvsr-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "nobody")
        self.port = free_port()
        self._names = (f"test_{number}" for number in count(1))
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-D", self._data)
        self.start()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"{_OPTIONS} -p {self.port} -k {self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-s", "-D", self._data, "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop as a crash does: connections break, nothing is written any more."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", self._data)

    def restart(self) -> None:
        """Crash and come back."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, name: str, port: int | None = None) -> str:
        """Address a database, over a proxy's port where one is given."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{name}"

    def new_database(self, template: str = "template1") -> str:
        """Make a database, as a copy of another one where that is named; return its name."""
        name = next(self._names)
        # Copying files at once is much cheaper here than writing every block to the log.
        strategy = "--strategy=file_copy"
        server = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        self._run("createdb", *server, strategy, "-T", template, name)
        return name

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "nobody", "--", *command]
        done = subprocess.run(
            command,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=self._folder,
            text=True,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


def _binaries() -> Path:
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = [p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not versions:
        missing("Postgres", "apt-get install postgresql (or: brew install postgresql)")
    return max(versions, key=lambda folder: int(folder.parent.name))
