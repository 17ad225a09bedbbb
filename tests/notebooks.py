"""The notebooks of the manual: run without Jupyter, in one process each, as a reader would.

``python -m tests.notebooks`` runs all, and writes what their cells show into them.
"""

import ast
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"


def run(path: Path) -> list[list[dict[str, Any]]]:
    """The outputs of each code cell, in the format of notebooks."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "__main__"}
    os.chdir(path.parent)
    return [
        _run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"
    ]


def _run_cell(source: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    value = None
    printed = StringIO()
    with redirect_stdout(printed):
        if isinstance(last, ast.Expr):
            head, tail = ast.Module(tree.body[:-1], []), ast.Expression(last.value)
            exec(compile(head, "cell", "exec"), names)
            value = eval(compile(tail, "cell", "eval"), names)
        else:
            exec(compile(tree, "cell", "exec"), names)
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": text})
    if value is not None:
        data = {"text/plain": repr(value)[:2000]}
        shows: Callable[[], str] | None = getattr(value, "_repr_html_", None)
        if shows is not None:
            data["text/html"] = shows()
        outputs.append({"output_type": "display_data", "metadata": {}, "data": data})
    return outputs


def write(path: Path) -> None:
    """Write what the cells show into the notebook."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    shown = iter(run(path))
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            cell["outputs"] = next(shown)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for given in sys.argv[1:] or sorted(FOLDER.glob("*.ipynb")):
        write(Path(given).absolute())
