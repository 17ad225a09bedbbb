"""What is kept between runs."""

from bindery.store.files import FileStore, StoredFile
from bindery.store.rotations import RotationStore

__all__ = ["FileStore", "RotationStore", "StoredFile"]
