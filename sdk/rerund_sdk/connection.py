"""The thread that talks to the daemon for one producer, for as long as it lives.

A *link* is one ZeroMQ connection: hello, welcome, then appends and acks. When it breaks, the next begins with a hello;
the welcome says what the daemon has, and the rest is sent again, in order. Between hello and welcome nothing is sent.
Rule 1: the socket, its context and its monitor belong to this thread and never outlive a link.
Rule 2: connected means that the daemon answers: it is asked (ping) after PING_SECS of silence. A daemon that is
silent but there keeps its link: it may only be stopped, and what it was sent lies in its socket.
Rule 3: producer id and seqs let the daemon know what it has; chunk ids do if it forgot. A producer whose seqs have gaps
for a daemon that was not there when they came about says hello under a new id.
Rule 4: what is wrong is said once when it begins, and once when it ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import zmq

from rerund_sdk import background, keys, patience, wire
from rerund_sdk.daemon_link import GOODBYE_MS, Link, opened_link
from rerund_sdk.endings import close_all_before_others
from rerund_sdk.errors import BadWireMessage, WrongVersion
from rerund_sdk.outbox import InFlight, Outbox
from rerund_sdk.shared_memory import SharedMemory

logger = logging.getLogger("rerund_sdk")

PING_SECS: Final = 1.0
SILENCE_SECS: Final = 3.0  # a daemon that says nothing for so long counts as away
_STOP_SECS: Final = 1.0  # twice what the last word may take, and more
_DECLARE_SECS: Final = 5.0  # losses are told at once, and then so often while they go on
_BACKOFF_SECS: Final = (0.1, 5.0)  # first and longest pause after "not-now", or between links that fail at once
_UNLIMITED: Final = 2**63


class Connection:
    """Delivers an outbox to the daemon at `endpoint`."""

    def __init__(
        self,
        endpoint: str,
        hello: Callable[[bytes], wire.Hello],
        outbox: Outbox,
        context: zmq.Context[Any] | None = None,
        credentials: keys.Credentials | None = None,
        memory: SharedMemory | None = None,
    ) -> None:
        """hello: given the producer id. context: for an inproc endpoint, that of the daemon in this process.

        credentials: None if the daemon is used without keys. memory: what hello offers to share with it.
        """
        self.endpoint = endpoint
        self.welcome: wire.Welcome | None = None  # of the link that stands
        self.synced_seq = 0
        self.producer_id = os.urandom(wire.PRODUCER_ID_SIZE)
        self.on_change: Callable[[], None] = lambda: None
        self._was_connected = False
        self._hello = hello
        self._outbox = outbox
        self._context = context
        self._credentials = credentials
        self._memory = memory
        self._stopped = threading.Event()
        self._last_heard = float("-inf")
        self._closing_bell = threading.RLock()
        self._bell: tuple[int, ...] = os.pipe()  # empty once it is closed
        for file in self._bell:
            os.set_blocking(file, False)
        self._rung = False
        self._in_hurry = False
        self._declare_next = 0.0
        self._away_since = time.monotonic()
        self._away_told = False
        self._reject_told = False
        self._door = keys.LockedDoor(endpoint, credentials)
        self._lock_told = False
        self._thread = threading.Thread(target=self._run, name="rerund connection", daemon=True)
        close_all_before_others()

    # For any thread

    def start(self) -> None:
        """Raises RuntimeError if the interpreter is ending."""
        background.start(self._thread)

    @property
    def connected(self) -> bool:
        """Whether the daemon has said something lately."""
        return self.welcome is not None and time.monotonic() - self._last_heard < SILENCE_SECS

    def ring(self) -> None:
        """There is something to send."""
        if not self._rung:
            self._rung = True
            with self._closing_bell, contextlib.suppress(BlockingIOError, IndexError):  # a full pipe wakes as well
                os.write(self._bell[1], b"!")  # none: nobody listens any more

    def hurry(self) -> None:
        """All is sent at once as it is; the daemon is asked to acknowledge it at once, too."""
        self._in_hurry = True
        self.ring()

    def dismiss(self) -> None:
        """Have the thread say goodbye and end; it needs a moment, not what is still unsent."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._rung = False
            self.ring()

    def stop(self) -> None:
        """Wait until it has ended."""
        self.dismiss()
        if self._thread.ident is None or patience.join(self._thread, _STOP_SECS):
            self._close_bell()

    def after_fork(self) -> None:
        """In the child. The thread is not here, and neither are its sockets: they are left alone."""
        self._closing_bell = threading.RLock()
        self._close_bell()

    def _close_bell(self) -> None:
        with self._closing_bell:
            bell, self._bell = self._bell, ()
        for file in bell:
            os.close(file)

    # The thread

    def _run(self) -> None:
        context = self._context or zmq.Context()
        pause = 0.0
        while not self._stopped.is_set():
            was_welcome = False
            try:
                with opened_link(context, self.endpoint, self._bell[0], self._credentials) as link:
                    was_welcome = self._talk(link)
                    self._tell_of_locked_door(link.refusal(self._door))
            except zmq.ZMQError as error:  # no more file descriptors, or an address that cannot be
                self._tell_away(str(error))
            self.welcome = None
            self._tell_of_change()
            pause = 0.0 if was_welcome else min(max(pause * 2, _BACKOFF_SECS[0]), 1.0)
            self._stopped.wait(pause)
        if context is not self._context:
            context.term()  # waits for the goodbye, GOODBYE_MS at most

    def _talk(self, link: Link) -> bool:
        """Use a link until it breaks, or until the end. Whether it came to a welcome."""
        talk = _Talk(link, self._outbox)
        self._say_hello(link)
        while not self._stopped.is_set():
            if not link.wait(talk.due_secs()):
                break
            self._hear_bell()
            self._rung = False  # after the read and before looking: whoever rings from here on is heard
            self._hear(link, talk)
            if talk.may_ask_again():
                self._say_hello(link)
            if talk.is_open and self.welcome is not None:
                talk.send_all(self.welcome.max_message_bytes)
            self._ask_for_a_turn(link, talk)
            self._ask_if_needed(link, talk)
            self._declare_losses(link, talk)
            self._tell_of_change()
        if talk.is_open:
            self._say_goodbye(link, talk)
        return talk.was_welcome

    def _say_goodbye(self, link: Link, talk: _Talk) -> None:
        """Declare what was lost and wait a moment until it is written; then the last word."""
        until = time.monotonic() + GOODBYE_MS / 1000
        while (report := self._outbox.loss_report()) and (left := until - time.monotonic()) > 0:
            link.send(wire.Ping(report.losses, report.id))
            while self._outbox.loss_report() is report and left > 0 and link.wait(left):
                self._hear_bell()
                self._hear(link, talk)
                left = until - time.monotonic()
        link.say_goodbye(wire.Goodbye(self._outbox.last_seq, *((report.losses, report.id) if report else ((),))))

    def _hear_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell[0], 4096)

    def _say_hello(self, link: Link) -> None:
        limit = self.welcome.max_message_bytes if self.welcome is not None else _UNLIMITED
        if self._outbox.close_gaps(limit):
            self.producer_id = os.urandom(wire.PRODUCER_ID_SIZE)
        link.send(self._hello(self.producer_id))

    def _hear(self, link: Link, talk: _Talk) -> None:
        for frames in link.received():
            self._last_heard = time.monotonic()
            talk.is_asked = False
            try:
                message = wire.decode(frames)
            except WrongVersion as error:
                self._refused(talk, str(error))
                continue
            except BadWireMessage as error:
                logger.warning("%s says what no daemon says: %s", self.endpoint, error)
                continue
            if isinstance(message, wire.Ack):
                # also what an earlier daemon said; before who waits for it is woken
                self.synced_seq = max(self.synced_seq, message.synced_seq)
                self._outbox.window = message.window
                self._outbox.acked(message.written_seq)
                self._outbox.losses_reported(message.losses_id)
                talk.took()
            elif isinstance(message, wire.Welcome):
                self._welcomed(link, talk, message)
            elif isinstance(message, wire.Reject):
                self._rejected(link, talk, message)

    def _welcomed(self, link: Link, talk: _Talk, welcome: wire.Welcome) -> None:
        self.welcome = welcome
        link.memory = self._memory if welcome.shares_memory else None
        self._door.let_us_in()
        self._lock_told = False
        self._reject_told = False
        self._outbox.window = welcome.window
        self._outbox.acked(welcome.written_seq)
        if self._outbox.close_gaps(welcome.max_message_bytes):
            self.producer_id = os.urandom(wire.PRODUCER_ID_SIZE)
            link.send(self._hello(self.producer_id))
        else:
            talk.begin()

    def _rejected(self, link: Link, talk: _Talk, reject: wire.Reject) -> None:
        if reject.code == "unknown-producer":
            if talk.is_open:  # of many rejects only the first asks for a hello
                talk.is_open = False
                self._say_hello(link)
        elif reject.code == "version" or (reject.code == "bad-message" and not reject.seq):
            self._refused(talk, reject.reason)
        elif reject.code == "bad-message":
            lost_rows = self._outbox.refused(reject.seq, f"refused: {reject.reason}")
            if lost_rows and not self._reject_told:
                self._reject_told = True
                logger.error("the daemon refused %d rows, they are lost: %s", lost_rows, reject.reason)
        else:  # "not-now", and what a later daemon may say in its place
            talk.pause(reject.reason)

    def _refused(self, talk: _Talk, reason: str) -> None:
        """Nothing more is sent on this link; the next daemon may be another one."""
        talk.is_open = False
        if not self._reject_told:
            self._reject_told = True
            logger.error("the daemon at %s does not take our rows, they are kept: %s", self.endpoint, reason)

    def _tell_of_locked_door(self, reason: str) -> None:
        if reason and not self._lock_told:
            self._lock_told = self._away_told = True
            logger.error("the daemon at %s does not let us in, rows are kept: %s", self.endpoint, reason)

    def _ask_if_needed(self, link: Link, talk: _Talk) -> None:
        """For an ack: if somebody waits for one and all is sent, or if the daemon is silent."""
        if self._in_hurry and talk.is_open and not self._outbox.has_waiting:
            self._in_hurry = False
            link.send(wire.Ping())
        silent = time.monotonic() - self._last_heard
        if talk.was_welcome and silent > PING_SECS and not talk.is_asked:
            talk.is_asked = True
            link.send(wire.Ping())

    def _ask_for_a_turn(self, link: Link, talk: _Talk) -> None:
        """For a message larger than the window; again now and then, as the daemon may be another one."""
        now = time.monotonic()
        if talk.is_open and (wants := self._outbox.wants) and (wants != talk.wanted or now > talk.want_again):
            talk.wanted, talk.want_again = wants, now + PING_SECS
            link.send(wire.Ping(wants=wants))

    def _declare_losses(self, link: Link, talk: _Talk) -> None:
        now = time.monotonic()
        if talk.is_open and now >= self._declare_next and (report := self._outbox.loss_report()):
            self._declare_next = now + _DECLARE_SECS
            link.send(wire.Ping(report.losses, report.id))

    def _tell_of_change(self) -> None:
        now = time.monotonic()
        if self.connected != self._was_connected:
            self._was_connected = not self._was_connected
            self.on_change()
        if self.connected:
            if self._away_told:
                logger.warning("the daemon at %s answers again, after %.0f s", self.endpoint, now - self._away_since)
            self._away_since, self._away_told = now, False
        elif not self._reject_told and now - self._away_since > SILENCE_SECS:
            self._tell_away("")

    def _tell_away(self, why: str) -> None:
        if not self._away_told:
            self._away_told = True
            reason = f" ({why})" if why else ""
            logger.warning("no daemon answers at %s%s: rows are kept and sent when it does", self.endpoint, reason)


class _Talk:
    """What is agreed on one link."""

    def __init__(self, link: Link, outbox: Outbox) -> None:
        self.is_open = False  # the daemon takes appends
        self.was_welcome = False
        self.is_asked = False  # a ping is on its way
        self.wanted = 0  # bytes of the last message for which a turn was asked
        self.want_again = 0.0
        self._link = link
        self._outbox = outbox
        self._again: Iterator[InFlight] = iter(())  # in flight, to be sent once more
        self._backoff = 0.0
        self._paused_until = 0.0
        self._is_turned_away = False  # a hello was answered with "not-now"

    def begin(self) -> None:
        """The daemon has said welcome."""
        self.was_welcome = self.is_open = True
        self._again = iter(tuple(self._outbox.in_flight))

    def send_all(self, max_message_bytes: int) -> None:
        """Send what the window lets through."""
        if time.monotonic() < self._paused_until:
            return
        for append in self._again:
            self._link.send_append(append, self._outbox.waiting_behind(append))
        while following := self._outbox.next_append(max_message_bytes):
            self._link.send_append(following, self._outbox.waiting_behind(following))

    def pause(self, reason: str) -> None:
        """The daemon takes nothing for a moment; then all in flight is sent again."""
        now = time.monotonic()
        if now < self._paused_until:
            return
        if not self._backoff:
            logger.warning("the daemon takes no rows for now, they are kept: %s", reason)
        self._is_turned_away = not self.is_open
        self._backoff = min(max(self._backoff * 2, _BACKOFF_SECS[0]), _BACKOFF_SECS[1])
        self._paused_until = now + self._backoff
        self._again = iter(tuple(self._outbox.in_flight))

    def may_ask_again(self) -> bool:
        """Whether it is time for another hello, after one that came to nothing."""
        if self.is_open or not self._is_turned_away or time.monotonic() < self._paused_until:
            return False
        self._is_turned_away = False
        return True

    def took(self) -> None:
        """The daemon has acknowledged something."""
        if self._backoff and time.monotonic() > self._paused_until:
            logger.warning("the daemon takes rows again")
            self._backoff = 0.0

    def due_secs(self) -> float:
        """When to act though nothing happens."""
        paused = self._paused_until - time.monotonic()
        return min(paused, PING_SECS) if paused > 0 else PING_SECS
