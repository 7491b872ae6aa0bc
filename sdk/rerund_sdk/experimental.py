"""What Rerun once had here and scripts still import: `rerun.experimental`. Of the rest of it nothing is offered."""

from rerund_sdk.arrow_chunk import Chunk as Chunk
from rerund_sdk.dataframe import send_chunks as send_chunks
from rerund_sdk.dataframe import send_dataframe as send_dataframe
from rerund_sdk.dataframe import send_record_batch as send_record_batch
