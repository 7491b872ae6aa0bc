"""Many readers in one process: CONTROL HTTP GRPC COUNT-OF-EACH (subscribers,pages,viewers) RECORDINGS.

Subscribers and pages read one recording each, gRPC viewers all. Prints "ready" once each has its first message; then,
for each line on standard input (how many messages each recording has, as JSON), reads all of them and prints "read".
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

import aiohttp
import grpc
import zmq
import zmq.asyncio

from rerund.grpc_edge import SERVICE
from rerund_sdk import rrd, wire

UNLIMITED = (("grpc.max_receive_message_length", -1),)


class Readers:
    """What all of them have read."""

    def __init__(self) -> None:
        self.read: Counter[tuple[str, int, str]] = Counter()  # messages by kind, number, recording
        self.wanted: list[tuple[str, int, str]] = []
        self.more = asyncio.Condition()

    def expect(self, kind: str, number: int, recording: str) -> tuple[str, int, str]:
        self.wanted.append((kind, number, recording))
        return self.wanted[-1]

    async def count(self, reader: tuple[str, int, str], messages: int) -> None:
        async with self.more:
            self.read[reader] += messages
            self.more.notify_all()

    async def until(self, counts: dict[str, int]) -> None:
        async with self.more:
            await self.more.wait_for(lambda: all(self.read[each] >= counts[each[2]] for each in self.wanted))

    async def subscribe(self, control: str, number: int, recording: str, context: zmq.asyncio.Context) -> None:
        reader = self.expect("subscriber", number, recording)
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(control)
        await socket.send_multipart(wire.encode(wire.Request(1, "subscribe", {"recording": f"app/{recording}"})))
        while True:
            reply = wire.decode(await socket.recv_multipart())
            assert isinstance(reply, wire.Reply) and not reply.error, reply
            if reply.data:
                await socket.send_multipart(wire.encode(wire.Request(2, "more", {"subscription": 1})))
                await self.count(reader, sum(1 for data in reply.data for _ in rrd.frames(data)))

    async def watch(self, http: str, number: int, recording: str, session: aiohttp.ClientSession) -> None:
        reader = self.expect("page", number, recording)
        async with session.ws_connect(f"{http}/ws/recordings/app/{recording}", max_msg_size=0) as page:
            async for message in page:
                if message.type is aiohttp.WSMsgType.BINARY:
                    await self.count(reader, sum(1 for _ in rrd.frames(message.data, rrd.STREAM_HEADER_SIZE)))

    async def view(self, target: str, number: int, _recording: str) -> None:
        reader = self.expect("viewer", number, "all")
        async with grpc.aio.insecure_channel(target, UNLIMITED) as channel:
            async for _ in channel.unary_stream(f"/{SERVICE}/ReadMessages")(b""):
                await self.count(reader, 1)


async def main(control: str, http: str, grpc_url: str, counts: str, recordings: int) -> None:
    readers = Readers()
    loop = asyncio.get_running_loop()
    context = zmq.asyncio.Context()
    target = grpc_url.split("//")[1].split("/")[0]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        subscribers, pages, viewers = map(int, counts.split(","))
        works = [readers.subscribe(control, n, f"run-{n % recordings}", context) for n in range(subscribers)]
        works += [readers.watch(http, n, f"run-{n % recordings}", session) for n in range(pages)]
        works += [readers.view(target, n, "") for n in range(viewers)]
        tasks = [asyncio.create_task(work) for work in works]
        await asyncio.sleep(0)
        await readers.until({each: 1 for _, _, each in readers.wanted})
        print("ready", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            until = asyncio.create_task(readers.until(json.loads(line)))
            await asyncio.wait((until, *tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            print("read", flush=True)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], int(sys.argv[5])))
