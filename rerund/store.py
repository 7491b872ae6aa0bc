"""All recordings of a state directory. Nothing of one is read before somebody asks for it or logs into it."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from pathlib import Path
from typing import Final

from rerund.bell import Bells
from rerund.describe import origin_of
from rerund.errors import UnknownRecording
from rerund.log import segment_files
from rerund.memory import Memory
from rerund.recording import Recording
from rerund.space import Space
from rerund_sdk import places

log = logging.getLogger(__name__)

_REMOVED_SUFFIX: Final = ".removed"  # no encoded id ends so: recording directories never do
_MAX_CANDIDATES: Final = 5  # named in an error


class Store:
    """Finds, makes and removes recordings. Safe from any thread; what waits, waits on the loop."""

    def __init__(
        self,
        home: Path,
        segment_bytes: int,
        bells: Bells,
        space: Space | None = None,
        memory: Memory | None = None,
    ) -> None:
        """space, memory: None to use the disk, and memory, without bounds."""
        self._home = home
        self._space = space
        self._memory = memory
        self._segment_bytes = segment_bytes
        self._bells = bells
        self._activated = bells.add()
        self._lock = threading.Lock()
        self._recordings: dict[tuple[str, str], Recording] = {}
        self._active: list[Recording] = []  # in order of their first append since the daemon started

    def load(self, *, clean: bool = True) -> None:
        """List the directories. clean: what was removed but not yet deleted when the daemon died is deleted."""
        if self._space is not None:
            self._space.note_place()
        for directory in sorted((self._home / "recordings").glob("*/*/")):
            if directory.name.endswith(_REMOVED_SUFFIX):
                if clean:
                    shutil.rmtree(directory, ignore_errors=True)
            elif ids := _ids(directory):
                self._recordings[ids] = self._recording(directory, *ids)

    def _recording(self, directory: Path, application_id: str, recording_id: str) -> Recording:
        ids = (application_id, recording_id)
        return Recording(directory, *ids, self._segment_bytes, self._bells, self._space, self._memory)

    def recordings(self) -> list[Recording]:
        """All of them, in no order."""
        with self._lock:
            return list(self._recordings.values())

    def get(self, application_id: str, recording_id: str) -> Recording | None:
        return self._recordings.get((application_id, recording_id))

    def obtain(self, application_id: str, recording_id: str) -> Recording:
        """The recording of that name; made if there is none."""
        ids = (application_id, recording_id)
        with self._lock:
            found = self._recordings.get(ids)
            if found is None:
                directory = self._home / places.recording_dir(*ids)
                found = self._recordings[ids] = self._recording(directory, *ids)
            return found

    def find(self, name: str) -> Recording:
        """By recording id, APPLICATION/RECORDING, or a prefix of either that only one has. Raises UnknownRecording."""
        recordings = self.recordings()
        if not name:  # a prefix of all, and surely a variable that is not set
            raise UnknownRecording("the name of the recording is empty: `rerund ls` lists all")
        for match in (_has_name, _starts_with):
            found = [recording for recording in recordings if match(recording, name)]
            if len(found) == 1:
                return found[0]
            if found:
                names = sorted(recording.name for recording in found)
                shown = ", ".join(names[:_MAX_CANDIDATES]) + (", ..." if len(names) > _MAX_CANDIDATES else "")
                raise UnknownRecording(f"{len(names)} recordings go by {name!r}: name one of {shown}")
        raise UnknownRecording(f"no recording goes by {name!r}: `rerund ls` lists all {len(recordings)}")

    def mark_active(self, recording: Recording) -> None:
        """It was appended to for the first time since the daemon started. By the intake thread."""
        recording.active_since_start = True
        self._active.append(recording)
        self._activated.ring()

    async def activated(self, known: int = 0) -> list[Recording]:
        """Recordings that became active since the start, from the `known`th on; waits until there is one.

        To follow them all, ask again with the number seen so far.
        """
        await self._activated.wait(lambda: len(self._active) > known)
        return self._active[known:]

    def remove(self, recording: Recording) -> None:
        """Take it out of sight at once, readers and all; `delete` then takes it off the disk. Raises OSError."""
        with self._lock:
            aside = recording.directory.with_name(recording.directory.name + _REMOVED_SUFFIX)
            shutil.rmtree(aside, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                recording.directory.rename(aside)
            self._recordings.pop((recording.application_id, recording.recording_id), None)
            recording.mark_removed()

    def retire(self, recording: Recording, last_write: float) -> bool:
        """`remove` it unless somebody logs into it, has since `last_write`, or has pinned it. Raises OSError."""
        if not recording.retire(last_write):
            return False
        self.remove(recording)
        return True

    def delete(self, recording: Recording) -> None:
        """Take a removed recording off the disk; may take a while."""
        shutil.rmtree(recording.directory.with_name(recording.directory.name + _REMOVED_SUFFIX), ignore_errors=True)
        with contextlib.suppress(OSError):  # other recordings of the application may be there
            recording.directory.parent.rmdir()


def _has_name(recording: Recording, name: str) -> bool:
    return name in (recording.recording_id, recording.name)


def _starts_with(recording: Recording, name: str) -> bool:
    return recording.recording_id.startswith(name) or recording.name.startswith(name)


def _ids(directory: Path) -> tuple[str, str] | None:
    """The ids that a recording's directory is named after; those of long names stand in its first message."""
    if not (segments := segment_files(directory)):
        return None
    ids = (places.text_of_dir_name(directory.parent.name), places.text_of_dir_name(directory.name))
    if ids[0] is not None and ids[1] is not None:
        return ids[0], ids[1]
    origin = origin_of(segments[0][1])
    if origin is None or places.recording_dir(*origin[:2]).parts[1:] != directory.parts[-2:]:
        log.warning("this directory is no recording of ours, it is left alone: %s", directory)
        return None
    return origin[:2]
