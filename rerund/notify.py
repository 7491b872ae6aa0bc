"""Tells the service manager how we are: systemd's sd_notify protocol, one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> None:
    """Send `state`, for example "READY=1"; nothing if nobody asked for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as peer:
            peer.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
    except (FileNotFoundError, ConnectionRefusedError):
        pass  # it waited for READY=1 only, as `rerund start` does
    except OSError as error:
        log.warning("the service manager was not told %r (%s): NOTIFY_SOCKET=%s", state, error.strerror, address)
