"""The archetypes of table layouts, for who writes them himself. Mirrors `rerun.blueprint.experimental`."""

from rerund_sdk.blueprint.archetypes import CardLayout as CardLayout
from rerund_sdk.blueprint.archetypes import PreviewsConfig as PreviewsConfig
from rerund_sdk.blueprint.archetypes import TableBlueprint as TableBlueprint
from rerund_sdk.blueprint.archetypes import TableColumn as TableColumn
from rerund_sdk.blueprint.archetypes import TableColumnPreview as TableColumnPreview
from rerund_sdk.blueprint.archetypes import TableLayout as TableLayout
