"""A private Redis that keeps nothing: stopped is emptied."""

import shutil
from pathlib import Path

from tests.servers.process import ServerProcess, free_port, missing


class RedisServer(ServerProcess):
    """A broker on a port of its own."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server") or missing(
            "Redis", "apt-get install redis-server (or: brew install redis)"
        )
        port = free_port()
        super().__init__(
            [
                program,
                "--port",
                str(port),
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                str(folder),
            ],
            port,
            folder / "redis.log",
        )
        self.start()

    @property
    def url(self) -> str:
        """As in `BROKER_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"
