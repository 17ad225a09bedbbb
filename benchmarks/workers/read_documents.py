"""Read documents with one library, in the environment of that library.

``read_documents.py LIBRARY ROUNDS FILE...`` writes one line of JSON for each file: its text or
the kind of the error, and the seconds of each round.
"""
# pyright: basic

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path


def _bindery() -> Callable[[Path], str]:
    from bindery.documents import read

    return lambda path: read(path.read_bytes(), path.name).text


def _bindery_in_sandbox() -> Callable[[Path], str]:
    from bindery.documents import parse

    return lambda path: parse(path, path.name).text


def _kreuzberg() -> Callable[[Path], str]:
    from kreuzberg import ExtractionConfig, extract_file_sync

    # Its cache would turn the second round into a lookup.
    config = ExtractionConfig(use_cache=False)
    return lambda path: extract_file_sync(str(path), config=config).content


def _markitdown() -> Callable[[Path], str]:
    from markitdown import MarkItDown

    converter = MarkItDown()
    return lambda path: converter.convert(str(path)).text_content


LIBRARIES = {
    "bindery": _bindery,
    "bindery in its sandbox": _bindery_in_sandbox,
    "kreuzberg": _kreuzberg,
    "markitdown": _markitdown,
}


def main() -> None:
    """Read every file in every round."""
    library, rounds, *files = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable()
    read = LIBRARIES[library]()
    for file in map(Path, files):
        text, error, seconds = "", "", []
        for _ in range(int(rounds)):
            start = time.perf_counter()
            try:
                text = read(file)
            except Exception as problem:  # noqa: BLE001 - each library has errors of its own
                error = type(problem).__name__
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"file": file.name, "text": text, "error": error, "seconds": seconds}))


if __name__ == "__main__":
    main()
