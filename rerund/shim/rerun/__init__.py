"""In place of Rerun's SDK: `import rerun` gives rerund_sdk, and `import rerun.x` gives rerund_sdk.x, the same objects.

`rerund exec` puts this package before all others; no file of Rerun's is loaded, whether it is installed or not.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_RENAMED = {
    "rerun.any_batch_value": "rerund_sdk.any_value",
    "rerun.chunk": "rerund_sdk.arrow_chunk",
    "rerun.dynamic_archetype": "rerund_sdk.any_value",
    "rerun.web": "rerund_sdk.modes",
}
_NOT_OFFERED = ("rerun.auth", "rerun.catalog", "rerun.server", "rerun.urdf")  # of Rerun's own services and formats


class _Finder(MetaPathFinder):
    """Finds `rerun.x` where rerund_sdk.x is."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name == "rerun.__main__":  # `python -m rerun FILE.rrd` is ours too
            return importlib.util.spec_from_file_location(name, Path(__file__).with_name("__main__.py"))
        if not name.startswith("rerun."):
            return None
        ours = importlib.util.find_spec(_RENAMED.get(name) or f"rerund_sdk.{name.removeprefix('rerun.')}")
        if ours is None and name in _NOT_OFFERED:
            raise ModuleNotFoundError(
                f"rerund has nothing in place of {name}: run this program without rerund", name=name
            )
        if ours is None:
            return None
        return ModuleSpec(name, _Alias(ours.name), is_package=ours.submodule_search_locations is not None)


class _Alias(Loader):
    """Gives an existing module a second name, instead of loading it a second time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, _: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import machinery had put the alias's in its place


try:
    _sdk = importlib.import_module("rerund_sdk")
except ModuleNotFoundError as error:
    if error.name != "rerund_sdk":
        raise
    raise ImportError(
        f"rerund exec: this Python has no rerund_sdk: install it with `{sys.executable} -m pip install rerund`"
    ) from error

sys.meta_path.insert(0, _Finder())
sys.modules[__name__] = _sdk
