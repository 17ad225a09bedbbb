"""What is kept between runs."""

from bindery.store.files import FileStore, StoredFile

__all__ = ["FileStore", "StoredFile"]
