"""OpenVINO, imported in the one way that reports nothing to anybody.

``import openvino`` loads its conversion tools, which send an event to Google Analytics through the
package openvino-telemetry, asked or not. Where that package cannot be imported they use a stub, so
it is kept from being found while they load. Every engine takes OpenVINO from here.
"""

import sys
from types import ModuleType
from typing import Any, TypeAlias

_TELEMETRY = "openvino_telemetry"


def _import_silently() -> tuple[ModuleType, ModuleType]:
    modules: dict[str, Any] = sys.modules
    found = modules.get(_TELEMETRY)
    modules[_TELEMETRY] = None  # an import of it now raises ModuleNotFoundError
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
"""An openvino.Model: operators and weights, not compiled yet."""

Node: TypeAlias = Any
"""An openvino.Node: one operator, or what comes out of it."""
