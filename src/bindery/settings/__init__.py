"""Settings: read once by a face and passed down. Nothing else reads the environment."""

from bindery.settings.fields import FIELDS, GROUPS, VARIABLES, Field, Settings
from bindery.settings.reading import (
    Found,
    find_settings,
    read_keys,
    read_settings,
    take_settings,
    unknown_variables,
)

__all__ = [
    "FIELDS",
    "GROUPS",
    "VARIABLES",
    "Field",
    "Found",
    "Settings",
    "find_settings",
    "read_keys",
    "read_settings",
    "take_settings",
    "unknown_variables",
]
