"""Sends webhooks: signed, to public addresses only, without following redirects."""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from jobs.database import Database
from jobs.repository.outbox import Delivery
from jobs.webhook import sign

AT_ONCE = 16

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ERROR_MAX = 500


class WebhookError(Exception):
    """A webhook was not delivered; the sentence says why."""


class Webhooks:
    """Delivers what the outbox holds. Safe to run in several processes at once."""

    def __init__(self, database: Database, timeout_s: float, *, allows_private: bool) -> None:
        self._database = database
        self._timeout_s = timeout_s
        self._allows_private = allows_private

    def deliver(self) -> int:
        """Try everything that is due, once; return how many arrived."""
        arrived = 0
        while deliveries := self._take():
            with ThreadPoolExecutor(AT_ONCE) as pool:
                arrived += sum(pool.map(self._try, deliveries))
        return arrived

    def _take(self) -> Sequence[Delivery]:
        # No more than can be tried at the same time, so that none waits until its turn is over.
        with self._database.transaction() as rows:
            return rows.outbox.take("webhook", AT_ONCE)

    def _try(self, delivery: Delivery) -> bool:
        error: str | None = None
        try:
            self._send(delivery)
        except WebhookError as reason:
            error = str(reason)
        with self._database.transaction() as rows:
            if error is None:
                return rows.outbox.delivered(delivery)
            rows.outbox.undelivered(delivery, error[:_ERROR_MAX])
        return False

    def _send(self, delivery: Delivery) -> None:
        if delivery.webhook_secret is None:
            raise WebhookError("The API key that signs this webhook is gone.")
        body = json.dumps(delivery.payload["body"], separators=(",", ":")).encode()
        headers = sign(delivery.webhook_secret, delivery.id, int(time.time()), body)
        headers |= {"Content-Type": "application/json", "User-Agent": "flashvsr-service"}
        status = post(
            delivery.payload["url"],
            body,
            headers,
            self._timeout_s,
            allows_private=self._allows_private,
        )
        if not 200 <= status < 300:
            raise WebhookError(f"The receiver answered with {status}.")


def post(
    url: str, body: bytes, headers: dict[str, str], timeout_s: float, *, allows_private: bool
) -> int:
    """Send one request and return the answer's status; its body is not read.

    Raises:
        WebhookError: there was no answer, or the address is not one to send to.

    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WebhookError("The address must begin with https:// or http://.")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = _resolve(parts.hostname, port, allows_private=allows_private)
        connection = _Connection(parts.hostname, port, address, parts.scheme, timeout_s)
    except (OSError, ValueError) as error:
        raise WebhookError(f"The receiver's address cannot be used: {error}.") from error
    # The socket's timeout begins anew with every byte, which a slow receiver could send for ever.
    alarm = threading.Timer(timeout_s, connection.break_off)
    alarm.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise WebhookError(
            f"The receiver did not answer ({type(error).__name__}: {error})."
        ) from error
    finally:
        alarm.cancel()
        connection.close()


class _Connection(http.client.HTTPConnection):
    """Connects to the address that was checked, whatever the name means a moment later."""

    def __init__(self, host: str, port: int, address: str, scheme: str, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._address = address
        self._context = ssl.create_default_context() if scheme == "https" else None

    def connect(self) -> None:
        """Connect, and shake hands under the name that the URL gives."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def break_off(self) -> None:
        """End whatever goes on."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _resolve(host: str, port: int, *, allows_private: bool) -> str:
    addresses = [
        str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]
    if not allows_private and not all(map(is_public, addresses)):
        raise WebhookError(
            f"{host} is not a public address; FLASHVSR_WEBHOOK_PRIVATE=1 allows such ones."
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the internet and not to this network."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast
