"""Every public name of Rerun's SDK is a name of ours, or is left out for a reason that stands here."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np
import pytest
import rerun

import rerund_sdk as rr
import rerund_sdk.time
from rerund.exec import environment
from rerund_sdk.errors import NotOffered
from tests.homes import Home

PLATFORM = "of Rerun's data platform, and of its readers and tools"
ONE_FILE_A_CLASS = "only how Rerun lays out its files: the package above it has all these names"
INNER = "of the inner workings of Rerun's modules"
WIDGET = "of Rerun's notebook widget: notebook_show shows the daemon's page"

MODULES_LEFT_OUT = {
    "rerun.archetypes.": ONE_FILE_A_CLASS,
    "rerun.auth": PLATFORM,
    "rerun.blueprint.archetypes.": ONE_FILE_A_CLASS,
    "rerun.blueprint.components.": ONE_FILE_A_CLASS,
    "rerun.blueprint.encodings.": ONE_FILE_A_CLASS,
    "rerun.blueprint.views.": ONE_FILE_A_CLASS,
    "rerun.catalog": PLATFORM,
    "rerun.components.": ONE_FILE_A_CLASS,
    "rerun.encodings.": ONE_FILE_A_CLASS,
    "rerun.experimental.": PLATFORM,
    "rerun.server": PLATFORM,
    "rerun.urdf": "robot models: a program logs their meshes as Asset3D",
    "rerun.utilities.datafusion": PLATFORM,
}

NAMES_LEFT_OUT: dict[str, tuple[str, str]] = {
    "rerun.any_batch_value": (
        INNER,
        "ANY_VALUE_TYPE_REGISTRY ArrowTypeOnly ComponentBatchLike NumpyArrowType TypeRegistry",
    ),
    "rerun.any_value": (INNER, "AsComponents"),
    "rerun.blueprint.api": (
        INNER,
        "ActiveVisualizers AsComponents ComponentBatchLike ContainerBlueprint DescribedComponentBatch EntityBehavior "
        "PanelBlueprint PanelState RecordingStream TimePanelBlueprint ViewBlueprint ViewContents ViewportBlueprint "
        "VisibleTimeRanges VisualizerInstruction create_in_memory_blueprint",
    ),
    "rerun.blueprint.containers": (INNER, "ContainerKind"),
    "rerun.chunk": (
        "of Rerun's readers and pipelines: rr.load reads recordings",
        "ChunkStore DeriveLens IndexColumn IndexedReader LazyChunkStream LazyStore McapChannelInfo McapChunkInfo "
        "McapCompressionInfo McapInfo McapReader McapSchemaInfo MutateLens OptimizationProfile RrdReader Selector "
        "StoreEntry StreamingReader",
    ),
    "rerun.dynamic_archetype": (INNER, "AsComponents"),
    "rerun.error_utils": (
        INNER,
        "RerunIncompatibleDependencyVersionError RerunMissingDependencyError T default_strict_mode deprecated_param",
    ),
    "rerun.experimental": (
        PLATFORM,
        "BearerTokenObjectStoreAuth Blueprint BlueprintInfo Command ComponentSchema DatasetAssetSchema DatasetInfo "
        "DatasetSchema EntitySchema Hdf5Reader LeRobotReader LoadingSource LogEntry MetricsCollector Mp4Reader "
        "Mp4TranscodeOptions ObjectStoreAuth OpenResult ParquetReader ProfileTrace QueryMetrics Recording "
        "RecordingSchema TableColumnSchema Timeline View ViewReport ViewerClient ViewerState query_metrics",
    ),
    "rerun.notebook": (
        WIDGET,
        "ContainerSelectionItem EntitySelectionItem PauseEvent PlayEvent RecordingOpenEvent SelectionChangeEvent "
        "TimeUpdateEvent TimelineChangeEvent ViewSelectionItem Viewer",
    ),
    "rerun.recording_stream": (INNER, "active_recording_stream"),
    "rerun.sinks": (INNER, "create_in_memory_blueprint"),
    "rerun.time": (INNER, "UTC"),
}

MISSING_NAMES = """
import importlib, json, sys
for module, names in json.load(sys.stdin).items():
    try:
        ours = importlib.import_module(module)
    except ModuleNotFoundError:
        print(module)
    else:
        for name in names:
            if not hasattr(ours, name):
                print(module, name)
"""


def public_modules() -> Iterator[str]:
    yield "rerun"
    for module in pkgutil.walk_packages(rerun.__path__, "rerun.", onerror=lambda _: None):
        is_public = not any(part.startswith("_") for part in module.name.split("."))
        if is_public and not module.name.startswith(tuple(MODULES_LEFT_OUT)):
            yield module.name


def public_names(module: ModuleType) -> list[str]:
    """Without modules, and without what comes from other packages."""
    return [
        name
        for name in getattr(module, "__all__", dir(module))
        if not name.startswith("_") and name != "TYPE_CHECKING" and _is_of_rerun(getattr(module, name))
    ]


def _is_of_rerun(value: Any) -> bool:
    return not isinstance(value, ModuleType) and (getattr(value, "__module__", None) or "rerun").startswith("rerun")


@pytest.mark.filterwarnings("ignore:.* is deprecated since:DeprecationWarning")
def test_every_public_name_of_rerun_is_there_or_left_out_for_a_reason() -> None:
    theirs = {module: public_names(importlib.import_module(module)) for module in public_modules()}
    answer = subprocess.run(
        [sys.executable, "-c", MISSING_NAMES],
        input=json.dumps(theirs),
        env=environment(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    left_out = {f"{module} {name}" for module, (_, names) in NAMES_LEFT_OUT.items() for name in names.split()}
    assert set(answer.stdout.splitlines()) == left_out


def test_every_module_that_is_left_out_exists_in_rerun() -> None:
    names = [module.name for module in pkgutil.walk_packages(rerun.__path__, "rerun.", onerror=lambda _: None)]
    assert [prefix for prefix in MODULES_LEFT_OUT if not any(name.startswith(prefix) for name in names)] == []


@pytest.mark.parametrize("call", [rr.login, rr.logout, rr.tracing_session])
def test_what_is_of_reruns_services_says_so(call: Callable[[], None]) -> None:
    with pytest.raises(NotOffered, match=f"rr.{call.__name__}.* Rerun's data platform: leave it out"):
        call()


def test_asarray_copies_when_told_to() -> None:
    numbers = np.arange(3)
    assert np.shares_memory(rr.asarray(numbers), numbers)
    assert not np.shares_memory(rr.asarray(numbers, copy=True), numbers)
    assert rr.asarray(numbers, dtype=np.float32).dtype == np.float32


def test_times_in_nanoseconds_are_those_of_rerun() -> None:
    assert rerund_sdk.time.to_nanos(1.5) == rerun.time.to_nanos(1.5)
    day = np.datetime64("2020-01-01")
    assert rerund_sdk.time.to_nanos_since_epoch(day) == rerun.time.to_nanos_since_epoch(day)


def test_rows_logged_after_calls_that_have_no_effect_are_kept() -> None:
    recording = rr.RecordingStream("rerun_example_no_effect")
    memory = rr.memory_recording(recording)
    rr.unregister_shutdown()
    rr.cleanup_if_forked_child()
    recording.log("value", rr.Scalars(1))
    assert memory.num_msgs() > 1


def test_a_grpc_server_sink_delivers_to_the_daemon_once(home: Home, tmp_path: Path) -> None:
    recording = rr.RecordingStream("app", recording_id="run")
    sink = rr.GrpcServerSink()
    recording.set_sinks(sink, rr.FileSink(tmp_path / "copy.rrd"))
    recording.log("value", rr.Scalars(1))
    assert recording.flush(timeout_sec=30)
    assert sink.uri == home.status()["grpc"]
    assert home.rows("run") == {"/value": [1]}
    with pytest.raises(ValueError, match="two of the 2 sinks are the same"):
        recording.set_sinks(sink, rr.DaemonSink())
    recording.disconnect()


def test_a_function_that_names_the_module_can_be_sent_to_a_worker() -> None:
    """As joblib and others send what is defined in a program itself: by value, with the modules that it names."""
    namespace: dict[str, Any] = {"rr": rr, "__name__": "__main__"}
    exec("def scalar(value): return rr.Scalars(value)", namespace)
    again = cloudpickle.loads(cloudpickle.dumps(namespace["scalar"]))
    assert isinstance(again(1.0), rr.Scalars)
