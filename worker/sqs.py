"""Takes messages about objects from an SQS queue.

A message is deleted when everything that it tells is in the database, not before. What cannot be
dealt with comes back, more slowly every time, until it is put aside with the reason; what fails
because something is away for a while comes back for as long as it takes.
"""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.database import Database
from jobs.errors import JobsError
from jobs.intake import Intake
from jobs.job import Reason
from jobs.object_events import read_message
from worker.settings import EventSettings

_BATCH = 10
"""What one request receives at most."""
_AWAY_S = 5.0
_AWAY_MAX_S = 60.0

log = logging.getLogger(__name__)

Message = dict[str, Any]


def open_queue_client(settings: EventSettings) -> Any:  # noqa: ANN401 - boto3 has no types
    """Make a client; no request is made yet."""
    config = Config(
        connect_timeout=5,
        # Longer than the longest wait for messages.
        read_timeout=settings.events_wait_s + 20,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=settings.events_at_once + 4,
    )
    return boto3.session.Session().client(
        "sqs",
        endpoint_url=settings.events_endpoint,
        region_name=settings.events_region,
        config=config,
    )


class SqsConsumer:
    """One queue's messages, batch after batch. Any number of processes may share a queue."""

    def __init__(
        self,
        settings: EventSettings,
        queue_url: str,
        client: Any,  # noqa: ANN401 - boto3 has no types
        database: Database,
        intake: Intake,
    ) -> None:
        self._settings = settings
        self._queue_url = queue_url
        self._client = client
        self._database = database
        self._intake = intake
        self._turn = threading.Lock()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Take messages until `stop`."""
        away_s = _AWAY_S
        with ThreadPoolExecutor(self._settings.events_at_once) as pool:
            while not self._stopping.is_set():
                try:
                    self._take_batch(pool)
                    away_s = _AWAY_S
                except (BotoCoreError, ClientError) as error:
                    log.warning("the queue %s did not answer: %s", self._queue_url, error)
                    self._stopping.wait(away_s)
                    away_s = min(_AWAY_MAX_S, away_s * 2)

    def stop(self) -> None:
        """Take no more; return once nothing is half done. A request that waits is let go."""
        self._stopping.set()
        self._turn.acquire()

    def _take_batch(self, pool: ThreadPoolExecutor) -> None:
        messages = self._receive()
        if self._stopping.is_set():
            self._give_back(messages)
            return
        with self._turn:
            done = [
                message
                for message, is_done in zip(messages, pool.map(self._deal, messages), strict=True)
                if is_done
            ]
            self._delete(done)

    def _receive(self) -> Sequence[Message]:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=self._settings.events_wait_s,
            VisibilityTimeout=self._settings.events_visibility_s,
            AttributeNames=["ApproximateReceiveCount"],
        )
        messages: Sequence[Message] = answer.get("Messages", [])
        return messages

    def _deal(self, message: Message) -> bool:
        """Deal with one message; tell whether it can be deleted."""
        try:
            for event in read_message(message["Body"]):
                self._intake.take(event, "sqs")
        except JobsError as error:
            if not error.is_temporary:
                return self._give_up(message, Reason(error.code, str(error)))
            log.warning("message %s is tried again: %s", message["MessageId"], error)
        except Exception:
            log.exception("message %s", message["MessageId"])
            mistake = "The service made a mistake with this message; its log tells more."
            return self._give_up(message, Reason("internal_error", mistake))
        else:
            return True
        self._hide(message)
        return False

    def _give_up(self, message: Message, reason: Reason) -> bool:
        """Put a message aside that came often enough; else have it come back."""
        receives = _receives(message)
        if receives < self._settings.events_receives_max:
            log.warning("message %s comes back: %s", message["MessageId"], reason.message)
            self._hide(message)
            return False
        try:
            with self._database.transaction() as rows:
                rows.s3_events.park(
                    self._queue_url, message["MessageId"], message["Body"], reason, receives
                )
        except JobsError as error:
            log.warning("message %s was not put aside: %s", message["MessageId"], error)
            return False
        log.error("message %s was put aside: %s", message["MessageId"], reason.message)
        return True

    def _hide(self, message: Message) -> None:
        """Have a message come back after a while, longer every time."""
        wait_s = min(self._settings.events_visibility_s, 2 ** min(_receives(message), 15))
        # Where this fails, it comes back when its time is over.
        with suppress(BotoCoreError, ClientError):
            self._client.change_message_visibility(
                QueueUrl=self._queue_url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=wait_s,
            )

    def _give_back(self, messages: Sequence[Message]) -> None:
        for message in messages:
            with suppress(BotoCoreError, ClientError):
                self._client.change_message_visibility(
                    QueueUrl=self._queue_url,
                    ReceiptHandle=message["ReceiptHandle"],
                    VisibilityTimeout=0,
                )

    def _delete(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        for failed in answer.get("Failed", ()):
            # It comes again and is found to be known.
            log.warning("a message was not deleted: %s", failed.get("Message") or failed)


def _receives(message: Message) -> int:
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
