"""Which recording is the current one, in functions, threads and generators."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

import rerund_sdk as rr
from rerund_sdk.loading import load
from rerund_sdk.strictness import RerunWarning


def new_recording(name: str = "app") -> rr.RecordingStream:
    return rr.RecordingStream(name, send_properties=False)


def test_a_recording_as_decorator_is_current_in_the_function() -> None:
    recording = new_recording()

    @recording
    def work(value: float) -> str | None:
        """Works."""
        rr.log("a", rr.Scalars(value))
        return rr.get_recording_id()

    assert work(1.0) == recording.recording_id
    assert rr.get_data_recording() is not recording
    assert load(recording).row_count == 1
    assert (work.__name__, work.__doc__) == ("work", "Works.")


def test_each_call_of_a_thread_local_stream_logs_into_a_recording_of_its_own() -> None:
    found: list[tuple[str | None, bytes]] = []

    @rr.thread_local_stream("app")
    def job(value: float) -> None:
        memory = rr.memory_recording()
        rr.log("a", rr.Scalars(value))
        found.append((rr.get_recording_id(), memory.drain_as_bytes()))

    threads = [threading.Thread(target=job, args=(float(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({recording_id for recording_id, _ in found}) == 4
    values = [load(content).table("a")["Scalars:scalars"].to_pylist() for _, content in found]
    assert sorted(values) == [[[0.0]], [[1.0]], [[2.0]], [[3.0]]]


def test_a_generator_is_in_its_recording_only_while_it_runs() -> None:
    @rr.thread_local_stream("inner")
    def numbers() -> Generator[str | None, str, str]:
        received = yield rr.get_recording_id()
        yield f"{received} {rr.get_application_id()}"
        return "end"

    with new_recording("outer") as outer:
        generator = numbers()
        inner_id = next(generator)
        assert inner_id != outer.recording_id == rr.get_recording_id()
        assert generator.send("sent") == "sent inner"
        assert rr.get_application_id() == "outer"
        with pytest.raises(StopIteration, match="end"):
            next(generator)
        assert rr.get_application_id() == "outer"


def test_a_with_block_around_a_yield_does_not_leak() -> None:
    inner = new_recording("inner")

    @rr.recording_stream_generator_ctx
    def rows() -> Iterator[str | None]:
        with inner:
            for _ in range(2):
                yield rr.get_application_id()

    with new_recording("outer"):
        seen = [(of_generator, rr.get_application_id()) for of_generator in rows()]
    assert seen == [("inner", "outer")] * 2


def test_what_is_thrown_into_a_generator_arrives_in_its_recording() -> None:
    recording = new_recording("inner")

    @recording
    def patient() -> Generator[str | None, None, None]:
        try:
            yield None
        except ValueError:
            yield rr.get_application_id()

    generator = patient()
    next(generator)
    assert generator.throw(ValueError("x")) == "inner"
    generator.close()


def test_the_generator_decorator_is_for_generators_only() -> None:
    with pytest.raises(ValueError, match=r"is for generators, which .*no_generator is not"):

        @rr.recording_stream_generator_ctx
        def no_generator() -> None:
            pass


def test_a_thread_has_a_recording_of_its_own() -> None:
    for_thread, for_process = new_recording(), new_recording()
    found: list[rr.RecordingStream | None] = []

    def work() -> None:
        rr.set_thread_local_data_recording(for_thread)
        found.append(rr.get_data_recording())

    before = rr.set_global_data_recording(for_process)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [for_thread]
        assert rr.get_data_recording() is for_process
    finally:
        rr.set_global_data_recording(before)


def test_without_a_recording_nothing_raises_even_in_strict_mode() -> None:
    before, strict = rr.set_global_data_recording(None), rr.strict_mode()
    rr.set_strict_mode(True)
    try:
        for call in (lambda: rr.log("a", rr.Scalars(1.0)), lambda: rr.set_time("frame", sequence=1), rr.disconnect):
            with pytest.warns(RerunWarning, match="has no effect: there is no current recording"):
                call()
    finally:
        rr.set_strict_mode(strict)
        rr.set_global_data_recording(before)
