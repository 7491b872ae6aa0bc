"""Layouts for viewers. Mirrors `rerun.blueprint`.

import rerund_sdk.blueprint as rrb
rr.send_blueprint(rrb.Horizontal(rrb.Spatial3DView(origin="/world"), rrb.TimeSeriesView(), column_shares=[2, 1]))
"""

from rerund_sdk.blueprint import archetypes as archetypes
from rerund_sdk.blueprint import components as components
from rerund_sdk.blueprint import encodings as encodings
from rerund_sdk.blueprint import experimental as experimental
from rerund_sdk.blueprint import table as table
from rerund_sdk.blueprint.api import Blueprint as Blueprint
from rerund_sdk.blueprint.api import BlueprintLike as BlueprintLike
from rerund_sdk.blueprint.api import BlueprintPart as BlueprintPart
from rerund_sdk.blueprint.api import ContainerLike as ContainerLike
from rerund_sdk.blueprint.archetypes import ActiveVisualizers as ActiveVisualizers
from rerund_sdk.blueprint.archetypes import AudioPlayback as AudioPlayback
from rerund_sdk.blueprint.archetypes import Background as Background
from rerund_sdk.blueprint.archetypes import EntityBehavior as EntityBehavior
from rerund_sdk.blueprint.archetypes import EyeControls3D as EyeControls3D
from rerund_sdk.blueprint.archetypes import LineGrid3D as LineGrid3D
from rerund_sdk.blueprint.archetypes import PlotInteraction as PlotInteraction
from rerund_sdk.blueprint.archetypes import PlotLegend as PlotLegend
from rerund_sdk.blueprint.archetypes import ScalarAxis as ScalarAxis
from rerund_sdk.blueprint.archetypes import SpatialInformation as SpatialInformation
from rerund_sdk.blueprint.archetypes import TensorScalarMapping as TensorScalarMapping
from rerund_sdk.blueprint.archetypes import TensorSliceSelection as TensorSliceSelection
from rerund_sdk.blueprint.archetypes import TextLogColumns as TextLogColumns
from rerund_sdk.blueprint.archetypes import TextLogFormat as TextLogFormat
from rerund_sdk.blueprint.archetypes import TextLogRows as TextLogRows
from rerund_sdk.blueprint.archetypes import TimeAxis as TimeAxis
from rerund_sdk.blueprint.archetypes import VisibleTimeRanges as VisibleTimeRanges
from rerund_sdk.blueprint.archetypes import VisualBounds2D as VisualBounds2D
from rerund_sdk.blueprint.components import BackgroundKind as BackgroundKind
from rerund_sdk.blueprint.components import Corner2D as Corner2D
from rerund_sdk.blueprint.components import Eye3DKind as Eye3DKind
from rerund_sdk.blueprint.components import LockRangeDuringZoom as LockRangeDuringZoom
from rerund_sdk.blueprint.components import MapProvider as MapProvider
from rerund_sdk.blueprint.components import PanelState as PanelState
from rerund_sdk.blueprint.containers import Grid as Grid
from rerund_sdk.blueprint.containers import Horizontal as Horizontal
from rerund_sdk.blueprint.containers import Tabs as Tabs
from rerund_sdk.blueprint.containers import Vertical as Vertical
from rerund_sdk.blueprint.panels import BlueprintPanel as BlueprintPanel
from rerund_sdk.blueprint.panels import SelectionPanel as SelectionPanel
from rerund_sdk.blueprint.panels import TimePanel as TimePanel
from rerund_sdk.blueprint.panels import TopPanel as TopPanel
from rerund_sdk.blueprint.parts import Container as Container
from rerund_sdk.blueprint.parts import View as View
from rerund_sdk.blueprint.table import TableBlueprint as TableBlueprint
from rerund_sdk.blueprint.views import AudioView as AudioView
from rerund_sdk.blueprint.views import BarChartView as BarChartView
from rerund_sdk.blueprint.views import DataframeView as DataframeView
from rerund_sdk.blueprint.views import GraphView as GraphView
from rerund_sdk.blueprint.views import MapView as MapView
from rerund_sdk.blueprint.views import Spatial2DView as Spatial2DView
from rerund_sdk.blueprint.views import Spatial3DView as Spatial3DView
from rerund_sdk.blueprint.views import StateTimelineView as StateTimelineView
from rerund_sdk.blueprint.views import TensorView as TensorView
from rerund_sdk.blueprint.views import TextDocumentView as TextDocumentView
from rerund_sdk.blueprint.views import TextLogView as TextLogView
from rerund_sdk.blueprint.views import TimeSeriesView as TimeSeriesView
from rerund_sdk.blueprint.visualizers import VisualizableArchetype as VisualizableArchetype
from rerund_sdk.blueprint.visualizers import Visualizer as Visualizer
from rerund_sdk.encodings import TimeRange as TimeRange
from rerund_sdk.encodings import TimeRangeBoundary as TimeRangeBoundary
from rerund_sdk.encodings import VisibleTimeRange as VisibleTimeRange
