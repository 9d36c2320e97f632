"""What object stores tell about objects, whichever way it comes: a queue, a webhook, a listing."""

from jobs.object_events.event import EventKind, ObjectEvent
from jobs.object_events.messages import read_message
from jobs.object_events.sequencer import Order, order_of

__all__ = ["EventKind", "ObjectEvent", "Order", "order_of", "read_message"]
