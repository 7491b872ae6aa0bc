from __future__ import annotations

from tests.daemons import Daemon
from tests.raw_producer import RawProducer, chunk, frames_of, values_of


def test_what_was_acknowledged_is_in_the_log_after_a_kill(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0, 2.0], [1, 2]))
        daemon.kill()
    (segment,) = daemon.segments()
    _, data = frames_of(segment.read_bytes())
    assert values_of(data) == [1.0, 2.0]
