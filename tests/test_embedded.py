from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import pytest
import zmq

from rerund.embedded import EmbeddedDaemon
from rerund_sdk import places
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import RerundError
from tests.raw_producer import RawProducer, chunk, frames_of


@pytest.fixture(autouse=True)
def _nothing_else_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RERUND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()


def test_a_daemon_inside_this_process_takes_and_shows_data_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    with zmq.Context() as context:
        with EmbeddedDaemon(context, http_port=0, grpc_port=0) as daemon:
            message = chunk("run", "/a", [1.0], [1])
            with RawProducer(daemon.ingest, context=context) as producer:
                producer.append_and_wait(message)
            with RawProducer(daemon.ingest_of_children) as other:
                other.append_and_wait(chunk("run", "/b", [1.0], [1]))
            with ControlClient(places.INPROC_CONTROL, context) as client:
                feed = client.subscribe("run", follow=False, timeout=20)
                found = [each for part in feed for each in frames_of(part.data)]
            assert found[1] == message.data and len(found) == 3
            with urllib.request.urlopen(f"{daemon.http}/api/recordings") as answer:
                assert b'"run"' in answer.read()
            assert daemon.grpc.startswith("rerun+http://127.0.0.1:")
            assert places.read_daemon() is None
        daemon.close()  # once more does no harm
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert threading.active_count() == before


def test_a_port_that_is_taken_is_told_where_the_daemon_is_made(tmp_path: Path) -> None:
    with zmq.Context() as context, EmbeddedDaemon(context, http_port=0, grpc_port=0) as first:
        port = int(first.http.rpartition(":")[2])
        with zmq.Context() as second, pytest.raises(RerundError, match=f"port {port} is taken"):
            EmbeddedDaemon(second, http_port=port, grpc_port=0)
    assert list((tmp_path / "tmp").iterdir()) == []
