"""The file edge: recordings saved to .rrd files, once or for as long as the daemon lives and longer.

A followed file gets what comes until `unsave`. Which files are followed, and how far each is written, stands in
`followed.json` in the state directory, brought up to date once a second: a daemon that starts cuts a file back to there
and goes on. A file that is done with, or whose daemon ends, gets its manifest.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rerund.errors import SaveError
from rerund.file_writer import FileWriter
from rerund.log import Position
from rerund.recording import Recording
from rerund.saved_file import SavedFile
from rerund_sdk.errors import RerundError

if TYPE_CHECKING:
    from rerund.server import Server

log = logging.getLogger(__name__)

_NOTE_SECS: Final = 1.0  # so often it is noted how far files are written


class FileEdge:
    """Does what `rerund save` and `rerund unsave` ask. Ends after the intake, so that files have what came last."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._notes_path = server.config.home / "followed.json"
        self._noted = ""
        self._files: dict[Path, FileWriter] = {}  # that are followed
        self._takes_all: dict[Path, asyncio.Task[None]] = {}  # those that take every recording; the task adds new ones
        self._noting: asyncio.Task[None] | None = None
        server.control.verbs |= {"save": self._save, "unsave": self._unsave}

    async def start(self) -> None:
        """Go on with the files that were followed."""
        for note in self._read_notes():
            try:
                await self._resume(note)
            except (RerundError, OSError, KeyError, TypeError, ValueError) as error:
                log.error("a file is not followed any more: %s: %s", error, note)
        self._noting = asyncio.create_task(self._keep_notes())

    async def stop(self) -> None:
        """Finish every file; the next daemon goes on with them."""
        if self._noting is None:
            return
        self._noting.cancel()
        await asyncio.gather(self._noting, return_exceptions=True)
        self._noting = None
        for path, writer in self._files.items():
            try:
                await self._catch_up(path, writer)
            except RerundError as error:
                log.error("a followed file lacks its end until the daemon runs again: %s", error)
        self._write_notes()
        await asyncio.gather(*(writer.finish() for writer in self._files.values()))
        self._files.clear()

    def sinks(self) -> list[dict[str, Any]]:
        """The followed files, for `status`."""
        return [
            {
                "path": str(path),
                "recording": "all" if path in self._takes_all else ", ".join(writer.names()),
                "bytes": writer.end,
                "lag_bytes": writer.lag(),
                "error": writer.error,
            }
            for path, writer in self._files.items()
        ]

    # requests

    async def _save(self, args: dict[str, Any]) -> Any:
        path = self._target(args.get("path"))
        recordings = self._wanted(args)
        file = SavedFile(path)
        await asyncio.to_thread(file.create)
        writer = FileWriter(file, self._server.viewers)
        for recording in recordings:
            writer.add(recording)
        try:
            if args.get("follow") is True:
                self._follow(path, writer, everything=args.get("all") is True)
                self._write_notes()
            else:
                missing = await writer.catch_up()
                await writer.finish()
                if missing:
                    raise SaveError(f"{'; '.join(missing)}: the rest of it is not in {path}")
        except BaseException:
            writer.close()
            raise
        return {"path": str(path), "bytes": file.end, "recordings": [recording.name for recording in recordings]}

    async def _unsave(self, args: dict[str, Any]) -> Any:
        path = self._target(args.get("path"))
        writer = self._files.pop(path, None)
        if writer is None:
            followed = ", ".join(map(str, self._files)) or "none"
            raise SaveError(f"this file is not followed (followed: {followed}): {path}")
        try:
            await self._catch_up(path, writer)
        finally:
            self._takes_all.pop(path, None)
            self._write_notes()
            await writer.finish()
        return {"path": str(path), "bytes": writer.end}

    def _target(self, given: Any) -> Path:
        if not isinstance(given, str) or not given.startswith("/") or "\0" in given:
            raise SaveError(f"path {given!r:.200} is no absolute path")
        path = Path(os.path.realpath(given))
        config = self._server.config
        if path.is_relative_to(os.path.realpath(config.home)) and path.parent != Path(os.path.realpath(config.saved)):
            raise SaveError(f"the daemon keeps its own files there: choose another directory: {path}")
        return path

    def _wanted(self, args: dict[str, Any]) -> list[Recording]:
        if args.get("all") is True:
            return sorted(self._server.store.recordings(), key=lambda recording: recording.name)
        name = args.get("recording")
        if not isinstance(name, str):
            raise SaveError("the request names no recording: give recording=ID, or all=true")
        return [self._server.store.find(name)]

    # following

    def _follow(self, path: Path, writer: FileWriter, *, everything: bool) -> None:
        self._files[path] = writer
        for recording in writer.positions:
            writer.follow(recording)
        if everything:
            self._takes_all[path] = asyncio.create_task(self._add_new_ones(writer))

    async def _add_new_ones(self, writer: FileWriter) -> None:
        seen = 0
        while True:
            active = await self._server.store.activated(seen)
            seen += len(active)
            for recording in active:
                if recording not in writer.positions:
                    writer.add(recording)
                    writer.follow(recording)

    async def _catch_up(self, path: Path, writer: FileWriter) -> None:
        """Follow no more; write what there is by now. Raises SaveError."""
        if path in self._takes_all:
            self._takes_all[path].cancel()
            for recording in self._server.store.recordings():
                if recording.active_since_start and recording not in writer.positions:
                    writer.add(recording)
        await writer.catch_up()

    async def _resume(self, note: dict[str, Any]) -> None:
        path = self._target(note["path"])
        file = SavedFile(path)
        await asyncio.to_thread(file.open)
        try:
            is_ours = file.inode == note["inode"]
            if not is_ours and path.stat().st_size:
                raise SaveError(f"another file took its place: {path}")
            goes_on = is_ours and file.cut(note["end"])
            if not goes_on:
                log.warning("a followed file was cut or removed, it is written anew: %s", path)
                await asyncio.to_thread(file.begin)
        except BaseException:
            file.close()
            raise
        writer = FileWriter(file, self._server.viewers)
        for application_id, recording_id, position in note["recordings"]:
            recording = self._server.store.get(application_id, recording_id)
            if recording is not None:
                writer.add(recording, Position.parse(position if goes_on else "0:0"))
        self._follow(path, writer, everything=note["all"] is True)

    # notes

    def _read_notes(self) -> list[dict[str, Any]]:
        try:
            notes = json.loads(self._notes_path.read_bytes())
            if not isinstance(notes, list) or not all(isinstance(note, dict) for note in notes):
                raise ValueError("not a list of maps")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            log.error("it is not known which files were followed (%s): %s", error, self._notes_path)
            return []
        return notes

    async def _keep_notes(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_SECS)
            self._write_notes()

    def _write_notes(self) -> None:
        notes = json.dumps(
            [
                {
                    "path": str(path),
                    "all": path in self._takes_all,
                    "inode": writer.file.inode,
                    "end": writer.end,
                    "recordings": [
                        [recording.application_id, recording.recording_id, str(position)]
                        for recording, position in writer.positions.items()
                    ],
                }
                for path, writer in self._files.items()
            ],
            indent=1,
        )
        if notes == self._noted or (notes == "[]" and not self._notes_path.exists()):
            return
        unnamed = self._notes_path.with_suffix(".new")
        try:
            unnamed.touch(mode=0o600)
            unnamed.write_text(notes)
            unnamed.replace(self._notes_path)
            self._noted = notes
        except OSError as error:
            log.error("it cannot be noted which files are followed (%s): %s", error.strerror, self._notes_path)
