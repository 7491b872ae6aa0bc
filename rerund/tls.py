"""The certificate that HTTP and gRPC show beyond this machine."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Final, NamedTuple

import grpc

from rerund.errors import ConfigError

log = logging.getLogger(__name__)

_ALPN: Final = ("http/1.1",)


class Certificate(NamedTuple):
    """Two PEM files."""

    chain: Path
    key: Path

    def for_http(self) -> ssl.SSLContext:
        """Raises ConfigError if the files are no good."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(_ALPN)
        try:
            context.load_cert_chain(self.chain, self.key, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or getattr(error, "reason", None) or error
            raise ConfigError(f"--tls-cert and --tls-key cannot be used ({why}): {self.chain}, {self.key}") from error
        return context

    def for_grpc(self) -> grpc.ServerCredentials:
        """Raises ConfigError if the files are no good."""
        self.for_http()  # gRPC itself would only say that there is no port
        return grpc.ssl_server_credentials([(self.key.read_bytes(), self.chain.read_bytes())])


def certificate(chain: Path | None, key: Path | None) -> Certificate | None:
    """Of the options. Raises ConfigError if one is missing."""
    if (chain is None) != (key is None):
        raise ConfigError("--tls-cert and --tls-key go together: give both or none")
    return Certificate(chain, key) if chain is not None and key is not None else None
