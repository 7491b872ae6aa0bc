"""Viewers of either server: the same gRPC client, which looks at nothing of what it gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import grpc

_READ_MESSAGES = "/rerun.sdk_comms.v1alpha1.MessageProxyService/ReadMessages"


def channel_to(url: str) -> grpc.Channel:
    """To a server, by the URL that viewers are given."""
    host = url.removeprefix("rerun+http://").removesuffix("/proxy")
    return grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])


def read_messages(channel: grpc.Channel) -> grpc.CallIterator[bytes]:
    """All that a viewer is sent. Nothing is taken until it is asked for."""
    return cast("grpc.CallIterator[bytes]", channel.unary_stream(_READ_MESSAGES)(b""))


def reading(url: str) -> grpc.Channel:
    """A viewer that takes all it gets, until the channel is closed."""
    channel = channel_to(url)
    threading.Thread(target=_read, args=(read_messages(channel),), daemon=True).start()
    return channel


def _read(messages: Iterator[bytes]) -> None:
    try:
        for _ in messages:
            pass
    except grpc.RpcError:
        pass  # the channel was closed
