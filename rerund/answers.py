"""What the intake says to its peers, and how often it had to."""

from __future__ import annotations

import logging

import zmq

from rerund.producers import Producer
from rerund_sdk import wire

log = logging.getLogger(__name__)


class Counters:
    """What the intake has taken and refused since the start."""

    def __init__(self) -> None:
        self.messages = 0
        self.rows = 0
        self.bytes = 0
        self.repeated = 0  # messages that were sent again and are in the log once
        self.rejected = 0  # wire messages refused for what they are
        self.refused_writes = 0  # batches refused because the disk did not take them
        self.lost_rows = 0  # as producers declared them


class Answers:
    """To peers of one ROUTER. One that is gone, or does not listen, misses its answer: nothing here waits."""

    def __init__(self, router: zmq.Socket[bytes], counters: Counters) -> None:
        self._router = router
        self._counters = counters

    def send(self, identity: bytes, message: wire.Message) -> None:
        try:
            self._router.send_multipart([identity, *wire.encode(message)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            log.debug("%s was not sent: %s", type(message).__name__, error)

    def reject(self, identity: bytes, code: str, reason: str, seq: int = 0) -> None:
        """It is the peer's fault."""
        self._counters.rejected += 1
        self.send(identity, wire.Reject(code, reason, seq))

    def refuse(self, producer: Producer, seq: int, reason: str) -> None:
        """Nothing is taken from the producer until this append comes again."""
        producer.refusing = True
        self.send(producer.identity, wire.Reject("not-now", reason, seq))
