"""The SDK of rerund: `import rerund_sdk as rr`.

    rr.init("my_robot")
    rr.connect()                       # or rr.spawn(), rr.serve(), rr.save("run.rrd")
    rr.set_time("frame", sequence=42)
    rr.log("arm/joint1", rr.Scalars(0.5))

Names, arguments and meaning are those of Rerun's Python SDK 0.41, and some are ours. They are listed in `__init__.pyi`;
what a program may not need is loaded when it first asks for it.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import lazy_loader

from rerund_sdk.version import version as version  # not the module of that name

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
# lazy_loader makes it a class of its own, which cloudpickle can't send: no function that says `rr` would reach a worker
sys.modules[__name__].__class__ = types.ModuleType


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = _load(name)
    return value
