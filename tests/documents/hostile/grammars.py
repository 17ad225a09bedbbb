"""Grammars that misbehave in place of good ones, as :mod:`misbehaving` does in place of a reader.

The sandbox's tests install it by an entry point, so that it is imported where grammars are used.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from misbehaving import _DEEDS, ROW

_DEEDS_OF = {
    "go": ("crash", ""),
    "java": ("processor", ""),
    "rust": ("memory", ""),
    "c": ("leave", ""),
    "cpp": ("lie", '{"points": [[3, 1]]}'),
    "bash": ("lie", '{"error": "internal_error", "message": "m", "remedy": "r"}'),
}
for _language, (_deed, _given) in _DEEDS_OF.items():
    _module = ModuleType(f"tree_sitter_{_language}")
    _module.__spec__ = ModuleSpec(_module.__name__, None)
    _module.language = lambda deed=_deed, given=_given: _DEEDS[deed](given)
    sys.modules[_module.__name__] = _module

__all__ = ["ROW"]
