"""Many producers in one process, by the rules of docs/WIRE.md: INGEST FIRST COUNT RECORDINGS APPENDS BYTES.

Each says hello, waits for a line on standard input, and then sends its appends as its window allows; every fiftieth
sends one message of a megabyte among them. Prints "ready", "sent" and the fewest bytes that a window had.
"""

from __future__ import annotations

import sys
from collections import deque

import zmq

from rerund_sdk import wire
from tests.raw_producer import Message, RawProducer, chunk

LARGE_BYTES = 1 << 20


class Member:
    """One producer: its messages, and what is on its way."""

    def __init__(self, producer: RawProducer, number: int, appends: int, size: int) -> None:
        self.producer = producer
        self.number = number
        self.appends = appends
        self.size = size
        self.made = 0
        self.next: Message | None = None
        self.window = 0
        self.on_their_way: deque[tuple[int, int]] = deque()  # seq, bytes
        self.asked = False

    def _make(self) -> Message:
        is_large = self.number % 50 == 0 and self.made == self.appends // 2
        padding = LARGE_BYTES if is_large else self.size
        self.made += 1
        entity, value = f"/producer/{self.number}", float(self.made)
        return chunk(self.producer.recording_id, entity, [value], [self.made], padding=padding)

    def send(self) -> None:
        """What the window has room for."""
        while self.next is not None or self.made < self.appends:
            self.next = self.next or self._make()
            size = self.next.entry.size
            on_their_way = sum(each for _, each in self.on_their_way)
            if on_their_way + size > self.window:
                if not on_their_way and not self.asked:
                    self.asked = True
                    self.producer.send(wire.Ping(wants=size))
                return
            self.on_their_way.append((self.producer.append(self.next), size))
            self.next, self.asked = None, False

    def hear(self) -> None:
        while self.producer.socket.poll(0):
            message = wire.decode(self.producer.socket.recv_multipart())
            assert isinstance(message, (wire.Welcome, wire.Ack)), message
            self.window = message.window
            while self.on_their_way and self.on_their_way[0][0] <= message.written_seq:
                self.on_their_way.popleft()

    @property
    def is_done(self) -> bool:
        return self.made == self.appends and self.next is None and not self.on_their_way


def main(ingest: str, first: int, count: int, recordings: int, appends: int, size: int) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, count + 10)
    members: dict[zmq.Socket[bytes], Member] = {}
    poller = zmq.Poller()
    for number in range(first, first + count):
        producer = RawProducer(ingest, f"run-{number % recordings}", greet=False, context=context)
        members[producer.socket] = Member(producer, number, appends, size)
        producer.send(producer.hello())
        poller.register(producer.socket, zmq.POLLIN)
    for member in members.values():
        member.window = member.producer.receive(wire.Welcome).window
    print("ready", flush=True)
    sys.stdin.readline()
    for member in members.values():
        member.send()
    fewest = wire.UNLIMITED
    while not all(member.is_done for member in members.values()):
        for socket, _ in poller.poll(1000):
            members[socket].hear()
            fewest = min(fewest, members[socket].window)
            members[socket].send()
    print("sent", fewest, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
