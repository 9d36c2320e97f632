"""The HTTP server round the application."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.main import create_app
from api.services import Services
from api.settings import ApiSettings

_GRACE_S = 20


class Server(uvicorn.Server):
    """Tells streams and long polls to end, so that stopping does not wait for them."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self.stop()
        super().handle_exit(sig, frame)

    def stop(self) -> None:
        """Begin to stop, from any thread."""
        self._services.closing.set()
        self.should_exit = True


def make_server(settings: ApiSettings, app: FastAPI | None = None) -> Server:
    """Make a server; `run()` serves until a signal or `stop()`."""
    built = app or create_app(settings)
    config = uvicorn.Config(
        built,
        host=settings.host,
        port=settings.port,
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        log_level=settings.log_level,
        # The application logs requests itself, with their ids and without their queries.
        access_log=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return Server(config, built.state.services)
