"""The edge for requests: a ROUTER on control.sock. What a request does is looked up in one table of verbs.

A subscription sends at most `_WINDOW` replies ahead of what its client says it has taken, so a client that stops
reading costs nothing but its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import zmq
import zmq.asyncio

from rerund import listening
from rerund.cursor import Cursor
from rerund.edge import ViewerInfo
from rerund.guard import CHECK_SECS, Door
from rerund.log import START, Position
from rerund.recording import Recording
from rerund_sdk import wire
from rerund_sdk.errors import BadWireMessage, RerundError

if TYPE_CHECKING:
    from rerund.server import Server

log = logging.getLogger(__name__)

Verb: TypeAlias = Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]

_VERBS_THAT_LOOK: Final = ("status", "recordings", "recording", "find", "entities")
_WINDOW: Final = 4
_WAITING_MESSAGES: Final = 64  # per client, each way; who does not listen misses the rest
_BATCH_BYTES: Final = 1 << 20
_KEEPALIVE_SECS: Final = 10.0  # so often it is seen whether a silent subscriber is still there


class BadRequest(RerundError):
    """A request lacks something or asks for nonsense."""


class Control:
    """Answers requests."""

    def __init__(self, server: Server, endpoint: str) -> None:
        self.endpoint = endpoint
        self.verbs: dict[str, Verb] = {
            "status": self._status,
            "recordings": self._recordings,
            "recording": self._recording,
            "find": self._describe,
            "entities": self._entities,
            "remove": self._remove,
            "pin": self._pin,
            "stop": self._stop,
        }
        self._server = server
        self._router: zmq.asyncio.Socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: dict[tuple[bytes, int], Subscription] = {}

    async def start(self) -> None:
        context = zmq.asyncio.Context.shadow(self._server.context)
        self._router = context.socket(zmq.ROUTER)
        self._router.maxmsgsize = wire.MAX_HEADER_BYTES
        self._router.rcvhwm = self._router.sndhwm = _WAITING_MESSAGES
        self._router.router_mandatory = True  # sending to a client that is gone fails
        self._bind(self._router, self._server.guard.door(self._router))
        self._spawn(self._serve())

    def _bind(self, router: zmq.asyncio.Socket, door: Door) -> None:
        listening.bind(router, [self.endpoint], door)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._router is not None:
            self._router.close(linger=200)
            self._router = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self) -> None:
        assert self._router is not None
        while True:
            identity, *frames = await self._router.recv_multipart()
            try:
                request = wire.decode(frames)
                if not isinstance(request, wire.Request):
                    raise BadWireMessage(f"{type(request).__name__.lower()} is no request")
            except BadWireMessage as error:
                await self._reply(identity, wire.Reply(0, str(error), None, False, ()))
                continue
            try:
                self._take(identity, request)
            except Exception:  # a bug, or what no check foresaw: it must not take other clients' answers with it
                log.exception("a request could not be taken")
                await self._refuse(identity, request, f"the daemon failed at {request.verb!r:.80}: see its log")

    def _take(self, identity: bytes, request: wire.Request) -> None:
        number = request.args.get("subscription")
        subscription = self._subscriptions.get((identity, number)) if isinstance(number, int) else None
        if request.verb == "more":
            if subscription:
                subscription.credit.release()
        elif request.verb == "unsubscribe":
            if subscription:
                subscription.task.cancel()
        else:
            self._begin(identity, request)

    def _begin(self, identity: bytes, request: wire.Request) -> None:
        subscribes = request.verb == "subscribe"
        count = len(self._subscriptions) if subscribes else len(self._tasks) - len(self._subscriptions)
        what = "subscriptions" if subscribes else "requests"
        full = self._server.limits.refusal(what, count, needs_files=subscribes)  # status and stop are always answered
        if full:
            self._spawn(self._refuse(identity, request, full))
        elif subscribes:
            self._subscribe(identity, request)
        else:
            self._spawn(self._answer(identity, request))

    async def _refuse(self, identity: bytes, request: wire.Request, reason: str) -> None:
        await self._reply(identity, wire.Reply(request.id, reason, None, False, ()))

    async def _answer(self, identity: bytes, request: wire.Request) -> None:
        result: Any = None
        sentence = ""
        try:
            verb = self.verbs.get(request.verb)
            if verb is None:
                raise BadRequest(self._unknown(request.verb))
            result = await verb(request.args)
        except RerundError as error:
            sentence = str(error)
        except Exception:
            log.exception("request %s failed", request.verb)
            sentence = f"the daemon failed at {request.verb!r}: see its log"
        await self._reply(identity, wire.Reply(request.id, sentence, result, False, ()))

    def _unknown(self, verb: str) -> str:
        known = ", ".join(sorted([*self.verbs, "subscribe"]))
        return f"unknown request {verb!r:.80}: this daemon knows {known}"

    async def _reply(self, identity: bytes, reply: wire.Reply) -> bool:
        """Whether the client is still there. Never waits: a client that does not listen misses it."""
        assert self._router is not None
        try:
            await self._router.send_multipart([identity, *wire.encode(reply)], zmq.NOBLOCK)
        except zmq.Again:
            return True
        except zmq.ZMQError as error:
            return error.errno != zmq.EHOSTUNREACH
        return True

    # verbs

    async def _status(self, _: dict[str, Any]) -> Any:
        return await asyncio.to_thread(self._server.status)

    async def _recordings(self, _: dict[str, Any]) -> Any:
        return await asyncio.to_thread(self._server.recordings)

    async def _describe(self, args: dict[str, Any]) -> Any:
        return self._find(args).stats()._asdict()

    async def _recording(self, args: dict[str, Any]) -> Any:
        return self._find(args).stats()._asdict()

    async def _entities(self, args: dict[str, Any]) -> Any:
        recording = self._find(args)
        entities = await asyncio.to_thread(recording.entities)
        return [
            {**entity._asdict(), "timelines": [timeline._asdict() for timeline in entity.timelines]}
            for entity in entities
        ]

    async def _remove(self, args: dict[str, Any]) -> Any:
        recording = self._find(args)
        await self._server.remove(recording)
        return {"removed": recording.name}

    async def _pin(self, args: dict[str, Any]) -> Any:
        recording = self._find(args)
        try:
            await asyncio.to_thread(recording.pin, args.get("pinned") is not False)
        except OSError as error:
            raise BadRequest(f"the pin cannot be set ({error.strerror}): {recording.directory}") from error
        return recording.stats()._asdict()

    async def _stop(self, _: dict[str, Any]) -> Any:
        asyncio.get_running_loop().call_later(0.05, self._server.stop)  # after the answer has left
        return {}

    def _find(self, args: dict[str, Any]) -> Recording:
        name = args.get("recording")
        if not isinstance(name, str):
            raise BadRequest("the request names no recording: give recording=ID")
        return self._server.store.find(name)

    # subscriptions

    def _subscribe(self, identity: bytes, request: wire.Request) -> None:
        key = (identity, request.id)
        subscription = Subscription(asyncio.Semaphore(_WINDOW))
        self._subscriptions[key] = subscription
        subscription.task = self._spawn(self._feed(identity, request, subscription))
        subscription.task.add_done_callback(lambda _: self._subscriptions.pop(key, None))

    async def _feed(self, identity: bytes, request: wire.Request, subscription: Subscription) -> None:
        try:
            recording = self._find(request.args)
            await asyncio.to_thread(recording.open)
            cursor = recording.cursor(_position(recording, request.args.get("from", "start")))
            with self._listed(recording, cursor, identity), contextlib.closing(cursor):
                await self._send_all(identity, request, subscription, cursor)
        except RerundError as error:
            await self._reply(identity, wire.Reply(request.id, str(error), None, False, ()))

    async def _send_all(
        self, identity: bytes, request: wire.Request, subscription: Subscription, cursor: Cursor
    ) -> None:
        follow = request.args.get("follow", True)
        alive = wire.Reply(request.id, "", None, True, ())
        while True:
            while not await _within(_KEEPALIVE_SECS, subscription.credit.acquire()):
                if not await self._reply(identity, alive):
                    return
            if follow:
                while not await _within(_KEEPALIVE_SECS, cursor.ready()):
                    if not await self._reply(identity, alive):
                        return
                data = await cursor.read(_BATCH_BYTES)
            else:
                data = await asyncio.to_thread(cursor.read_now, _BATCH_BYTES)
            result = {"position": str(cursor.position)}
            if not await self._reply(identity, wire.Reply(request.id, "", result, bool(data), (data,) if data else ())):
                return
            if not data:
                return

    @contextlib.contextmanager
    def _listed(self, recording: Recording, cursor: Cursor, identity: bytes) -> Any:
        viewer = ViewerInfo("subscriber", identity.hex(), recording, cursor)
        self._server.viewers.append(viewer)
        try:
            yield
        finally:
            self._server.viewers.remove(viewer)


class RemoteControl(Control):
    """Requests over TCP: a socket of its own, on which nobody can stop, remove or write anything."""

    def __init__(self, server: Server, endpoints: Sequence[str]) -> None:
        super().__init__(server, "")
        self.endpoints = tuple(endpoints)
        self.verbs = {verb: answer for verb, answer in self.verbs.items() if verb in _VERBS_THAT_LOOK}

    async def start(self) -> None:
        if self.endpoints:
            await super().start()

    def _bind(self, router: zmq.asyncio.Socket, door: Door) -> None:
        self.endpoints = tuple(listening.bind(router, self.endpoints, door))
        self.endpoint = ", ".join(self.endpoints)
        self._spawn(self._keep_door(door))

    async def _keep_door(self, door: Door) -> None:
        while True:
            await asyncio.sleep(CHECK_SECS)
            door.check()

    def _unknown(self, verb: str) -> str:
        if verb in self._server.control.verbs:
            return f"{verb!r} is refused over TCP: ask on the daemon's own machine, as its user"
        return super()._unknown(verb)


class Subscription:
    """One that runs."""

    task: asyncio.Task[None]

    def __init__(self, credit: asyncio.Semaphore) -> None:
        self.credit = credit  # replies that may be sent before the client has taken earlier ones


def _position(recording: Recording, text: Any) -> Position:
    if text == "start":
        return START
    return recording.end if text == "end" else Position.parse(str(text))


async def _within(seconds: float, work: Coroutine[Any, Any, Any]) -> bool:
    """Whether `work` was done in time; if not, it is given up."""
    try:
        await asyncio.wait_for(work, seconds)
    except (TimeoutError, asyncio.TimeoutError):
        return False
    return True
