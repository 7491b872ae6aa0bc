"""What one caller of ReadMessages gets, over gRPC or gRPC-web: every recording that is active, also those to come.

One small task a recording, and all of one caller take turns at its stream. A turn ends when the transport took what
was read for it, so a viewer that is slow or frozen holds one block of one recording, and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from rerund.edge import ViewerInfo
from rerund.errors import RecordingRemoved
from rerund.foreign import wrap_head
from rerund.recording import Recording
from rerund.store import Store
from rerund_sdk import rrd
from rerund_sdk.errors import RerundError

log = logging.getLogger(__name__)

BLOCK_BYTES: Final = 256 * 1024  # read in one turn, unless one message alone is larger

# Takes one ReadMessagesResponse; returns when the next may come. Raises ConnectionError once the caller is gone.
Write = Callable[[bytes], Awaitable[None]]


class Feed:
    """Sends to one caller."""

    def __init__(self, store: Store, viewers: list[ViewerInfo], peer: str, write: Write) -> None:
        self._store = store
        self._viewers = viewers
        self._peer = peer
        self._write = write
        self._turn = asyncio.Lock()
        self._tasks: dict[Recording, asyncio.Task[None]] = {}

    async def run(self, replay: str) -> None:
        """Until cancelled. `replay`: which recordings it begins with, as the option grpc_replay says."""
        try:
            for recording in replayed(self._store, replay):
                self._show(recording)
            seen = 0
            while True:
                active = await self._store.activated(seen)
                seen += len(active)
                for recording in active:
                    self._show(recording)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _show(self, recording: Recording) -> None:
        """Send all of `recording`, from now on too, unless that is under way."""
        if recording not in self._tasks:
            self._tasks[recording] = asyncio.create_task(self._send(recording))

    async def _send(self, recording: Recording) -> None:
        cursor = recording.cursor()
        info = ViewerInfo("grpc", self._peer, recording, cursor)
        self._viewers.append(info)
        try:
            while True:
                if not recording.producers:
                    cursor.close()  # an idle recording needs no open file
                await cursor.ready()
                async with self._turn:
                    for response in responses(await cursor.read(BLOCK_BYTES)):
                        await self._write(response)
        except RecordingRemoved as error:
            log.info("%s: a viewer at %s gets no more of it", error, self._peer)
        except RerundError as error:
            log.error("a viewer at %s does not get recording %s: %s", self._peer, recording.name, error)
        except ConnectionError:
            pass  # the caller is gone: `run` is about to be cancelled
        except Exception:
            log.exception("recording %s cannot be sent to a viewer at %s", recording.name, self._peer)
        finally:
            cursor.close()
            self._viewers.remove(info)


def responses(data: memoryview) -> Iterator[bytes]:
    """Each of the .rrd messages in `data` as a ReadMessagesResponse."""
    for frame in rrd.frames(data):
        yield b"".join((wrap_head(frame.kind, frame.end - frame.body.start), data[frame.body]))


def replayed(store: Store, replay: str) -> list[Recording]:
    """Recordings that a newcomer gets although nobody logged into them since the daemon started, oldest first."""
    if replay == "active":
        return []
    recordings = sorted(store.recordings(), key=lambda recording: recording.stats().last_write)
    return recordings if replay == "all" else recordings[len(recordings) - min(int(replay), len(recordings)) :]
