"""How long after `log` does a viewer have the row, at a thousand rows a second?

Each server runs alone. The viewer is the same gRPC client for both; it notes when each message arrives, and takes
log_time from it afterwards. The floor is for how long the system lets a loop that does nothing stand still.
"""

from __future__ import annotations

import threading
import time

import grpc
import numpy as np

from rerund_sdk import messages
from rerund_sdk.chunk_reader import parse_arrow_msg, read_chunk
from tests.bench import side_by_side
from tests.bench.side_by_side import Figures
from tests.bench.viewers import channel_to, read_messages


def main() -> None:
    parser = side_by_side.parser(__doc__)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--hertz", type=float, default=1_000)
    args = parser.parse_args()
    print(f"latency at {args.hertz:g} Hz: {side_by_side.conditions()}\n{side_by_side.HEADER}")
    ours, theirs = side_by_side.alternate(
        args.runs, lambda: _measure("rerund", args.rows, args.hertz), lambda: _measure("rerun", args.rows, args.hertz)
    )
    side_by_side.print_waits(ours, theirs, "log to viewer, ")


def _measure(sdk: str, rows: int, hertz: float) -> Figures:
    with (
        side_by_side.scratch() as directory,
        side_by_side.one_server(directory, sdk, rerun_saves=False) as server,
    ):
        viewer = _Viewer(server.grpc)
        options = ("--address", server.address, "--rows", str(rows), "--hertz", str(hertz))
        process = side_by_side.run("scalars", sdk, *options)
        producer = side_by_side.figures(process)
        latencies = viewer.latencies(rows)
        p50, p99, worst = np.percentile(latencies, [50, 99, 100])
        return {"p50": p50, "p99": p99, "worst": worst, "worst call": producer["worst_call_ms"]}


class _Viewer:
    def __init__(self, url: str) -> None:
        self._channel = channel_to(url)
        grpc.channel_ready_future(self._channel).result(timeout=10)
        self._arrived: list[tuple[int, bytes]] = []
        self._stream = read_messages(self._channel)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for response in self._stream:
                self._arrived.append((time.time_ns(), response))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                raise

    def latencies(self, rows: int) -> list[float]:
        """Milliseconds of the last `rows` rows, once no more arrive."""
        count = -1
        while count != len(self._arrived):
            count = len(self._arrived)
            time.sleep(0.3)
        self._stream.cancel()
        self._channel.close()
        return [latency for arrived, response in self._arrived for latency in _latencies(arrived, response)][-rows:]


def _latencies(arrived: int, response: bytes) -> list[float]:
    message = messages.message_class("ReadMessagesResponse").FromString(response).log_msg
    if not message.HasField("arrow_msg"):
        return []
    chunk = read_chunk(parse_arrow_msg(message.arrow_msg.SerializeToString()))
    if chunk.entity_path != "/arm/joint1/position":
        return []
    times = next(index.values for index in chunk.indexes if index.timeline == "log_time")
    return [(arrived - int(logged)) / 1e6 for logged in times]


if __name__ == "__main__":
    main()
