"""Keys and values of the metadata of chunks, columns and tables, under Rerun's names for them."""

from __future__ import annotations

from typing import Final

RERUN_KIND: Final = b"rerun:kind"
RERUN_KIND_CONTROL: Final = b"control"
RERUN_KIND_INDEX: Final = b"index"
SORBET_ARCHETYPE_NAME: Final = b"rerun:archetype"
SORBET_COMPONENT: Final = b"rerun:component"
SORBET_COMPONENT_TYPE: Final = b"rerun:component_type"
SORBET_ENTITY_PATH: Final = b"rerun:entity_path"
SORBET_INDEX_NAME: Final = b"rerun:index_name"
SORBET_IS_TABLE_INDEX: Final = b"rerun:is_table_index"

RECORDING_PROPERTIES_PATH: Final = "/__properties"
EXTERNAL_IMPORTER_INCOMPATIBLE_EXIT_CODE: Final = 66  # an importer program says so that a file is not for it


class AutoIndex:
    """The default of `index=` of `send_dataframe`: the columns whose metadata say that they are timelines."""

    def __repr__(self) -> str:
        return "AUTO_INDEX"


AUTO_INDEX: Final = AutoIndex()
