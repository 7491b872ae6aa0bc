"""Our gRPC client against gRPC's library, and against damage."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from rerund_sdk.grpc_client import CallFailed, GrpcConnection

METHOD = "/service/Method"


class Server:
    """By gRPC's library: takes what it is sent."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.taken: list[bytes] = []
        self.metadata: list[tuple[str, str]] = []
        self.refuses = ""
        handler = grpc.stream_unary_rpc_method_handler(self._take)
        unlimited = (("grpc.max_receive_message_length", -1),)
        self._server = grpc.server(ThreadPoolExecutor(4), options=unlimited)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("service", {"Method": handler}),))
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self._server.start()

    def _take(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self.metadata = [(str(name), str(value)) for name, value in context.invocation_metadata()]
        if self.refuses:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, self.refuses)
        self.taken += requests
        return b"answer"

    def stop(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@contextmanager
def connected(port: int, host: str = "127.0.0.1", *, is_secure: bool = False) -> Iterator[GrpcConnection]:
    connection = GrpcConnection(host, port, is_secure, lambda: None)
    try:
        connection.open()
        yield connection
    finally:
        connection.close()


def test_messages_of_any_size_arrive_as_they_are_in_call_after_call(server: Server) -> None:
    sizes = (0, 1, 16379, 16384, 65535, 70_000, 5_000_000)
    with connected(server.port) as connection:
        for size in sizes:
            messages = [os.urandom(size) for _ in range(3)]
            connection.call(METHOD, [("a-name", "a value")], messages)
            assert server.taken == messages
            server.taken.clear()
        for _ in range(50):
            connection.call(METHOD, (), [])


def test_the_library_sees_the_metadata(server: Server) -> None:
    with connected(server.port) as connection:
        connection.call(METHOD, [("authorization", "Bearer " + "x" * 300)], [b"1"])
    assert ("authorization", "Bearer " + "x" * 300) in server.metadata


def test_a_call_that_is_refused_says_why(server: Server) -> None:
    server.refuses = "50 % of ü, and {more}"
    with connected(server.port) as connection:
        with pytest.raises(CallFailed, match=r"status 7: 50 % of ü, and \{more\}"):
            connection.call(METHOD, (), (b"x" * 1000 for _ in range(1000)))
        with pytest.raises(CallFailed, match="status 12"):
            connection.call("/service/Other", (), [])
        server.refuses = ""
        connection.call(METHOD, (), [b"1"])
    assert server.taken == [b"1"]


def test_tls_is_checked_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -nodes -subj /CN=localhost"
    subprocess.run(
        ["openssl", *words.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", chain],
        check=True,
        capture_output=True,
    )
    server = Server(grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())]))
    try:
        with pytest.raises(CallFailed, match="certificate verify failed"), connected(server.port, is_secure=True):
            pass
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        with connected(server.port, "localhost", is_secure=True) as connection:
            messages = [os.urandom(2_000_000) for _ in range(5)]
            connection.call(METHOD, (), messages)
        assert server.taken == messages
    finally:
        server.stop()


def test_a_call_ends_when_the_server_goes_or_it_is_interrupted(server: Server) -> None:
    reached, may_go_on = threading.Event(), threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"1"
        reached.set()
        may_go_on.wait()

    def call(connection: GrpcConnection, failed: list[str]) -> None:
        try:
            connection.call(METHOD, (), requests())
        except CallFailed as error:
            failed.append(str(error))

    for ends in (GrpcConnection.interrupt, lambda _: server.stop()):
        reached.clear()
        may_go_on.clear()
        failed: list[str] = []
        connection = GrpcConnection("127.0.0.1", server.port, False, may_go_on.set)
        connection.open()
        calling = threading.Thread(target=call, args=(connection, failed))
        calling.start()
        assert reached.wait(30)
        ends(connection)
        calling.join(30)
        connection.close()
        assert len(failed) == 1


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\1\x04\0\0\0\0\0\0", b"\0" * 5, b""])
def test_what_is_no_http2_fails(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(says)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(1000):
                    pass

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(CallFailed), connected(listener.getsockname()[1]):
            pass
        answering.join()


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(CallFailed, match="Connection refused"), connected(port):
        pass
