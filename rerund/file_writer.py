"""Brings recordings into one file: to their ends, and on from there for as long as it is asked to.

Rule: `end` and `positions` change together, on the loop, after the file has the data; so they always fit each other,
and a file cut back to `end` goes on at `positions`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Final

from rerund.edge import ViewerInfo
from rerund.errors import RecordingRemoved, SaveError
from rerund.log import START, Position
from rerund.recording import Recording
from rerund.saved_file import SavedFile

log = logging.getLogger(__name__)

_BLOCK_BYTES: Final = 1 << 20
_RETRY_SECS: Final = 5.0  # after the disk refused
_SEAL: Final = "import sys, pathlib; from rerund_sdk.footer import seal; seal(pathlib.Path(sys.argv[1]))"


class FileWriter:
    """One file and the recordings that go into it."""

    def __init__(self, file: SavedFile, viewers: list[ViewerInfo]) -> None:
        self.file = file
        self.error = ""  # why nothing is written now
        self.end = file.end
        self.positions: dict[Recording, Position] = {}
        self._viewers = viewers
        self._infos: dict[Recording, ViewerInfo] = {}
        self._turn = asyncio.Lock()  # one recording's messages at a time
        self._in_hand = 0  # bytes that were read and are not yet in the file
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, recording: Recording, position: Position = START) -> None:
        """Write `recording`, too, from `position` on."""
        self.positions[recording] = position
        self._list(recording, position)

    def _list(self, recording: Recording, position: Position) -> None:
        """Make the recording's cursor anew, and show it in `status`."""
        before = self._infos.pop(recording, None)
        if before is not None:
            self._viewers.remove(before)
        info = ViewerInfo("file", str(self.file.path), recording, recording.cursor(position))
        self._infos[recording] = info
        self._viewers.append(info)

    def follow(self, recording: Recording) -> None:
        """Write what comes of a recording that was added, in the background."""
        self._tasks.append(asyncio.create_task(self._follow(recording)))

    async def _follow(self, recording: Recording) -> None:
        try:
            while True:
                await self._infos[recording].cursor.ready()
                async with self._turn:
                    written = await self._write_on(recording)
                if not written:
                    await asyncio.sleep(_RETRY_SECS)
        except RecordingRemoved as error:
            log.info("%s: no more of it comes into %s", error, self.file.path)

    async def _write_on(self, recording: Recording) -> bool:
        """Write some more of a recording; whether the disk took it."""
        cursor = self._infos[recording].cursor
        try:
            await self._write(recording, await cursor.read(_BLOCK_BYTES))
        except SaveError as error:
            if not self.error:
                log.error("following is held up: %s", error)
            self.error = str(error)
            cursor.close()
            self._list(recording, self.positions[recording])
            return False
        if self.error:
            log.info("following again: %s", self.file.path)
            self.error = ""
        return True

    async def _write(self, recording: Recording, data: memoryview) -> None:
        self._in_hand = len(data)
        try:
            await asyncio.to_thread(self.file.append, data)
        finally:
            self._in_hand = 0
        self.positions[recording] = self._infos[recording].cursor.position
        self.end = self.file.end

    async def catch_up(self) -> list[str]:
        """End following; write what there is by now. Says what of it is not there any more. Raises SaveError."""
        missing = []
        async with self._turn:  # so no task is in the middle of a write
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for recording in self.positions:
                try:
                    await self._write_present(recording)
                except RecordingRemoved as error:
                    log.info("%s: the rest of it is not in %s", error, self.file.path)
                    missing.append(str(error))
        return missing

    async def _write_present(self, recording: Recording) -> None:
        cursor = self._infos[recording].cursor
        await asyncio.to_thread(recording.open)
        left = cursor.lag()
        while left > 0 and (data := await asyncio.to_thread(cursor.read_now, _BLOCK_BYTES)):
            await self._write(recording, data)
            left -= len(data)

    async def finish(self) -> None:
        """Add the manifest and let the file go."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _SEAL, str(self.file.path), stderr=asyncio.subprocess.PIPE
            )  # a process: it takes long for a long file, and would hold up the intake in this one
            _, complaint = await process.communicate()
            if process.returncode:
                said = complaint.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
                log.warning("the file has no manifest, so readers scan it (%s): %s", said[-1], self.file.path)
        finally:
            self.close()

    def close(self) -> None:
        """Let the file go as it is."""
        for task in self._tasks:
            task.cancel()
        for info in self._infos.values():
            info.cursor.close()
            self._viewers.remove(info)
        self._infos.clear()
        self.file.close()

    def lag(self) -> int:
        """Bytes that the file lacks."""
        unopened = sum(recording.stats().bytes for recording in self._infos if not recording.is_open)
        return unopened + sum(info.cursor.lag() for info in self._infos.values()) + self._in_hand

    def names(self) -> list[str]:
        """Of the recordings in it."""
        return [recording.name for recording in self._infos]
