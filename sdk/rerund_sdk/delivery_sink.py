"""What sinks have in common that deliver over a connection, and keep what is not delivered (outbox.py).

At the end, what could not be delivered is left in files of the state directory, and one line says where. A forked
child starts empty, with a connection of its own, at its first message.
"""

from __future__ import annotations

import logging
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from rerund_sdk import delivery_status, places
from rerund_sdk.delivery_status import DeliveryStatus
from rerund_sdk.losses import producer_name, report_message
from rerund_sdk.outbox import Delivery, Outbox
from rerund_sdk.sinks import EncodedMessage, Store
from rerund_sdk.spiller import Spiller

logger = logging.getLogger("rerund_sdk")


class Courier(Protocol):
    """A thread that empties an outbox into a connection."""

    producer_id: bytes
    on_change: Callable[[], None]  # called on any thread after `connected` has changed

    @property
    def connected(self) -> bool: ...

    def start(self) -> None:
        """Raises RuntimeError if the interpreter is ending."""

    def ring(self) -> None:
        """There is something to send. Never waits."""

    def hurry(self) -> None:
        """Somebody waits for all that was put to be acknowledged."""

    def dismiss(self) -> None:
        """Begin to end, without waiting; what is unsent stays in the outbox. Idempotent."""

    def stop(self) -> None:
        """End, if that does not take too long."""

    def after_fork(self) -> None:
        """In the child: forget the thread and its sockets."""


class DeliverySink(ABC):
    """A sink over a courier. Two that deliver to the same place are equal."""

    tick_secs = 0.0  # rows leave at once, in batches under load

    def __init__(self, endpoint: str, delivery: Delivery) -> None:
        self.endpoint = endpoint
        self.delivery = delivery
        self._store: Store | None = None
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._outbox = Outbox(self.delivery)
        self._courier: Courier | None = None
        self._spiller: Spiller | None = None
        self._losses_told = 0

    @abstractmethod
    def _make_courier(self, store: Store, outbox: Outbox) -> Courier: ...

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeliverySink) and (type(self), self.endpoint) == (type(other), other.endpoint)

    def __hash__(self) -> int:
        return hash((type(self), self.endpoint))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r})"

    @property
    def is_far(self) -> bool:
        """Whether messages go to another machine, as far as the address tells."""
        where = urlsplit(self.endpoint)
        return where.scheme not in ("ipc", "inproc") and not places.is_loopback(where.hostname or "")

    @property
    def status(self) -> DeliveryStatus:
        """How it stands now."""
        return DeliveryStatus(
            self.endpoint,
            self._courier is not None and self._courier.connected,
            len(self._outbox),
            self._outbox.memory,
            self._spiller.nbytes if self._spiller is not None else 0,
            self._outbox.lost_rows,
        )

    def open(self, store: Store) -> None:
        self._store = store
        self._started()

    def send(self, messages: Sequence[EncodedMessage]) -> None:
        courier = self._started()
        if courier is not None:
            self._outbox.put(messages)
            courier.ring()
            self._outbox.keep_pace()

    def flush(self, deadline: float) -> bool:
        """Whether all that was sent so far is delivered, and nothing was lost since the last flush."""
        if self._courier is not None:
            self._courier.hurry()
        delivered = self._outbox.wait_delivered(self._outbox.last_number, deadline)
        lost, self._losses_told = self._outbox.lost_rows - self._losses_told, self._outbox.lost_rows
        return delivered and not lost

    def sync(self, deadline: float) -> bool:  # noqa: ARG002 - a stock server does not say
        """Whether the other side has told that what it has survives a power cut."""
        return False

    def dismiss(self) -> None:
        """Begin to end the connection; `close` waits for it. Idempotent."""
        if self._courier is not None:
            self._courier.dismiss()

    def close(self) -> None:
        """End the connection; what is not delivered is left on disk."""
        if self._closed:
            return
        self._closed = True
        if self._courier is None or self._spiller is None:
            return
        self._courier.stop()
        rest = self._spiller.close()
        where = ", ".join(map(str, rest.paths))
        if rest.lost < rest.messages:
            logger.warning("%s has not taken %d messages: they are kept in %s", self.endpoint, rest.messages, where)
            if rest.lost:
                logger.error("but %d of these messages are lost", rest.lost)
        elif rest.messages:
            logger.error(
                "%s has not acknowledged %d messages, and they could not be kept on disk: what did not arrive is lost",
                *(self.endpoint, rest.messages),
            )

    def after_fork(self) -> None:
        if self._courier is not None:
            self._courier.after_fork()
        if self._spiller is not None:
            self._spiller.after_fork()
        self._reset()

    def _started(self) -> Courier | None:
        """The courier of this process; it is made at the first use."""
        if self._courier is not None or self._store is None or self._closed:
            return self._courier
        courier = self._make_courier(self._store, self._outbox)
        application_id, recording_id, store_info = self._store
        self._spiller = Spiller(
            self._outbox,
            spill_directory(),
            f"{courier.producer_id.hex()}-{os.getpid()}",
            store_info,
            lambda report: report_message(
                report, application_id, recording_id, producer_name(program_name(), os.getpid())
            ),
            courier.ring,
        )
        self._courier = courier
        courier.on_change = lambda: delivery_status.changed(application_id, recording_id, self.status)
        try:
            courier.start()
        except RuntimeError:  # the interpreter is ending and starts no more threads; close() puts all on disk
            logger.debug("no connection to %s was made: the program is ending", self.endpoint)
        return courier


def program_name() -> str:
    """What people know this process by."""
    script = sys.argv[0] if sys.argv else ""
    return Path(script).name or Path(sys.executable).name


def spill_directory() -> Path:
    """Where producers leave what they could not deliver."""
    return places.home() / "spill"
