"""Phrases that are hard to read do not come back: in code, documentation and messages.

A pattern is listed only if it is nearly always wrong. CONTRIBUTING.md has the style in short.
"""

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "docs", "benchmarks", "ops")
ENDINGS = (".py", ".md", ".toml", ".yml", ".yaml")
FILES = sorted(
    [path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.suffix in ENDINGS]
    + [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")]
)

PHRASES: Mapping[str, str] = {
    r"\bRaises\b[^.\n]*\bwhere\b": 'write "if"',
    r"\b(None|empty|zero|nothing|False|True) where\b": 'write "if"',
    r"\bwhere (there|none|no|nothing) (is|are|was|were|has)\b": 'write "if there is none"',
    r"(^|[.:;] )Where (there|no|none|nothing|several)\b": 'write "if"',
    r"(?<!there )\b(is|are) none\b": "say what is wrong",
    r"\bso many\b": "name the number",
    r"\btells? of\b": "write that it reports or describes",
    r"\b(bears?|bore) (an?|its|the|no)\b": 'write "has"',
    r"\blest\b": 'write "so that ... not"',
    r"\bwhose are\b": "say who owns it",
    r"(^|[.:;\"] ?)Who (asks|does|wants|sends|gives|reads|calls)\b": "name the client or caller",
    r"\bcannot be had\b": 'write "is not available"',
    r"\bgo(es)? by (that|the|its|an?) (name|id)\b": 'write "has the name"',
    r"\banew\b": 'write "again"',
    r"\bby lot\b": 'write "at random"',
    r"\bis no (kind|setting|number|name|key) of\b": 'write "is not"',
    r"\bas far as (it is|they are) there\b": 'write "those that exist"',
    r"\b(there|where)(of|in|by|upon)\b|\b[tw]hence\b": "use a modern word",
    r"\b(hence|ere|albeit|whilst|amongst|upon|unto|shall)\b": "use a modern word",
    r"\bin vain\b": 'write "without success"',
    r"\ba content\b": 'write "the content of a file"',
    r"\b(comes|came) of\b": 'write "the result"',
    r"\bthere already\b": 'write "already exists"',
    r"\bwhat there is\b": "name the things",
    r"\b(knows?|knew) of\b": 'write "knows" or "takes into account"',
    r"\bso called\b": "name the thing",
    r"\bgo(es)? on where\b": 'write "resumes"',
    r"\bonce all of it is there\b": 'write "when it is complete"',
    r"\b(an?|its) [a-z]+ of (its|their) own, (in|which)\b": 'write "its own" or "separate"',
    r"\b(is|are) told (that|what|why|of|when)\b": 'write "gets an error" or "is informed"',
    r"(^|[.;] )(Were|Had|Should) (it|they|there|the|a|an)\b": 'write "if"',
    r"\bcan ?not but\b": 'write "must"',
    r"\b(by|to) (itself|themselves) alone\b": 'write "only"',
}


def offences() -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}: {advice}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for phrase, advice in PHRASES.items()
        for match in [re.search(phrase, line)]
        if match
    ]


def test_there_is_something_to_read() -> None:
    assert ROOT / "src" / "bindery" / "errors.py" in FILES
    assert len(FILES) > 200


def test_no_file_uses_phrases_that_are_hard_to_read() -> None:
    found = offences()

    assert not found, "\n".join(found)
