"""Example data are those of the official SDK."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import rerun.utilities

from rerund_sdk import utilities


def assert_equal(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"x_count": 3, "y_count": 4, "z_count": 5, "twist": 1.5}])
def test_the_grid_is_the_same(options: dict[str, Any]) -> None:
    assert_equal(utilities.build_color_grid(**options), rerun.utilities.build_color_grid(**options))


@pytest.mark.parametrize("options", [{}, {"num_points": 7, "radius": 3, "angular_offset": 0.5, "z_step": 1}])
def test_the_spiral_is_the_same(options: dict[str, Any]) -> None:
    assert_equal(utilities.build_color_spiral(**options), rerun.utilities.build_color_spiral(**options))


def test_bouncing_is_the_same() -> None:
    for t in np.linspace(0, 5, 101):
        assert utilities.bounce_lerp(1.0, 3.0, t) == pytest.approx(rerun.utilities.bounce_lerp(1.0, 3.0, t))


@pytest.mark.parametrize("module", ["recording_stream", "error_utils", "sorbet", "blueprint.api", "blueprint.views"])
def test_a_module_of_rerun_s_name_can_be_imported(module: str) -> None:
    assert importlib.import_module(f"rerund_sdk.{module}")


@pytest.mark.parametrize("module", ["rerund_sdk.datatypes", "rerund_sdk.blueprint.datatypes"])
def test_old_names_of_modules_warn(module: str) -> None:
    with pytest.warns(DeprecationWarning, match="is deprecated since 0.37: use"):
        assert importlib.reload(importlib.import_module(module))
    assert importlib.import_module(module).VisualizerComponentMapping if "blueprint" in module else True
