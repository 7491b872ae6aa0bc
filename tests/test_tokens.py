"""Tokens of pages and gRPC: a daemon at 0.0.0.0, reached at 127.0.0.1."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import grpc
import pytest

import rerund_sdk as rr
from rerund import tokens
from rerund.grpc_edge import SERVICE
from rerund.relay import Relay
from rerund_sdk import links, places
from rerund_sdk.errors import KeyFailure
from rerund_sdk.grpc_sink import GrpcSink
from tests import browsers
from tests.daemons import Daemon
from tests.homes import run_to_end
from tests.raw_producer import RawProducer, chunk

OPEN = ("--http-host=0.0.0.0", "--grpc-host=0.0.0.0")
READ_MESSAGES = f"/{SERVICE}/ReadMessages"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Answer:
    """Of one request."""

    def __init__(self, daemon: Daemon, path: str, method: str = "GET", **headers: str) -> None:
        parts = urlsplit(daemon.info.http)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        try:
            connection.request(method, path, headers={**headers})
            response = connection.getresponse()
            self.status = response.status
            self.headers = response.headers
            self.text = response.read().decode(errors="replace") if response.status != 101 else ""
        finally:
            connection.close()


@pytest.fixture
def opened(make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    made = make_daemon(*OPEN)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    yield made
    log = made.said()
    for token in (links.token(made.info), links.token(made.info, "read-only")):
        assert token not in log


def bearer(daemon: Daemon, name: str = "full") -> str:
    return f"Bearer {links.token(daemon.info, name)}"


EVERYTHING = [
    "/",
    "/api/status",
    "/api/recordings/a/b.rrd",
    "/recordings/a/b",
    "/rerun/a/b",
    "/icon.svg",
    "/assets/x.js",
]


@pytest.mark.parametrize("path", [*EVERYTHING, "/nothing", "/ws/status", "/ws/recordings/a/b", "/ws/view/a/b"])
def test_without_a_token_nothing_is_answered_beyond_loopback(opened: Daemon, path: str) -> None:
    headers = UPGRADE if path.startswith("/ws/") else {}
    answer = Answer(opened, path, **headers)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="rerund"')
    assert "open a link of `rerund token`" in answer.text
    assert Answer(opened, path, **headers, Authorization="Bearer wrong-wrong-wrong-wrong").status == 401
    assert Answer(opened, path, **headers, Cookie="rerund_1=x; rerund=y").status == 401
    assert Answer(opened, READ_MESSAGES, "POST", **{"Content-Type": "application/grpc-web+proto"}).status == 401


@pytest.mark.parametrize("name", ["full", "read-only"])
def test_either_token_lets_one_look(opened: Daemon, name: str) -> None:
    shown = links.token(opened.info, name)
    assert Answer(opened, "/api/status", Authorization=f"Bearer {shown}").status == 200
    assert Answer(opened, f"/api/status?token={shown}").status == 200
    port = urlsplit(opened.info.http).port
    assert Answer(opened, "/api/status", Cookie=f"rerund_{port}={shown}").status == 200
    assert Answer(opened, "/ws/status", **UPGRADE, Cookie=f"rerund_{port}={shown}").status == 101


def test_a_link_leaves_a_cookie_and_leads_to_the_page_without_the_token(opened: Daemon) -> None:
    shown = links.token(opened.info)
    answer = Answer(opened, f"/recordings/a/b?token={shown}&x=%22%3E%3Cscript%3E", Accept="text/html,*/*")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"rerund_{urlsplit(opened.info.http).port}={shown};")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; ")) and "Secure" not in cookie
    assert shown not in answer.text and "<script>" not in answer.text.replace("<script>const to", "")
    assert answer.headers["Referrer-Policy"] == "no-referrer" and answer.headers["Cache-Control"] == "no-store"
    [target] = re.findall('href="([^"]*)"', answer.text)
    assert target.startswith("/recordings/a/b?x=")
    page = Answer(opened, "/", Accept="text/html", Cookie=cookie.split(";")[0])
    assert page.status == 200 and "Set-Cookie" not in page.headers


def test_a_browser_that_opens_a_link_stays_in_and_keeps_what_is_behind_the_hash(opened: Daemon) -> None:
    with RawProducer(opened.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    with browsers.chromium() as browser:
        with browsers.opened(links.link(opened.info, "/?x=1") + "#here", browser) as page:
            browsers.wait_until(page, lambda: "run" in page.inner_text("body"))  # which came over a WebSocket
            assert page.url == f"{opened.info.http}/?x=1#here"
            assert "token" not in page.evaluate("document.cookie + location.href")
            page.goto(f"{opened.info.http}/recordings/app/run")
            browsers.wait_until(page, lambda: "/a" in page.inner_text("body"))
        with browsers.opened(f"{opened.info.http}/", browser) as page:
            assert "open a link of `rerund token`" in page.inner_text("body")


def test_a_wrong_token_in_a_link_leaves_no_cookie(opened: Daemon) -> None:
    answer = Answer(opened, "/?token=wrong-wrong-wrong-wrong", Accept="text/html")
    assert answer.status == 401 and "Set-Cookie" not in answer.headers


def test_a_read_only_token_acts_on_nothing(opened: Daemon) -> None:
    with RawProducer(opened.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/api/status", "/api/recordings/app/run", "/api/actions/remove", "/api/actions/anything"):
            answer = Answer(opened, path, method, Authorization=bearer(opened, "read-only"))
            assert (answer.status, answer.text) == (403, f"{method} is not allowed with a read-only token.\n")
    assert len(opened.segments()) == 1


def test_host_and_origin_are_checked_though_the_token_is_right(opened: Daemon) -> None:
    token = bearer(opened)
    port = urlsplit(opened.info.http).port
    assert Answer(opened, "/api/status", Authorization=token, Host="evil.example").status == 421
    assert Answer(opened, "/ws/status", **UPGRADE, Authorization=token, Origin="http://evil.example").status == 403
    for host in (f"192.0.2.7:{port}", f"localhost:{port}", f"[2001:db8::1]:{port}"):
        assert Answer(opened, "/api/status", Authorization=token, Host=host, Origin=f"http://{host}").status == 200


def test_a_name_that_was_configured_is_ours_and_wants_a_token(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("--http-names=Robots.example,lab.example")
    assert Answer(daemon, "/api/status", Host="robots.example").status == 401
    assert Answer(daemon, "/api/status", Host="robots.example:443", Authorization=bearer(daemon)).status == 200
    assert Answer(daemon, "/api/status", Host="evil.example", Authorization=bearer(daemon)).status == 421


def test_loopback_wants_no_token_unless_a_file_is_given(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    daemon = make_daemon()
    assert Answer(daemon, "/api/status").status == 200
    assert daemon.info.token_file == "" and not (daemon.home / "keys").exists()
    locked = make_daemon(f"--token-file={tmp_path / 'mine'}")
    assert Answer(locked, "/api/status").status == 401
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o600
    assert Answer(locked, "/api/status", Authorization=bearer(locked)).status == 200
    assert _code(_write(locked)) is grpc.StatusCode.UNAUTHENTICATED


def test_many_different_wrong_tokens_are_not_answered_and_told_once(opened: Daemon) -> None:
    for _ in range(30):  # of a page that was left open, say
        assert Answer(opened, "/api/status", Authorization="Bearer old-old-old-old-old").status == 401
    assert Answer(opened, "/api/status", Authorization=bearer(opened)).status == 200
    statuses = [Answer(opened, "/api/status", Authorization=f"Bearer guess-{number}").status for number in range(12)]
    assert statuses[:9] == [401] * 9 and statuses[-2:] == [429] * 2
    assert Answer(opened, "/api/status", Authorization=bearer(opened)).status == 429
    assert opened.said().count("wrong token") == 2


def test_new_tokens_end_the_old_ones_at_once(opened: Daemon) -> None:
    before = links.token(opened.info)
    said = _rerund(opened, "token", "--new", "--json").stdout
    after = json.loads(said)["token"]
    assert before != after == links.token(opened.info)
    assert Answer(opened, "/api/status", Authorization=f"Bearer {before}").status == 401
    assert Answer(opened, "/api/status", Authorization=f"Bearer {after}").status == 200


def test_the_command_prints_links_for_others(opened: Daemon) -> None:
    first = _rerund(opened, "token", "--read-only").stdout.splitlines()[0]
    port = urlsplit(opened.info.http).port
    assert first.startswith("http://") and first.endswith(f":{port}/?token={links.token(opened.info, 'read-only')}")


def test_tokens_that_cannot_be_are_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    for text, sentence in (
        ("full x", "two lines"),
        ("full short\nread-only short", "16 to 256"),
        (f"full {'a' * 20}\nread-only {'a' * 20}", "the same"),
        ("", "two lines"),
    ):
        file.write_text(text)
        file.chmod(0o600)
        with pytest.raises(KeyFailure, match=sentence):
            tokens.load(file)
    file.chmod(0o644)
    with pytest.raises(KeyFailure, match="chmod 600"):
        tokens.load(file)


def test_a_file_that_is_broken_while_the_daemon_runs_lets_nobody_in(opened: Daemon) -> None:
    token = bearer(opened)
    Path(opened.info.token_file).write_text("full\n")
    assert Answer(opened, "/api/status", Authorization=token).status == 401
    assert "nobody gets in until this is mended" in opened.said()
    tokens.make(Path(opened.info.token_file))


# gRPC


def _target(daemon: Daemon) -> str:
    return str(urlsplit(daemon.info.grpc).netloc)


def _write(daemon: Daemon, *metadata: tuple[str, str]) -> Callable[[], object]:
    def call() -> object:
        with grpc.insecure_channel(_target(daemon)) as channel:
            method = channel.stream_unary(f"/{SERVICE}/WriteMessages")
            return method(iter([]), metadata=metadata, timeout=20)

    return call


def _code(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_grpc_beyond_loopback_wants_a_token_and_writes_with_the_full_one_only(opened: Daemon) -> None:
    def shows(token: str) -> grpc.StatusCode:
        return _code(_write(opened, ("authorization", token)))

    assert _code(_write(opened)) is grpc.StatusCode.UNAUTHENTICATED
    assert shows("Bearer wrong-wrong-wrong-wrong") is grpc.StatusCode.UNAUTHENTICATED
    assert shows(bearer(opened, "read-only")) is grpc.StatusCode.PERMISSION_DENIED
    assert shows(bearer(opened)) is grpc.StatusCode.OK
    with grpc.insecure_channel(_target(opened)) as channel:
        reading = channel.unary_stream(f"/{SERVICE}/ReadMessages")(b"", timeout=20)
        with pytest.raises(grpc.RpcError) as refused:
            next(reading)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with RawProducer(opened.ingest) as producer:
            producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
        metadata = (("authorization", bearer(opened, "read-only")),)
        reading = channel.unary_stream(f"/{SERVICE}/ReadMessages")(b"", metadata=metadata, timeout=20)
        assert next(reading)
        reading.cancel()


def test_our_own_sdk_shows_the_token_of_the_environment(opened: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERUND_TOKEN", links.token(opened.info))
    stream = rr.RecordingStream("app", recording_id="over-grpc")
    stream.set_sinks(GrpcSink(opened.info.grpc))
    stream.log("/a", rr.Scalars(1.0))
    assert stream.flush(timeout_sec=30)
    stream.disconnect()
    assert opened.segments()


# what belongs to the daemon's own user


def test_our_own_links_have_the_token(opened: Daemon) -> None:
    stream = rr.RecordingStream("app", recording_id="run")
    url = rr.serve(open_browser=False, recording=stream)
    assert url == f"{opened.info.http}/recordings/app/run?token={links.token(opened.info)}"
    stream.disconnect()


def test_the_relay_of_the_native_viewer_gets_in(opened: Daemon) -> None:
    with RawProducer(opened.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    assert run_to_end(_first_through_relay())


async def _first_through_relay() -> bytes:
    relay = Relay(("app", "run"))
    await relay.start()
    async with grpc.aio.insecure_channel(urlsplit(relay.url).netloc) as channel:
        reading = channel.unary_stream(f"/{SERVICE}/ReadMessages")(b"", timeout=30)
        first: bytes = await reading.read()
        reading.cancel()
    await relay.stop()
    return first


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Self-signed, for a name that nobody asks for."""
    key, chain = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words = ["-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", "/CN=robots.example"]
    subprocess.run([*command, *words, "-addext", "subjectAltName=DNS:robots.example"], check=True, capture_output=True)
    return f"--tls-cert={chain}", f"--tls-key={key}"


def test_with_a_certificate_pages_relay_and_grpc_are_encrypted(
    make_daemon: Callable[..., Daemon], certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make_daemon(*OPEN, *certificate)
    assert daemon.info.http.startswith("https://127.0.0.1:") and daemon.info.grpc.startswith("rerun+https://")
    assert "can be read on its way" not in daemon.said()
    for name, value in daemon.variables.items():
        monkeypatch.setenv(name, value)
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(chunk("run", "/a", [1.0], [1]))
    run_to_end(_ask_encrypted(daemon.info))
    assert run_to_end(_first_through_relay())
    chain = Path(certificate[0].removeprefix("--tls-cert=")).read_bytes()
    name = (("grpc.ssl_target_name_override", "robots.example"),)
    with grpc.secure_channel(_target(daemon), grpc.ssl_channel_credentials(chain), name) as channel:
        write = channel.stream_unary(f"/{SERVICE}/WriteMessages")
        assert write(iter([]), metadata=(("authorization", bearer(daemon)),), timeout=20) == b""
    assert _code(_write(daemon)) is grpc.StatusCode.UNAVAILABLE


async def _ask_encrypted(info: places.DaemonInfo) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{info.http}/api/status", headers=links.headers(info), ssl=links.trust(info)) as found:
            assert found.status == 200
        async with session.get(links.link(info, "/"), headers={"Accept": "text/html"}, ssl=links.trust(info)) as page:
            assert "Secure" in page.headers["Set-Cookie"]
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(info.http)
        with pytest.raises(aiohttp.ClientError):
            await session.get(info.http.replace("https:", "http:"))


@pytest.mark.parametrize("missing", ["--tls-key", "--tls-cert", "content"])
def test_a_certificate_that_cannot_be_used_is_refused_in_a_sentence(
    make_daemon: Callable[..., Daemon], certificate: tuple[str, str], missing: str
) -> None:
    options = [option for option in certificate if not option.startswith(missing)]
    if missing == "content":
        Path(certificate[1].removeprefix("--tls-key=")).write_text("nonsense")
    with pytest.raises(
        AssertionError, match=r"rerund: --tls-cert and --tls-key (go together|cannot be used)"
    ) as refused:
        make_daemon(*OPEN, *options)
    assert "Traceback" not in str(refused.value)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_the_oldest_versions_of_tls_are_refused(
    make_daemon: Callable[..., Daemon], certificate: tuple[str, str]
) -> None:
    daemon = make_daemon("--http-host=0.0.0.0", *certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    parts = urlsplit(daemon.info.http)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, context=context, timeout=20)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/")


def _rerund(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rerund", *words]
    return subprocess.run(command, env=daemon.env, capture_output=True, text=True, check=True)
