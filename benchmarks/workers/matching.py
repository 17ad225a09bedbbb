"""What the workers that search by words share: the texts, in the protocol of ``finding.py``."""
# pyright: basic, reportMissingImports=false

import json
from pathlib import Path


def read_texts(folder: Path) -> tuple[list[str], list[str]]:
    """The pieces to index and the questions."""
    return tuple(
        json.loads((folder / f"{name}.json").read_text()) for name in ("pieces", "questions")
    )
