"""The panels around the views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rerund_sdk.blueprint.parts import BlueprintRow, Panel


class TopPanel(Panel):
    """The bar with the menu."""

    _path = "top_panel"


class BlueprintPanel(Panel):
    """The tree of views on the left."""

    _path = "blueprint_panel"


class SelectionPanel(Panel):
    """The details on the right."""

    _path = "selection_panel"


class TimePanel(Panel):
    """The timeline at the bottom.

    timeline: the one that is shown. playback_speed: 1 is real time. fps: frames per second, of a sequence.
    play_state, loop_mode: as PlayState and LoopMode name them. time_selection: an AbsoluteTimeRange to loop over.
    """

    _path = "time_panel"

    def __init__(
        self,
        *,
        expanded: bool | None = None,
        state: Any = None,
        timeline: str | None = None,
        playback_speed: float | None = None,
        fps: float | None = None,
        play_state: Any = None,
        loop_mode: Any = None,
        time_selection: Any = None,
    ) -> None:
        super().__init__(expanded=expanded, state=state)
        self.timeline = timeline
        self.playback_speed = playback_speed
        self.fps = fps
        self.play_state = play_state
        self.loop_mode = loop_mode
        self.time_selection = time_selection

    def blueprint_rows(self) -> Iterator[BlueprintRow]:
        from rerund_sdk.blueprint.archetypes import TimePanelBlueprint

        yield BlueprintRow(
            self._path,
            TimePanelBlueprint(
                state=self.state,
                timeline=self.timeline,
                playback_speed=self.playback_speed,
                fps=self.fps,
                loop_mode=self.loop_mode,
                time_selection=self.time_selection,
            ),
        )
        if self.play_state is not None:  # changes all the time while the viewer plays, so it has no history
            yield BlueprintRow(self._path, TimePanelBlueprint(play_state=self.play_state), static=True)
