"""`rerund check` finds what is wrong with a file or recording, and mends what can be."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rerund_sdk as rr
from rerund import check
from rerund.bell import Bells
from rerund.check import Fault
from rerund.recording import Recording
from rerund.recovery import is_sealed_file
from rerund_sdk import messages, rrd
from rerund_sdk.file_sink import FileSink
from rerund_sdk.footer import STREAM_FOOTER_SIZE
from rerund_sdk.recording import RecordingStream
from tests.daemons import Daemon
from tests.official import RERUN
from tests.raw_producer import Message, RawProducer, blob, chunk
from tests.recorded import content

HEAD = rrd.MESSAGE_HEADER_SIZE
STORE_INFO = messages.store_info_message(messages.store_id("app", "run"), (1, 2))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A file as the SDK writes it."""
    path = tmp_path / "saved.rrd"
    recording = RecordingStream("app", recording_id="run")
    recording.set_sinks(FileSink(path))
    for n in range(20):
        recording.log("a", rr.Scalars(float(n)))
        recording.log(f"b{n}", rr.TextLog("text"))
    recording.disconnect()
    return path


def _plain(path: Path, *batch: Message) -> Path:
    """A file without a footer."""
    path.write_bytes(rrd.STREAM_HEADER + STORE_INFO + b"".join(each.data for each in batch))
    return path


def _faults(report: check.FileReport) -> list[tuple[Fault, int | None]]:
    return [(problem.fault, problem.offset) for problem in report.problems]


def _scalars(count: int, first: int = 0) -> list[Message]:
    return [chunk("run", "/a", [float(n)], [n]) for n in range(first, first + count)]


def _official_verify(path: Path) -> int:
    return subprocess.run([RERUN, "rrd", "verify", str(path)], capture_output=True, check=False).returncode


@pytest.mark.parametrize("made_by", ["sdk", "official", "no footer", "joined"])
def test_nothing_is_wrong_with_good_files(saved: Path, tmp_path: Path, made_by: str) -> None:
    path = saved
    if made_by == "official":
        path = tmp_path / "official.rrd"
        subprocess.run([RERUN, "rrd", "optimize", str(saved), "-o", str(path)], check=True, capture_output=True)
    if made_by == "no footer":
        path = _plain(tmp_path / "plain.rrd", *_scalars(3))
    if made_by == "joined":
        path = tmp_path / "joined.rrd"
        path.write_bytes(saved.read_bytes() * 2)
    report = check.check_file(path)
    assert report.problems == []
    assert report.rows >= 3
    before = path.read_bytes()
    check.repair_file(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [1, HEAD - 1, HEAD, HEAD + 1, 300])
def test_a_torn_tail_is_cut_and_kept_aside(tmp_path: Path, cut: int) -> None:
    path = _plain(tmp_path / "torn.rrd", *_scalars(3))
    good = path.stat().st_size
    tail = _scalars(1)[0].data[:cut]
    path.write_bytes(path.read_bytes() + tail)
    assert _faults(check.check_file(path)) == [(Fault.TAIL, good)]
    check.repair_file(path)
    assert check.check_file(path).problems == []
    assert path.with_suffix(".rrd.torn").read_bytes() == tail
    assert is_sealed_file(path) and _official_verify(path) == 0


def test_zeros_and_what_follows_them_are_a_tail_and_not_thrown_away(tmp_path: Path) -> None:
    path = _plain(tmp_path / "hole.rrd", *_scalars(3))
    good = path.stat().st_size
    tail = bytes(4096) + _scalars(1)[0].data
    path.write_bytes(path.read_bytes() + tail)
    assert _faults(check.check_file(path)) == [(Fault.TAIL, good)]
    check.repair_file(path)
    assert path.with_suffix(".rrd.torn").read_bytes() == tail


def test_what_is_no_rrd_file_is_said_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "text.rrd"
    path.write_text("This is no recording.")
    assert _faults(check.check_file(path)) == [(Fault.NO_RRD, None)]
    check.repair_file(path)
    assert path.read_text() == "This is no recording."


def test_messages_that_cannot_be_decoded_are_found_with_their_place(tmp_path: Path) -> None:
    good, bad = _scalars(2), blob(500)
    zeros = rrd.message_header(rrd.Kind.ARROW, 200) + bytes(200)
    path = _plain(tmp_path / "bad.rrd", good[0], bad, Message(bad.entry, zeros), good[1])
    report = check.check_file(path)
    first = rrd.STREAM_HEADER_SIZE + len(STORE_INFO) + len(good[0].data)
    assert _faults(report) == [(Fault.MESSAGE, first), (Fault.MESSAGE, first + 500)]
    assert "all zeros" in str(report.problems[1])
    assert report.rows == 2


@pytest.mark.parametrize("damage", ["checksum", "unfinished", "cut", "foreign"])
def test_a_bad_footer_is_found_and_made_anew(saved: Path, damage: str) -> None:
    end = check.check_file(saved).end
    content = bytearray(saved.read_bytes())
    if damage == "checksum":
        content[end + HEAD + 100] ^= 0xFF
    if damage == "unfinished":
        content[end : end + HEAD] = bytes(HEAD)
    if damage == "cut":
        content = content[: -STREAM_FOOTER_SIZE - 10]
    if damage == "foreign":  # of the file as it was before a chunk was exchanged
        at = next(at for at in range(end - 1, 0, -1) if content[at - 6 : at] == b"chunk_")
        content[at : at + 16] = b"0123456789ABCDEF"
    saved.write_bytes(content)
    assert check.check_file(saved).has(Fault.FOOTER, Fault.TAIL)
    check.repair_file(saved)
    assert check.check_file(saved).problems == []
    assert is_sealed_file(saved)
    assert damage == "foreign" or _official_verify(saved) == 0  # it compares both ids of a chunk, too


def _recording(folder: Path, count: int = 40) -> Path:
    recording = Recording(folder / "rec", "app", "run", 8192, Bells())
    recording.prepare()
    for each in _scalars(count):
        recording.append([each.data], [each.entry], each.entry.size)
        recording.write_index()
    recording.release()
    return recording.directory


def _reopened(folder: Path) -> list[bytes]:
    return content(Recording(folder / "rec", "app", "run", 8192, Bells()))


@pytest.mark.parametrize("damage", ["gone", "header", "records", "names", "short"])
def test_an_index_that_says_something_else_is_found_and_made_anew(tmp_path: Path, damage: str) -> None:
    directory = _recording(tmp_path)
    assert all(report.problems == [] for report in check.check_recording(directory))
    before = _reopened(tmp_path)
    path = directory / "000002.index"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "names":
        (directory / "names").write_bytes(b"x")
    else:
        if damage == "header":
            content[:4] = b"????"
        if damage == "records":
            content[64 + 64 + 16] ^= 0xFF
        if damage == "short":
            del content[-64:]
        path.write_bytes(content)
    problems = [problem for report in check.check_recording(directory) for problem in report.problems]
    assert {problem.fault for problem in problems} == {Fault.INDEX}
    assert {problem.path.name for problem in problems} >= {"000002.rrd"}
    check.repair_recording(directory)
    assert all(report.problems == [] for report in check.check_recording(directory))
    assert _reopened(tmp_path) == before


def test_a_recording_is_repaired_all_in_all(tmp_path: Path) -> None:
    directory = _recording(tmp_path)
    first, *_, last = sorted(directory.glob("*.rrd"))
    first.write_bytes(first.read_bytes() + bytes(HEAD) + b"\x0a half a footer")
    last.write_bytes(last.read_bytes() + b"\x02torn")
    before = _reopened_copy(directory, tmp_path)
    assert [report.has(Fault.FOOTER, Fault.TAIL) for report in check.check_recording(directory)].count(True) == 2
    check.repair_recording(directory)
    reports = check.check_recording(directory)
    assert all(report.problems == [] for report in reports)
    assert [report.is_sealed for report in reports] == [True] * (len(reports) - 1) + [False]
    assert last.with_suffix(".rrd.torn").read_bytes() == b"\x02torn"
    assert _reopened(tmp_path) == before


@pytest.mark.parametrize(
    ("removed", "said"), [([1], "000001.rrd"), ([2], "000002.rrd"), ([1, 2], "000001.rrd to 000002.rrd")]
)
def test_a_segment_that_is_missing_is_missed(tmp_path: Path, removed: list[int], said: str) -> None:
    directory = _recording(tmp_path, 80)
    for number in removed:
        (directory / f"{number:06d}.rrd").unlink()
    (problem,) = [each for report in check.check_recording(directory) for each in report.problems]
    assert (problem.fault, problem.path.name) == (Fault.GAP, f"{max(removed) + 1:06d}.rrd")
    assert problem.text == f"{said}, which came before it, is missing: what was in it is lost"


def _reopened_copy(directory: Path, tmp_path: Path) -> list[bytes]:
    (tmp_path / "copy").mkdir()
    shutil.copytree(directory, tmp_path / "copy" / "rec")
    return _reopened(tmp_path / "copy")


def _check(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rerund", "check", *words]
    return subprocess.run(command, env=daemon.env, capture_output=True, text=True, timeout=50, check=False)


def test_the_command_says_what_is_wrong_and_ends_with_its_status(daemon: Daemon) -> None:
    with RawProducer(daemon.ingest) as producer:
        producer.append_and_wait(*_scalars(3))
        live = _check(daemon, "run")
        assert live.returncode == 0 and "4 messages, 3 rows" in live.stdout and "nothing is wrong" in live.stdout
        refused = _check(daemon, "run", "--repair")
        assert refused.returncode == 1 and "another rerund daemon" in refused.stderr
    daemon.stop()
    (segment,) = daemon.segments()
    segment.write_bytes(segment.read_bytes() + b"\x02torn")
    torn = _check(daemon, "app/run")
    assert torn.returncode == 1
    assert "5 bytes are of no use: it ends inside a message" in torn.stdout
    (told,) = json.loads(_check(daemon, "run", "--json").stdout)
    assert [problem["fault"] for problem in told["problems"]] == ["tail"]
    mended = _check(daemon, "run", "--repair")
    assert mended.returncode == 0 and "nothing is wrong" in mended.stdout
    assert _check(daemon, str(segment)).returncode == 0
    unknown = _check(daemon, "nowhere")
    assert unknown.returncode == 1 and "no recording goes by 'nowhere'" in unknown.stderr
    assert "there is no file" in _check(daemon, "nowhere.rrd").stderr
