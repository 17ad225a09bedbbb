"""How soon a file that is added is found, and one that is removed is not, in both legs."""
# pyright: basic

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bindery.library import Library
from bindery.options import SearchMode
from bindery.workspace import Workspace

COLLECTION = "bench"
_OTHER = "before"


def fill(home: Path, texts: list[str]) -> None:
    """Add the texts, a file each, to the collection of a home, if it is not there."""
    with Workspace(Library(home)) as workspace:
        if workspace.collections.find(COLLECTION) is not None:
            return
        folder = home / "texts"
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{number:05}.txt").write_text(text, encoding="utf-8")
        print(f"Adding {len(texts)} files", flush=True)
        workspace.add([folder], COLLECTION)


def measure(home: Path, folder: Path, *, rounds: int) -> dict[str, Any]:
    """Milliseconds of adding a file whose vectors are there, and of removing it.

    The vectors are there because another collection has the same text: what is left is to read,
    cut and place the file. ``seen`` is the time from then until both legs have found it, ``gone``
    that from the start of the removal until neither does.
    """
    times: dict[str, list[float]] = {}
    with Workspace(Library(home)) as workspace:
        for number in range(rounds + 1):
            figures = _one_file(workspace, folder / f"new-{number}.txt", number)
            if number:  # the first one loads the model
                for key, value in figures.items():
                    times.setdefault(key, []).append(value)
    print(json.dumps(times), flush=True)
    return {f"{key}_p50_ms": float(np.median(values)) for key, values in times.items()}


def _one_file(workspace: Workspace, path: Path, number: int) -> dict[str, float]:
    text = f"Quokka number {number} sits on rooftop {number * 7 % 100}"
    path.write_text(text, encoding="utf-8")
    workspace.add([path], _OTHER)

    def find() -> list[bool]:
        modes = (SearchMode.LEXICAL, SearchMode.DENSE)
        answers = [workspace.search(text, COLLECTION, mode=mode, top=3) for mode in modes]
        return [any(text == hit.text for hit in one.hits) for one in answers]

    def remove() -> list[bool]:
        workspace.collections.get(COLLECTION).remove([path.name])
        return find()

    find()  # the query's vector is cached from here on
    return {
        "search": _ms(find, [False, False]),
        "add": _ms(lambda: workspace.add([path], COLLECTION)),
        "seen": _ms(find, [True, True]),
        "gone": _ms(remove, [False, False]),
    }


def _ms(call: Callable[[], Any], expected: list[bool] | None = None) -> float:
    started = time.perf_counter()
    answer = call()
    seconds = time.perf_counter() - started
    assert expected is None or answer == expected, (answer, expected)
    return seconds * 1e3
