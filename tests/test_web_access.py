from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerund.web.names import parse_recording_path, recording_path
from tests.daemons import Daemon
from tests.official import RERUN
from tests.raw_producer import RawProducer, chunk, frames_of


def ask(daemon: Daemon, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request, its path sent as it is."""
    parts = urlsplit(daemon.info.http)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.evil", ""])
def test_a_foreign_host_name_is_refused_everywhere(daemon: Daemon, host: str) -> None:
    for path in ("/", "/api/status", "/ws/status", "/rerun/a/b"):
        assert ask(daemon, path, Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:9090", "127.8.8.8"])
def test_loopback_host_names_are_ours(daemon: Daemon, host: str) -> None:
    assert ask(daemon, "/api/status", Host=host)[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", "http://[bad"])
def test_a_page_of_another_origin_gets_nothing(daemon: Daemon, origin: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    for path in ("/api/status", "/api/recordings", "/api/recordings/a/b.rrd"):
        assert ask(daemon, path, Origin=origin)[0] == 403
    for path in ("/ws/status", "/ws/recordings/a/b"):
        assert ask(daemon, path, Origin=origin, Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==", **upgrade)[0] == 403


def test_our_own_pages_may_ask(daemon: Daemon) -> None:
    assert ask(daemon, "/api/status", Origin=daemon.info.http)[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_allowed(daemon: Daemon, method: str) -> None:
    assert ask(daemon, "/api/status", method)[0] == 405


TRICKS = [
    "/assets/../edge.py",
    "/assets/%2e%2e/edge.py",
    "/assets/..%2fedge.py",
    "/assets/%2e%2e%2f%2e%2e%2fedge.py",
    "/assets//etc/passwd",
    "/../../../../etc/passwd",
    "/static/../edge.py",
    "/assets/x%00.js",
    "/api/recordings/../../etc/passwd.rrd",
    "/api/recordings/..%2f..%2f..%2fetc/passwd.rrd",
    "/api/recordings/app/%2e%2e.rrd",
    "/api/recordings/app/run%00.rrd",
    "/api/recordings/app/%ff.rrd",
    "/api/recordings/app.rrd",
    "/api/recordings//.rrd",
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_out_of_what_is_served(daemon: Daemon, path: str) -> None:
    status, _, body = ask(daemon, path)
    assert status in (400, 404), body
    assert b"root:" not in body and b"import" not in body


def test_oversize_requests_are_refused(daemon: Daemon) -> None:
    assert ask(daemon, "/" + "x" * 20_000)[0] == 400
    assert ask(daemon, "/", X="y" * 20_000)[0] == 400


def test_every_answer_forbids_sniffing_and_framing(daemon: Daemon) -> None:
    for path in ("/", "/api/status", "/nothing", "/rerun/a/b", "/icon.svg"):
        _, headers, _ = ask(daemon, path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-eval" not in headers["content-security-policy"].replace("wasm-unsafe-eval", "")


def test_the_viewer_is_served_compressed_with_its_type_and_for_good(daemon: Daemon) -> None:
    import rerund.web.pages

    (wasm,) = (rerund.web.pages.STATIC / "assets").glob("re_viewer_bg*.wasm.gz")
    path = f"/assets/{wasm.name.removesuffix('.gz')}"
    status, headers, _ = ask(daemon, path, "HEAD", Accept_Encoding="gzip")
    assert (status, headers["content-type"], headers["content-encoding"]) == (200, "application/wasm", "gzip")
    assert "immutable" in headers["cache-control"]


def test_a_download_is_what_was_logged_and_a_valid_file(daemon: Daemon, tmp_path: Path) -> None:
    sent = [chunk("run", "/a", [1.0], [n], padding=100_000) for n in range(40)]
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*sent)
    status, headers, body = ask(daemon, "/api/recordings/app/run.rrd")
    assert status == 200 and int(headers["content-length"]) == len(body)
    assert frames_of(body)[1:] == [message.data for message in sent]
    file = tmp_path / "run.rrd"
    file.write_bytes(body)
    subprocess.run([RERUN, "rrd", "verify", "--check-footers=false", file], check=True, capture_output=True)


@pytest.mark.parametrize("recording_id", ["a/b", "..", ".", "", "~", "~..", "ü \n?#%2F", "a.rrd", "x" * 300])
def test_a_recording_of_any_name_can_be_downloaded(daemon: Daemon, recording_id: str) -> None:
    with RawProducer(daemon.ingest, recording_id) as producer:
        producer.append_and_wait(chunk(recording_id, "/a", [1.0], [1]))
    status, _, body = ask(daemon, f"/api/recordings/{recording_path('app', recording_id)}.rrd")
    assert (status, len(frames_of(body))) == (200, 2)


@given(st.text(), st.text())
def test_names_in_urls_are_unique_and_come_back(application_id: str, recording_id: str) -> None:
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in application_id + recording_id)
    path = recording_path(application_id, recording_id)
    segments = path.split("/")
    assert len(segments) == 2 and not {"", ".", ".."} & set(segments)
    if not surrogates:
        assert parse_recording_path(path) == (application_id, recording_id)


READ_MESSAGES = "/rerun.sdk_comms.v1alpha1.MessageProxyService/ReadMessages"


def test_grpc_web_is_open_to_loopback_pages_and_to_no_others(daemon: Daemon) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,x-grpc-web"}
    status, headers, _ = ask(daemon, READ_MESSAGES, "OPTIONS", Origin="http://localhost:8888", **asked)
    assert (status, headers["access-control-allow-origin"]) == (200, "http://localhost:8888")
    assert headers["access-control-allow-headers"] == "content-type,x-grpc-web"
    assert ask(daemon, READ_MESSAGES, "OPTIONS", Origin="https://evil.example", **asked)[0] == 403
    assert ask(daemon, READ_MESSAGES, "POST", Origin="https://localhost.evil.example")[0] == 403
    assert ask(daemon, READ_MESSAGES, "POST", Content_Type="application/grpc")[0] == 415


ACTION = {"X_Rerund_Action": "1", "Content_Type": "application/json"}


def test_an_action_wants_its_header_and_none_comes_from_another_site(daemon: Daemon) -> None:
    assert ask(daemon, "/api/actions/remove", "POST", Content_Type="application/json")[0] == 403
    assert ask(daemon, "/api/actions/remove", "POST", Origin="http://evil.example", **ACTION)[0] == 403
    assert ask(daemon, "/api/actions/nonsense", "POST", **ACTION)[0] == 404
    assert ask(daemon, "/api/actions/remove", "POST", **ACTION)[0] == 400
    assert ask(daemon, "/api/actions/remove", "GET")[0] == 405


def act(daemon: Daemon, action: str, **args: object) -> tuple[int, str]:
    headers = {"X-Rerund-Action": "1", "Content-Type": "application/json"}
    url = f"{daemon.info.http}/api/actions/{action}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(args).encode(), headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


FILE_TRICKS = [
    "",
    "x",
    ".rrd",
    "..rrd",
    "../x.rrd",
    "/tmp/x.rrd",
    "a/b.rrd",
    "x\0.rrd",
    "x\n.rrd",
    "~/x.rrd",
    "\\x.rrd",
    ".x.rrd",
]


def test_a_page_can_have_new_files_written_to_one_directory_and_no_others(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    run = {"application_id": "app", "recording_id": "run"}
    before = {path for path in daemon.folder.rglob("*.rrd") if "recordings" not in path.parts}
    for name in FILE_TRICKS:
        status, said = act(daemon, "follow", file=name, **run)
        assert (status, "is no name for a file" in said) == (409, True), said
    assert {path for path in daemon.folder.rglob("*.rrd") if "recordings" not in path.parts} == before
    saved = daemon.home / "saved"
    saved.mkdir()
    (saved / "link.rrd").symlink_to(daemon.folder / "elsewhere.rrd")
    (saved / "there.rrd").write_text("mine")
    for name in ("link.rrd", "there.rrd"):
        assert act(daemon, "follow", file=name, **run)[0] == 409
    assert (saved / "there.rrd").read_text() == "mine" and not (daemon.folder / "elsewhere.rrd").exists()
    status, said = act(daemon, "follow", file="new.rrd", **run)
    assert (status, json.loads(said)["path"]) == (200, str(saved / "new.rrd"))
    assert act(daemon, "follow", file="new.rrd", **run)[0] == 409


def test_files_of_pages_go_where_the_option_says(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = make_daemon(f"--save-dir={tmp_path}/given")
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    assert act(daemon, "follow", file="run.rrd", application_id="app", recording_id="run")[0] == 200
    assert (tmp_path / "given" / "run.rrd").stat().st_size > 0
    told = json.loads(ask(daemon, "/api/actions")[2])
    assert told == {"may_act": True, "save_dir": f"{tmp_path}/given"}


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"[" * 60_000, b"\xff", b"x" * 70_000])
def test_an_action_that_cannot_be_understood_is_refused_in_a_sentence(daemon: Daemon, body: bytes) -> None:
    headers = {"X-Rerund-Action": "1", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{daemon.info.http}/api/actions/pin", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    assert refused.value.code in (400, 413)
    refused.value.close()
    assert "Traceback" not in daemon.said()


def test_an_action_on_what_is_not_there_is_refused(daemon: Daemon) -> None:
    for action, more in (("remove", {}), ("pin", {"pinned": True}), ("follow", {"file": "x.rrd"})):
        status, said = act(daemon, action, application_id="app", recording_id="gone", **more)
        assert (status, "no recording app/gone" in said) == (400, True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_cannot_act(daemon: Daemon) -> None:
    script = (
        "import encodings.idna, os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
        "with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as s:\n"
        "  s.sendall(b'POST /api/actions/remove HTTP/1.0\\r\\nHost: localhost\\r\\nX-Rerund-Action: 1\\r\\n\\r\\n')\n"
        "  print(s.recv(4096).decode() + s.recv(4096).decode())"
    )
    command = [sys.executable, "-c", script, daemon.info.http.rsplit(":", 1)[1]]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert " 403 " in said and "Only programs of the user who runs the daemon" in said
