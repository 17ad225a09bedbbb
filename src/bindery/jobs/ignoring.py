"""Which files of a folder are left out: a list of ours, and `.binderyignore` in gitignore's syntax.

See https://git-scm.com/docs/gitignore. A file in a subfolder holds for what is below it, and comes
after those above it. Nothing below a folder that is left out can be included again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NAME = ".binderyignore"

_USUAL = r"""
.git
.hg
.svn
.venv
node_modules
__pycache__
.env
.env.*
.DS_Store
Thumbs.db
.binderyignore
*.crdownload
*.download
*.part
*.partial
*.tmp
*.swp
*.swx
*~
~$*
.~lock.*#
"""
"""Version control, packages, secrets, and files that are still being written."""

_TOKEN = re.compile(r"\\(.)|(\*+)|(\?)|\[([!^]?)(\]?(?:\\.|[^\]])*)\]|(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    leaves_out: bool
    is_of_folders: bool


class IgnoreRules:
    """The rules of a folder and its subfolders, which are read when they are first needed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rules: dict[PurePosixPath, Sequence[_Rule]] = {}
        self._usual = _rules(_USUAL)

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path in the root is left out. Its folders are not."""
        name = PurePosixPath(path)
        last = _last(self._usual, path, is_folder=is_folder)
        for folder in reversed(name.parents):
            inner = str(name.relative_to(folder))
            found = _last(self._of(folder), inner, is_folder=is_folder)
            last = last if found is None else found
        return bool(last)

    def _of(self, folder: PurePosixPath) -> Sequence[_Rule]:
        if folder not in self._rules:
            try:
                text = (self._root / folder / NAME).read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError):  # there is none
                text = ""
            self._rules[folder] = _rules(text)
        return self._rules[folder]


def _last(rules: Sequence[_Rule], path: str, *, is_folder: bool) -> bool | None:
    """What the last rule that fits says; None if none fits."""
    for rule in reversed(rules):
        if (is_folder or not rule.is_of_folders) and rule.pattern.fullmatch(path):
            return rule.leaves_out
    return None


def _rules(text: str) -> list[_Rule]:
    return [rule for line in text.splitlines() if (rule := _rule(line)) is not None]


def _rule(line: str) -> _Rule | None:
    line = re.sub(r"(?<!\\) +$", "", line)
    if not line or line.startswith("#"):
        return None
    leaves_out = not line.startswith("!")
    line = line.removeprefix("!")
    is_of_folders = line.endswith("/")
    line = line.removesuffix("/")
    # A pattern with a slash begins at the folder of its file; others fit names at any depth.
    begin = "" if "/" in line else "(?:.*/)?"
    try:
        pattern = re.compile(begin + _expression(line.removeprefix("/")), re.DOTALL)
    except re.error:  # such as a class whose ends are the wrong way round: git ignores it too
        return None
    return _Rule(pattern, leaves_out, is_of_folders)


def _expression(glob: str) -> str:
    """The regular expression of a pattern without a slash at its ends."""
    if glob.startswith("**/"):
        return "(?:.*/)?" + _expression(glob[3:])
    if glob.endswith("/**"):
        return _expression(glob[:-3]) + "/.*"
    if "/**/" in glob:
        begin, _, end = glob.partition("/**/")
        return f"{_expression(begin)}/(?:.*/)?{_expression(end)}"
    made = ""
    for escaped, stars, mark, negation, members, other in _TOKEN.findall(glob):
        if stars:
            made += "[^/]*"
        elif mark:
            made += "[^/]"
        elif members:
            inside = members.replace("[", r"\[").replace("&&", r"\&&").replace("]", r"\]")
            made += f"(?!/)[{'^' if negation else ''}{inside}]"
        else:
            made += re.escape(escaped or other)
    return made
