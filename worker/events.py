"""The process that takes events of watched prefixes, and lists what they missed."""

import json
import logging
import signal
import threading
from collections.abc import Iterator

from jobs.errors import BrokerUnavailableError, SettingsError
from jobs.intake import Intake
from jobs.settings import JobsSettings
from worker.lister import Lister
from worker.settings import EventSettings
from worker.station import on_signals

log = logging.getLogger(__name__)


def take_events(settings: EventSettings, where: JobsSettings) -> None:
    """Take events and list prefixes until SIGTERM or SIGINT.

    Raises:
        SettingsError: there is no S3 server to ask about objects.

    """
    from worker.sqs import SqsConsumer, open_queue_client

    buckets = where.open_buckets()
    if buckets is None:
        raise SettingsError(
            "There is no S3 server whose prefixes could be watched; set FLASHVSR_BUCKETS_URL."
        )
    database, bell = where.open_database(), where.open_bell()

    def ring(queue: str) -> None:
        # Where this fails, the sweeper rings a second later.
        try:
            bell.ring(queue)
        except BrokerUnavailableError as error:
            log.warning("%s", error)

    intake = Intake(database, buckets, ring, where.max_input_bytes)
    client = open_queue_client(settings) if settings.queue_urls else None
    lister = Lister(settings, database, buckets, intake)
    consumers = [
        SqsConsumer(settings, url, client, database, intake) for url in settings.queue_urls
    ]
    listing = threading.Thread(target=lister.run, name="lister")
    # Daemons: a request that waits for messages need not be waited for.
    threads = [
        threading.Thread(target=consumer.run, name="queue", daemon=True) for consumer in consumers
    ]
    stopping = threading.Event()
    on_signals(stopping.set, signal.SIGTERM, signal.SIGINT)
    for thread in (listing, *threads):
        thread.start()
    log.info("takes events from %s and lists prefixes", ", ".join(settings.queue_urls) or "nobody")
    stopping.wait()
    lister.stop()
    for consumer in consumers:
        consumer.stop()
    listing.join()
    bell.close()
    database.close()


def parked_lines(where: JobsSettings) -> Iterator[str]:
    """Give every message that was put aside as a line of JSON, newest first."""
    database = where.open_database()
    cursor: str | None = None
    while True:
        with database.reading() as rows:
            page = rows.s3_events.parked(cursor=cursor)
        for message in page.messages:
            yield json.dumps(
                {
                    "id": message.id,
                    "queue_url": message.queue_url,
                    "message_id": message.message_id,
                    "code": message.reason.code,
                    "reason": message.reason.message,
                    "receives": message.receives,
                    "parked_at": message.parked_at.isoformat(),
                    "body": message.body,
                },
                ensure_ascii=False,
            )
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    database.close()
