"""How fast does a viewer that comes late catch up? One gigabyte of images is there; a client reads all of it.

The same gRPC client reads from both servers; Rerun's has the gigabyte in memory, ours on disk. WebSocket is ours alone.
"""

from __future__ import annotations

import asyncio
import time

import aiohttp

from tests.bench import side_by_side
from tests.bench.viewers import channel_to, read_messages

IMAGES = 1_100
BYTES = IMAGES * 640 * 480 * 3


def main() -> None:
    args = side_by_side.parser(__doc__).parse_args()
    print(f"late viewer: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    with side_by_side.scratch() as directory, side_by_side.servers(directory, rerun_saves=False) as servers:
        for sdk, address in (("rerund", servers.rerund), ("rerun", servers.rerun)):
            side_by_side.figures(side_by_side.run("image", sdk, "--address", address, "--rows", str(IMAGES)))
        ours, theirs = side_by_side.alternate(
            args.runs, lambda: {"rate": _over_grpc(servers.rerund_grpc)}, lambda: {"rate": _over_grpc(servers.rerun)}
        )
        print(side_by_side.row("over gRPC", ours["rate"], theirs["rate"], "GB/s", more_is_better=True))
        rate = max(asyncio.run(_over_websocket(servers.rerund_http)) for _ in range(args.runs))
        print(side_by_side.row("over WebSocket", rate, None, "GB/s"))


def _over_grpc(url: str) -> float:
    with channel_to(url) as channel:
        start = time.monotonic()
        stream = read_messages(channel)
        got = 0
        for message in stream:
            got += len(message)
            if got >= BYTES:
                break
        stream.cancel()
        return got / 1e9 / (time.monotonic() - start)


async def _over_websocket(http: str) -> float:
    async with aiohttp.ClientSession() as session:
        url = f"{http}/ws/recordings/rerund_bench/bench?from=start"
        async with session.ws_connect(url, max_msg_size=0) as socket:
            start = time.monotonic()
            got = 0
            async for message in socket:
                if message.type == aiohttp.WSMsgType.BINARY:
                    got += len(message.data)
                    if got >= BYTES:
                        break
            return got / 1e9 / (time.monotonic() - start)


if __name__ == "__main__":
    main()
