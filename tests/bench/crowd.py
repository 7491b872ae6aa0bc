"""Many producers in a few processes. Each logs a hundred rows a second, sent ten times a second.

Each has a connection of its own and sends real chunks; a thousand processes would measure the machine's scheduler.
`measure` runs them; one process of them is run as `crowd ADDRESS COUNT SECS NUMBER`, and prints one line of JSON: rows
sent, rows acked, seconds, and the longest time from an append to its ack.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import zmq

from rerund_sdk import messages, wire
from rerund_sdk.archetypes import Scalars
from rerund_sdk.chunk import ChunkEncoder
from rerund_sdk.series import Rows, Series
from rerund_sdk.time import SEQUENCE, Timelines
from tests.bench import side_by_side
from tests.bench.side_by_side import Figures, Server
from tests.raw_producer import RawProducer

_PROCESSES = 2
ROWS = 10  # of an append
PERIOD_SECS = 0.1
FIELDS = Scalars(0.0)._fields
TIMELINES = Timelines.of({"frame": SEQUENCE})


class Member:
    """One producer, and when it sent what is not yet acked."""

    def __init__(self, producer: RawProducer, number: int) -> None:
        self.producer = producer
        self.series = Series(f"/crowd/{number:06}", TIMELINES, FIELDS)
        self.sent: dict[int, float] = {}
        self.acked = 0
        self.worst = 0.0

    def send(self, encoder: ChunkEncoder, frame: int) -> None:
        now = time.time_ns()
        rows = [value for row in range(frame, frame + ROWS) for value in (now, row, row * 0.1)]
        message = encoder.encode_series(Rows(self.series, rows, ROWS), log_time=False)
        self.producer.seq += 1
        self.sent[self.producer.seq] = time.monotonic()
        self.producer.send(wire.Append(self.producer.seq, (message.entry,), message.data))

    def hear(self) -> None:
        while self.producer.socket.poll(0):
            message = wire.decode(self.producer.socket.recv_multipart())
            if isinstance(message, wire.Ack):
                now = time.monotonic()
                for seq in [seq for seq in self.sent if seq <= message.written_seq]:
                    self.worst = max(self.worst, now - self.sent.pop(seq))
                    self.acked += ROWS


def measure(server: Server, producers: int, secs: int) -> Figures:
    """What so many of them logged, and what it took the daemon."""
    daemon = psutil.Process(server.pid)
    before, start = side_by_side.cpu_secs(daemon), time.monotonic()
    processes = min(_PROCESSES, producers)
    command = [sys.executable, "-m", "tests.bench.crowd", server.address, str(producers // processes), str(secs)]
    crowds = [subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE) for number in range(processes)]
    figures = [side_by_side.figures(crowd) for crowd in crowds]
    used = side_by_side.cpu_secs(daemon) - before
    rows = sum(run["rows"] for run in figures)
    acked = sum(run["acked_rows"] for run in figures)
    return {
        "rows": rows,
        "acked": acked,
        "rate": acked / max(run["secs"] for run in figures),
        "worst_ack_ms": max(run["worst_ack_ms"] for run in figures),
        "daemon_us": used / rows * 1e6,
        "daemon_share": used / (time.monotonic() - start),
        "daemon_mb": daemon.memory_info().rss / 1e6,
    }


def main() -> None:
    address, count, secs, number = sys.argv[1], *map(int, sys.argv[2:])
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.max_sockets = 2 * count + 100
    encoder = ChunkEncoder(messages.ArrowMsgWriter(messages.store_id("bench", "crowd")))
    members = [
        Member(RawProducer(address, "crowd", application_id="bench", context=context), number * count + member)
        for member in range(count)
    ]
    start = time.monotonic()
    for turn in range(int(secs / PERIOD_SECS)):
        for place, member in enumerate(members):
            due = start + (turn + place / count) * PERIOD_SECS
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            member.send(encoder, turn * ROWS)
            member.hear()
    ended = time.monotonic() - start
    until = time.monotonic() + 20
    while any(member.sent for member in members) and time.monotonic() < until:
        for member in members:
            member.hear()
    print(
        json.dumps(
            {
                "rows": count * int(secs / PERIOD_SECS) * ROWS,
                "acked_rows": sum(member.acked for member in members),
                "secs": ended,
                "worst_ack_ms": max(member.worst for member in members) * 1e3,
            }
        )
    )


if __name__ == "__main__":
    main()
