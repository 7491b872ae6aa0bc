"""This machine's health, logged beside a robot's data: CPU, memory, disks, network and temperatures.

`rerund monitor` runs it; a program that wants it inside itself calls `Monitor().log()` now and then.
One entity a subject, one line a device: /machine/cpu, /machine/memory, /machine/disk, /machine/network,
/machine/temperature.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

import rerund_sdk as rr

ROOT = "/machine"
MB = 1e6
VIRTUAL_NETWORKS = ("lo", "veth", "docker", "br-", "virbr", "ifb", "tun", "tap")  # what they carry is counted elsewhere

Series = Mapping[str, float]  # name of the line -> its value


class Monitor:
    """Reads the machine; rates are averages since the reading before."""

    def __init__(self, root: str = ROOT) -> None:
        self._root = root.rstrip("/")
        self._names: dict[str, tuple[str, ...]] = {}  # of the lines of each entity, as they were logged last
        self._before = _counters()
        psutil.cpu_percent(percpu=True)  # the first call has nothing to compare with
        rr.log(f"{self._root}/info", rr.TextDocument(description(), media_type="text/markdown"), static=True)

    def log(self) -> None:
        """Log one reading."""
        for subject, series in self.read().items():
            path = f"{self._root}/{subject}"
            names = tuple(series)
            if self._names.get(subject) != names:  # a disk or a network device came or went
                self._names[subject] = names
                rr.log(path, rr.SeriesLines(names=list(names)), static=True)
            rr.log(path, rr.Scalars(list(series.values())))

    def read(self) -> dict[str, Series]:
        """All subjects that this machine has, each with its lines."""
        now = _counters()
        subjects: dict[str, Series] = {
            "cpu": {f"core {core} (%)": used for core, used in enumerate(psutil.cpu_percent(percpu=True))},
            "memory": _memory(),
            "disk": _rates(self._before["disk"], now["disk"]),
            "network": _rates(self._before["network"], now["network"]),
            "temperature": _temperatures(),
        }
        self._before = now
        return {subject: series for subject, series in subjects.items() if series}


def description() -> str:
    """What this machine is, in a few lines of Markdown."""
    total = psutil.virtual_memory().total / 2**30
    return "\n".join(
        (
            f"# {platform.node()}",
            f"- {platform.system()} {platform.release()}, {platform.machine()}",
            f"- {psutil.cpu_count()} CPU cores, {total:.1f} GiB of memory",
            f"- up since {time.strftime('%Y-%m-%d %H:%M', time.localtime(psutil.boot_time()))}",
        )
    )


def _memory() -> Series:
    series = {"memory (%)": psutil.virtual_memory().percent, "disk space (%)": psutil.disk_usage("/").percent}
    swap = psutil.swap_memory()
    return {**series, "swap (%)": swap.percent} if swap.total else series


def _counters() -> dict[str, dict[str, tuple[float, float]]]:
    """Bytes counted so far, and when: {subject: {line: (seconds, bytes)}}."""
    now = time.monotonic()
    disk: dict[str, tuple[float, float]] = {}
    for name, io in (psutil.disk_io_counters(perdisk=True) or {}).items():
        if Path("/sys/block", name, "device").exists():  # hardware, and no part of another
            disk[f"{name} read (MB/s)"] = now, io.read_bytes
            disk[f"{name} write (MB/s)"] = now, io.write_bytes
    network: dict[str, tuple[float, float]] = {}
    for name, traffic in psutil.net_io_counters(pernic=True).items():
        if not name.startswith(VIRTUAL_NETWORKS):
            network[f"{name} in (MB/s)"] = now, traffic.bytes_recv
            network[f"{name} out (MB/s)"] = now, traffic.bytes_sent
    return {"disk": disk, "network": network}


def _rates(before: Mapping[str, tuple[float, float]], now: Mapping[str, tuple[float, float]]) -> Series:
    rates = {}
    for name, (seconds, count) in now.items():
        then, counted = before.get(name, (seconds, count))
        rates[name] = max(0.0, count - counted) / MB / max(seconds - then, 1e-3)
    return rates


def _temperatures() -> Series:
    read = getattr(psutil, "sensors_temperatures", dict)  # not on every system
    return {
        f"{sensor.label or f'{chip} {number}'} (°C)": sensor.current
        for chip, sensors in read().items()
        for number, sensor in enumerate(sensors)
    }
