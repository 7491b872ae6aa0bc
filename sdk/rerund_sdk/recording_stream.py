"""Where Rerun has these names: `rerun.recording_stream`."""

from rerund_sdk.api import get_application_id as get_application_id
from rerund_sdk.api import get_data_recording as get_data_recording
from rerund_sdk.api import get_global_data_recording as get_global_data_recording
from rerund_sdk.api import get_recording_id as get_recording_id
from rerund_sdk.api import get_thread_local_data_recording as get_thread_local_data_recording
from rerund_sdk.api import is_enabled as is_enabled
from rerund_sdk.api import set_global_data_recording as set_global_data_recording
from rerund_sdk.api import set_thread_local_data_recording as set_thread_local_data_recording
from rerund_sdk.batcher_config import ChunkBatcherConfig as ChunkBatcherConfig
from rerund_sdk.contexts import recording_stream_generator_ctx as recording_stream_generator_ctx
from rerund_sdk.contexts import thread_local_stream as thread_local_stream
from rerund_sdk.memory import BinaryStream as BinaryStream
from rerund_sdk.memory import binary_stream as binary_stream
from rerund_sdk.recording import RecordingStream as RecordingStream
from rerund_sdk.sorbet import AUTO_INDEX as AUTO_INDEX
