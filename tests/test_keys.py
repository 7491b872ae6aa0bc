"""Keys beyond loopback: a daemon at 0.0.0.0, reached at 127.0.0.1."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

import rerund_sdk as rr
from rerund.guard import AllowList
from rerund_sdk import keys
from rerund_sdk.control import ControlClient
from rerund_sdk.errors import DaemonError, KeyFailure
from tests.daemons import Daemon, fresh_folder
from tests.homes import wait_until
from tests.raw_producer import RawProducer, chunk


def open_at_free_ports() -> tuple[str, str]:
    """Options of a daemon that others reach. An address is bound anew when a key is revoked: between, no process that
    looks for any free port must get it, so it is not one of those that the system gives out."""
    with socket.socket() as data, socket.socket() as control:
        for number, probe in enumerate((data, control)):
            while True:
                try:
                    probe.bind(("0.0.0.0", random.randrange(20_000 + 4_000 * number, 24_000 + 4_000 * number)))
                    break
                except OSError:
                    continue
        ports = [probe.getsockname()[1] for probe in (data, control)]
    return f"--listen=tcp://0.0.0.0:{ports[0]},tcp://127.0.0.1:*", f"--control-listen=tcp://0.0.0.0:{ports[1]}"


class Keyed:
    """A daemon that takes keys, and a robot that has one."""

    def __init__(self) -> None:
        self.daemon = Daemon(fresh_folder(), *open_at_free_ports())
        self.robot = fresh_folder()  # its state directory
        self.server_key = keys.create(where=self.daemon.home / "keys").public.hex()
        self.robot_key = keys.create(where=self.robot / "keys").public.hex()

    def keys(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rerund", "keys", *words]
        return subprocess.run(command, env=self.daemon.env, capture_output=True, text=True, check=False)

    def authorize(self) -> None:
        assert self.keys("authorize", self.robot_key, "robot").returncode == 0

    def start(self) -> Keyed:
        self.daemon.start()
        return self

    @property
    def address(self) -> str:
        return _near(self.daemon.info.tcp[0])

    @property
    def loopback(self) -> str:
        return self.daemon.info.tcp[1]

    def control(self) -> ControlClient:
        endpoint = _near(self.daemon.info.remote_control[0])
        return ControlClient(endpoint, credentials=keys.credentials(endpoint, self.server_key))

    def values(self) -> list[float]:
        """What the log has of /a."""
        from tests.homes import chunk_of, is_chunk, messages_of

        chunks = [chunk_of(each) for file in self.daemon.segments() for each in messages_of(file) if is_chunk(each)]
        mine = [each.components[0].column.flatten().to_pylist() for each in chunks if each.entity_path == "/a"]
        return [value for values in mine for value in values]

    def end(self) -> None:
        self.daemon.end()


def _near(endpoint: str) -> str:
    return endpoint.replace("0.0.0.0", "127.0.0.1")


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyed]:
    """Not started; this process is the robot."""
    made = Keyed()
    monkeypatch.setenv("RERUND_HOME", str(made.robot))
    for name in ("RERUND_SERVER_KEY", "RERUND_KEY", "RERUND_CONNECT"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.end()


@pytest.fixture
def recording() -> Iterator[rr.RecordingStream]:
    made = rr.RecordingStream("app", recording_id="run", send_properties=False)
    yield made
    made.disconnect()


def test_nothing_listens_beyond_loopback_without_a_key_and_somebody_to_let_in(keyed: Keyed) -> None:
    key_file = keyed.daemon.home / "keys" / "default.key"
    aside = key_file.rename(key_file.with_name("aside"))
    with pytest.raises(AssertionError, match=r"will not listen at tcp://0\.0\.0\.0.*`rerund keys create` makes one"):
        keyed.start()
    aside.rename(key_file)
    with pytest.raises(AssertionError, match="no client's is known: `rerund keys authorize PUBLICKEY NAME`"):
        keyed.start()
    assert "Traceback" not in keyed.daemon.said()
    keyed.authorize()
    keyed.start()
    with RawProducer(keyed.loopback) as producer:  # as ever
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))


def test_the_right_key_gets_in_by_argument_and_by_environment(
    keyed: Keyed, recording: rr.RecordingStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed.authorize()
    keyed.start()
    recording.connect(keyed.address, server_key=keyed.server_key)
    recording.log("/a", rr.Scalars(1.0))
    assert recording.flush(timeout_sec=30)
    with keyed.control() as client:
        assert [each["recording_id"] for each in client.request("recordings")] == ["run"]
    monkeypatch.setenv("RERUND_SERVER_KEY", keyed.server_key)
    monkeypatch.setenv("RERUND_CONNECT", keyed.address)
    other = rr.RecordingStream("app", recording_id="other")
    other.connect()
    other.log("/b", rr.Scalars(1.0))
    assert other.flush(timeout_sec=30)
    other.disconnect()
    assert keyed.values() == [1.0]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("no key", "it asks for a key: run `rerund keys create` here"),
        ("not authorized", "our key is not authorized: run `rerund keys authorize {robot}`"),
        ("wrong server key", "its key is not {robot}, or it takes none here: compare with `rerund keys show`"),
        ("key where none is taken", "it takes none here"),
    ],
)
def test_who_has_no_right_key_is_told_so_once_and_keeps_the_rows(
    keyed: Keyed, recording: rr.RecordingStream, caplog: pytest.LogCaptureFixture, case: str, sentence: str
) -> None:
    keyed.keys("authorize", keys.create("other", where=keyed.robot / "keys").public.hex(), "other")
    keyed.start()
    server_key = {"no key": None, "wrong server key": keyed.robot_key}.get(case, keyed.server_key)
    address = keyed.loopback if case == "key where none is taken" else keyed.address
    with caplog.at_level(logging.WARNING, "rerund_sdk"):
        recording.connect(address, server_key=server_key)
        recording.log("/a", rr.Scalars(1.0))
        wait_until(lambda: caplog.records)
        assert not recording.flush(timeout_sec=1)
    assert len(caplog.records) == 1
    assert f"the daemon at {address} does not let us in, rows are kept: " in caplog.text
    assert sentence.format(robot=keyed.robot_key) in caplog.text
    recording.disconnect()
    assert keyed.values() == []
    assert [file.stat().st_size > 100 for file in (keyed.robot / "spill").glob("*.rrd")] == [True]


def test_a_key_may_be_given_later(keyed: Keyed, recording: rr.RecordingStream) -> None:
    keyed.authorize()
    keyed.start()
    recording.connect(keyed.address)
    recording.log("/a", rr.Scalars(1.0))
    recording.connect(keyed.address, server_key=keyed.server_key)
    recording.log("/a", rr.Scalars(2.0))
    assert recording.flush(timeout_sec=30)
    assert 2.0 in keyed.values()


def test_a_key_that_is_authorized_later_gets_in_at_once_and_in_order(
    keyed: Keyed, recording: rr.RecordingStream
) -> None:
    keyed.keys("authorize", keys.create("other", where=keyed.robot / "keys").public.hex(), "other")
    keyed.start()
    recording.connect(keyed.address, server_key=keyed.server_key)
    for value in range(5):
        recording.log("/a", rr.Scalars(float(value)))
    assert not recording.flush(timeout_sec=1)
    keyed.authorize()
    assert recording.flush(timeout_sec=30)
    assert keyed.values() == [0, 1, 2, 3, 4]
    assert keyed.daemon.said().count("is not let in: it is not authorized") == 1


def test_a_revoked_key_is_cut_off_though_connected_and_others_lose_nothing(
    keyed: Keyed, recording: rr.RecordingStream
) -> None:
    keyed.authorize()
    other = keys.create("other", where=keyed.robot / "keys")
    keyed.keys("authorize", other.public.hex(), "other")
    keyed.start()
    recording.connect(keyed.address, server_key=keyed.server_key)
    stays = rr.RecordingStream("app", recording_id="stays", send_properties=False)
    stays.connect(keyed.address, server_key=keyed.server_key, key="other")
    for stream in (recording, stays):
        stream.log("/a", rr.Scalars(1.0))
        assert stream.flush(timeout_sec=30)
    with keyed.control() as client:
        assert client.request("status")
        assert keyed.keys("revoke", "robot").stdout == "revoked: robot\n"
        wait_until(lambda: "is not let in" in keyed.daemon.said())
        recording.log("/a", rr.Scalars(2.0))
        with pytest.raises(DaemonError, match="does not let us in: our key is not authorized"):
            while True:
                with contextlib.suppress(TimeoutError):
                    client.request("status", timeout=2)
    stays.log("/a", rr.Scalars(3.0))
    assert stays.flush(timeout_sec=30)
    assert not recording.flush(timeout_sec=1)
    assert sorted(keyed.values()) == [1.0, 1.0, 3.0]
    stays.disconnect()


def test_over_tcp_one_may_look_and_not_touch(keyed: Keyed, recording: rr.RecordingStream, tmp_path: Path) -> None:
    keyed.authorize()
    keyed.start()
    recording.connect(keyed.address, server_key=keyed.server_key)
    recording.log("/a", rr.Scalars(1.0))
    assert recording.flush(timeout_sec=30)
    target = tmp_path / "stolen.rrd"
    with keyed.control() as client:
        for verb in ("save", "unsave", "remove", "stop"):
            with pytest.raises(DaemonError, match=f"'{verb}' is refused over TCP"):
                client.request(verb, recording="run", path=str(target), all=True, follow=True)
        with pytest.raises(DaemonError, match="unknown request"):
            client.request("../save", path=str(target))
        assert [batch.data[:4] for batch in client.subscribe("run", follow=False)]
    assert not target.exists()
    assert keyed.daemon.process is not None and keyed.daemon.process.poll() is None


def test_a_recording_that_is_logged_to_another_machine_is_read_from_there(
    keyed: Keyed, recording: rr.RecordingStream
) -> None:
    keyed.authorize()
    keyed.start()
    recording.connect(keyed.address, server_key=keyed.server_key)
    recording.log("/a", rr.Scalars(1.0))
    paths = (message.entity_path for message in rr.subscribe(recording))
    assert [next(paths), next(paths)] == [None, "/a"]
    endpoint = _near(keyed.daemon.info.remote_control[0])
    by_name = rr.subscribe("run", endpoint=endpoint, server_key=keyed.server_key, from_="start")
    assert next(by_name).entity_path is None
    with pytest.raises(DaemonError, match="it asks for a key"):
        rr.subscribe("run", endpoint=endpoint)


def test_control_over_loopback_tcp_only_looks_too(daemon: Daemon, make_daemon: Callable[..., Daemon]) -> None:
    made = make_daemon("--control-listen=tcp://127.0.0.1:*")
    with ControlClient(made.info.remote_control[0]) as client:
        assert client.request("recordings") == []
        with pytest.raises(DaemonError, match="refused over TCP"):
            client.request("stop")
    assert daemon.info.remote_control == ()


@pytest.mark.parametrize("recording_id", ["../../../../tmp/x", "..", "/etc/x", "a\0b", "x" * 3000])
def test_no_id_leads_out_of_the_state_directory(daemon: Daemon, recording_id: str) -> None:
    with RawProducer(daemon.ingest, recording_id, application_id="../..") as producer:
        producer.append_and_wait(chunk(recording_id, "/../../a", [1.0], [1], application_id="../.."))
    [segment] = daemon.segments()
    assert segment.resolve().is_relative_to(daemon.home.resolve() / "recordings")


# the files, and the command


def test_secrets_are_for_their_owner_alone(keyed: Keyed) -> None:
    keyed.authorize()
    folder = keyed.daemon.home / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "default.key": 0o600,
        "authorized": 0o600,
    }
    (keyed.robot / "keys" / "default.key").chmod(0o640)
    with pytest.raises(KeyFailure, match="chmod 600"):
        keys.load()
    assert keys.create("shown").secret.hex() not in repr(keys.load("shown"))


def test_the_command_makes_shows_lists_and_takes_away(keyed: Keyed) -> None:
    said = keyed.keys("create", "arm").stdout
    public = keyed.keys("show", "arm").stdout.strip()
    assert f"rerund keys authorize {public}" in said and f"RERUND_SERVER_KEY={public}" in said
    assert re.fullmatch("[0-9a-f]{64}", public)
    keyed.authorize()
    listed = keyed.keys("list").stdout
    assert all(word in listed for word in ("arm", "default", "robot", public, keyed.server_key, keyed.robot_key))
    assert keyed.keys("revoke", keyed.robot_key).returncode == 0
    assert keyed.robot_key not in keyed.keys("list").stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("create",), "there is a key 'default' already"),
        (("create", "../../x"), "is no name of a key"),
        (("create", ".x"), "is no name of a key"),
        (("show", "nobody"), "`rerund keys create nobody` makes one"),
        (("show", "/dev/null"), "others than its owner can read"),
        (("authorize", "zz"), "is no public key: must be 64 hexadecimal digits"),
        (("authorize", "é" * 40), "is no public key"),
        (("authorize", "a" * 64, "x\ny"), "is no name of a key"),
        (("authorize",), "takes 1 to 2 words, not 0"),
        (("revoke", "nobody"), "'nobody' is not authorized"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(keyed: Keyed, words: tuple[str, ...], sentence: str) -> None:
    done = keyed.keys(*words)
    assert done.returncode == 1 and sentence in done.stderr and done.stderr.count("\n") == 1


def test_a_list_that_was_edited_by_hand_holds_what_can_be_read(tmp_path: Path) -> None:
    allowed = AllowList(tmp_path)
    assert not allowed.clients()
    key = b"\x01" * 32
    (tmp_path / "authorized").write_text(f"# robots\n\nnonsense here\n{key.hex()} arm one\n")
    assert dict(allowed.clients()) == {key: "arm one"}
    (tmp_path / "authorized").unlink()
    assert not allowed.clients()


def test_zeromqs_own_form_of_a_key_is_understood() -> None:
    public, _ = zmq.curve_keypair()
    assert keys.parse(public.decode()).hex() != public.decode()
    assert keys.parse(keys.parse(public.decode()).hex()) == keys.parse(public.decode())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_cannot_reach_the_sockets(daemon: Daemon) -> None:
    program = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try: socket.socket(socket.AF_UNIX).connect(path); print('connected')\n"
        "    except PermissionError: print('refused')"
    )
    sockets = [str(daemon.runtime / name) for name in ("ingest.sock", "control.sock")]
    daemon.folder.chmod(0o755)
    (daemon.folder / "run").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(sockets[0])
    said = subprocess.check_output([sys.executable, "-c", program, *sockets], text=True)
    assert said.split() == ["refused", "refused"]
