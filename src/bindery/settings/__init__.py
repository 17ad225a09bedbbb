"""Settings, read once by a face and passed down; nothing else reads the environment."""

from bindery.settings.fields import FIELDS, GROUPS, VARIABLES, Field, Settings
from bindery.settings.reading import (
    Found,
    find_settings,
    misspelt,
    read_keys,
    read_settings,
    take_settings,
)

__all__ = [
    "FIELDS",
    "GROUPS",
    "VARIABLES",
    "Field",
    "Found",
    "Settings",
    "find_settings",
    "misspelt",
    "read_keys",
    "read_settings",
    "take_settings",
]
