"""Write the self-test's known answers for all-MiniLM from the golden file beside this script.

    python make_known.py > ../../src/bindery/encoders/known/vanilla.json

Needs NumPy alone; the vectors are the reference implementation's.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
from texts import TEXTS

_CHOSEN = ("plain", "accents composed", "japanese")


def main() -> None:
    golden = np.load(Path(__file__).parent / "all-minilm-l6-v2.npz")
    names = list(TEXTS)
    answers = []
    for name in _CHOSEN:
        place = names.index(name)
        start, end = golden["offsets"][place : place + 2]
        answers.append(
            {
                "text": TEXTS[name],
                "role": "document",
                "token_ids": golden["ids"][start:end].tolist(),
                "vector": base64.b64encode(
                    golden["vectors"][place].astype("<f4").tobytes()
                ).decode(),
            }
        )
    json.dump({"made_by": "sentence-transformers 6.2.0", "answers": answers}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
