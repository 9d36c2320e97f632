"""A private RabbitMQ: a node, a mapper of its name and a folder of its own, all on loopback."""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.servers.process import ServerProcess, free_port

INSTALL = "apt-get install --no-install-recommends rabbitmq-server"
_DEBIAN = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's command of that name only changes the user and then runs this."""


class RabbitServer(ServerProcess):
    """A broker that keeps its messages while it is stopped, until it is closed."""

    def __init__(self) -> None:
        program = str(_DEBIAN) if _DEBIAN.exists() else shutil.which("rabbitmq-server")
        mapper = shutil.which("epmd")
        if program is None or mapper is None:
            # In CI too: these tests are asked for by whoever has the server.
            pytest.skip(f"RabbitMQ is not installed; install it with: {INSTALL}")
        self._folder = Path(tempfile.mkdtemp(prefix="flashvsr-rabbitmq-"))
        log = self._folder / "log.txt"
        # Otherwise the node would start a mapper for the whole machine and leave it behind.
        mapper_port = free_port()
        self._mapper = ServerProcess(
            [mapper, "-port", str(mapper_port), "-address", "127.0.0.1"], mapper_port, log
        )
        port = free_port()
        super().__init__(["env", *self._variables(port, mapper_port), program], port, log)
        self._mapper.start()
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def _variables(self, port: int, mapper_port: int) -> list[str]:
        folder = self._folder
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
        variables = {
            "HOME": folder,  # Holds the cookie.
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": mapper_port,
            "RABBITMQ_NODENAME": f"flashvsr-{port}@localhost",
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
            ),
            "RABBITMQ_CONF_ENV_FILE": folder / "none",
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": folder / "none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": folder / "generated",
            "RABBITMQ_LOG_BASE": folder / "log",
            "RABBITMQ_MNESIA_BASE": folder / "mnesia",
            "RABBITMQ_PID_FILE": folder / "pid",
            # Makes the script become the server, so that signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        return [f"{name}={value}" for name, value in variables.items()]

    @property
    def url(self) -> str:
        """As in `BROKER_URL`."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def freeze(self) -> None:
        """Answer nothing and keep all connections, as a machine does that swaps."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop and leave nothing behind."""
        self.stop()
        self._mapper.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
