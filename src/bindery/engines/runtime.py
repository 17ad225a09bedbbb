"""Import OpenVINO without its telemetry.

``import openvino`` loads its conversion tools, which always send an event to Google Analytics
through the package openvino-telemetry. If that package cannot be imported they use a stub, so it is
hidden while they load. Every engine imports OpenVINO from here.
"""

import sys
from types import ModuleType
from typing import Any, TypeAlias

_TELEMETRY = "openvino_telemetry"


def _import_silently() -> tuple[ModuleType, ModuleType]:
    modules: dict[str, Any] = sys.modules
    found = modules.get(_TELEMETRY)
    modules[_TELEMETRY] = None  # importing it now raises ModuleNotFoundError
    try:
        import openvino
        from openvino import opset13
    finally:
        del modules[_TELEMETRY]
        if found is not None:
            modules[_TELEMETRY] = found
    return openvino, opset13


_openvino, _operators = _import_silently()

# Any, because the annotations of OpenVINO leave much unknown or wrong.
ov: Any = _openvino
op: Any = _operators

Core: TypeAlias = Any
CompiledModel: TypeAlias = Any
Graph: TypeAlias = Any
"""An openvino.Model: operators and weights, before compilation."""

Node: TypeAlias = Any
"""An openvino.Node: one operator, or its output."""
