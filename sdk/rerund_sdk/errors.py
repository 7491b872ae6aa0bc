"""Every error that rerund raises on purpose, in one tree.

RerundError
├── BadRrd              bytes that are no valid .rrd stream
├── BadWireMessage      a ZeroMQ message that breaks docs/WIRE.md
│   └── WrongVersion    of a protocol that this side does not speak
├── PlaceError          a directory or socket cannot be used: too long a path, somebody else's, not writable
├── KeyFailure          a key or token is missing, cannot be read, or is none
├── BadData             what was given to `log` or an archetype has a wrong shape, dtype or type
├── LoadError           a recording cannot be loaded: no such file or recording, or not clear which
├── ModeError           an operating mode cannot be entered: a port or file is taken, no daemon can be run
├── NotOffered          a function of Rerun's own services, which rerund has nothing in place of
└── DaemonError         the daemon refused a request, or cannot be reached
"""

from __future__ import annotations


class RerundError(Exception):
    """Base of all rerund errors: its text is one sentence that says what happened and what to do."""


class BadRrd(RerundError):
    """Bytes that are no valid .rrd stream."""


class BadWireMessage(RerundError):
    """A message that breaks the wire protocol; the sender's fault."""


class WrongVersion(BadWireMessage):
    """A message of a wire protocol that this side does not speak."""


class PlaceError(RerundError):
    """A directory or socket cannot be used."""


class KeyFailure(RerundError):
    """A key or token is missing, cannot be read, or is none."""


class BadData(RerundError, ValueError):
    """Data given to the SDK has a wrong shape, dtype or type."""


class LoadError(RerundError):
    """A recording cannot be loaded."""


class ModeError(RerundError):
    """An operating mode cannot be entered."""


class NotOffered(RerundError):
    """A function of Rerun's own services."""


class DaemonError(RerundError):
    """The daemon refused a request or cannot be reached."""
