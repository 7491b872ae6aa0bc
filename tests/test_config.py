from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest

from rerund.config import Config, add_options, from_args, number_of_bytes, sample
from rerund.errors import ConfigError


def _config(*arguments: str, **environ: str) -> Config:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return from_args(parser.parse_args(arguments), environ)


def test_every_option_is_a_flag_and_a_variable_and_in_the_sample() -> None:
    for field in dataclasses.fields(Config):
        assert f"#RERUND_{field.name.upper()}=" in sample()
    assert _config("--segment-bytes=8MiB").segment_bytes == 8 << 20
    assert _config(RERUND_SEGMENT_BYTES="8 MB").segment_bytes == 8_000_000
    assert _config("--segment-bytes=8MiB", RERUND_SEGMENT_BYTES="1GiB").segment_bytes == 8 << 20


def test_the_sample_with_everything_in_force_gives_the_defaults() -> None:
    lines = [line[1:].split("=", 1) for line in sample().splitlines() if line.startswith("#RERUND_")]
    assert _config(**dict(lines)) == _config()


def test_each_option_is_read_as_what_it_is() -> None:
    config = _config("--home=/data", "--listen=tcp://127.0.0.1:1,tcp://[::1]:2", "--grpc-port=0", "--fsync=off")
    assert config.home == Path("/data")
    assert config.listen == ("tcp://127.0.0.1:1", "tcp://[::1]:2")
    assert (config.grpc_port, config.http_port, config.fsync) == (0, None, "off")


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--grpc-port", "65536"),
        ("--http-port", "x"),
        ("--fsync", "often"),
        ("--fsync-secs", "0"),
        ("--fsync-secs", "nan"),
        ("--segment-bytes", "1KiB"),
        ("--max-message-bytes", "many"),
        ("--grpc-replay", "some"),
        ("--log-level", "loud"),
        ("--instance", "a/b"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_flag_and_value(flag: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} is '{text}'"):
        _config(flag, text)
    variable = f"RERUND_{flag[2:].replace('-', '_').upper()}"
    with pytest.raises(ConfigError, match=variable):
        _config(**{variable: text})


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("1kB", 1000), ("1.5 MiB", 1_572_864), ("2GB", 2 * 10**9), ("7b", 7)]
)
def test_sizes_are_written_as_people_write_them(text: str, size: int) -> None:
    assert number_of_bytes(text) == size


def test_an_instance_keeps_its_recordings_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RERUND_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert _config("--instance=b").home == Path("/state/rerund-b")
    assert _config("--instance=b", "--home=/data").home == Path("/data")
