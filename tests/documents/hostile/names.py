"""Names of files that are no names of files."""

import random
from collections.abc import Iterator, Sequence
from itertools import islice

_PARTS = (
    *("..", ".", "...", "%2e%2e", "%252e%252e", "..%2f", "..%5c", "%c0%ae%c0%ae", "..\\", "..//"),
    *("/", "\\", "\\\\", "//", "%2f", "\u2215", "\uff0f", "\u29f5"),
    *("\0", "\0.txt", "%00", "\n", "\r\n", "\t", "\x1b[2J", "\x7f", " ", "\u00a0", "\u3000"),
    *("CON", "NUL", "COM1", "aux.txt", "LPT1.", "PRN:", "C:", "C:\\Windows\\win.ini", "c:file"),
    *("\\\\host\\share\\file", "//host/share", "\\\\?\\C:\\", "file:///etc/passwd", "~", "~root"),
    *(
        "\u202egpj.exe",
        "\u200b",
        "\ufeff",
        "\u2028",
        "e\u0301" * 9,
        "\U0001f4a9",
        "\ud800",
        "\udcff",
    ),
    *("etc/passwd", ".ssh/authorized_keys", ".bashrc", "files", "__init__.py", ".git/config"),
    *("-rf", "--help", "$(id)", "`id`", ";id", "|id", "%s%n", "{0}", "{{7*7}}", "'\"<>&", "*", "?"),
    *("x" * 255, "x" * 4096, "a.txt", ".txt", "x.docx", "index.html", "$DATA", ":$DATA", "a:b"),
)


def hostile_names(count: int, outside: Sequence[str] = (), seed: int = 5) -> Iterator[str]:
    """Each part alone, each below folders that exist (``outside``), then parts put together."""
    chance = random.Random(seed)
    yield from islice(_PARTS, count)
    made = len(_PARTS)
    for folder in outside:
        for part in (f"{folder}/evil", f"..{folder}/evil", f"file://{folder}/evil"):
            made += 1
            yield part
    for _ in range(count - made):
        pieces = chance.choices([*_PARTS, *outside], k=chance.randint(2, 6))
        yield chance.choice(("", "/", "\\")).join(pieces)
