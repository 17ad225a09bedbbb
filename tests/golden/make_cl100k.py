"""Writes ``cl100k.json``: texts, and the ids that tiktoken makes of them.

    python3.11 -m venv cl100k && cl100k/bin/pip install tiktoken==0.14.0
    cl100k/bin/python make_cl100k.py

tiktoken fetches its table, once; TIKTOKEN_CACHE_DIR names a folder that has it.
"""

import json
from importlib.metadata import version
from pathlib import Path

import tiktoken

TEXTS = {
    "empty": "",
    "plain": "Loose paper is fragile and gets lost. Bound, it has a place on a shelf.",
    "blanks": "  two\n\n\tlines \r\n  and   more ",
    "scripts": "naïve façade, 装丁の本, كتاب مجلد, Книга, βιβλίο, किताब",
    "emoji": "👩‍👩‍👧 🙂🏽 🇩🇪 ﷽",
    "code": "def f(x: int) -> int:\n    return x ** 2  # squares\n",
    "special": "a <|endoftext|> in the text",
    "controls": "\x00\x01\x7f\u200b\ufeff",
    "numbers": "3.14159 1,000,000 0x7f 12345678901234567890",
}


def main() -> None:
    """Write the file beside this one."""
    encoding = tiktoken.get_encoding("cl100k_base")
    found = {
        name: {"text": text, "ids": encoding.encode(text, disallowed_special=())}
        for name, text in TEXTS.items()
    }
    text = "one<|endoftext|>two<|endofprompt|>"
    found["special ids"] = {"text": text, "ids": encoding.encode(text, allowed_special="all")}
    golden = {"tiktoken": version("tiktoken"), "texts": found}
    path = Path(__file__).parent / "cl100k.json"
    path.write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
