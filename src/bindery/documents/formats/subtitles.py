"""Subtitles (WebVTT and SubRip): what is said, without times and styles."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bindery.documents.formats.builder import DocumentBuilder
from bindery.documents.formats.encoding import decode
from bindery.types import Document

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]{1,80})>")
_TAG = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,80}\}")

_SETTINGS = re.compile(r"(?:kind|language)\s*:", re.IGNORECASE)
_PAUSE_S = 2.0
"""Seconds without words that begin a paragraph."""

_LONGEST = 600
"""Characters after which a paragraph ends with the next sentence, if nobody pauses."""


@dataclass(frozen=True, slots=True)
class _Cue:
    start_s: float
    end_s: float
    speaker: str
    lines: tuple[str, ...]


def read_vtt(data: bytes, name: str) -> Document:
    """Read WebVTT (https://www.w3.org/TR/webvtt1/): cues, without notes, styles and regions."""
    return _read(data, "vtt", name)


def read_srt(data: bytes, name: str) -> Document:
    """Read SubRip: numbered cues with times."""
    return _read(data, "srt", name)


def _read(data: bytes, kind: str, name: str) -> Document:
    """Join cues into paragraphs: a pause or another speaker begins a new one."""
    decoded = decode(data)
    builder = DocumentBuilder()
    first = decoded.text.partition("\n")[0].removeprefix("\ufeff")
    title = first[6:].strip(" -\t") if first.startswith("WEBVTT") else ""
    title = "" if _SETTINGS.match(title) else title
    paragraph: list[str] = []
    end_s, speaker = 0.0, ""
    for cue in _cues(decoded.text):
        is_full = sum(map(len, paragraph)) > _LONGEST and paragraph[-1].endswith((".", "!", "?"))
        if paragraph and (cue.start_s - end_s >= _PAUSE_S or cue.speaker != speaker or is_full):
            builder.add("\n".join(paragraph))
            paragraph = []
        # Rolling captions repeat the last lines of the cue before.
        fresh = [line for line in cue.lines if line not in paragraph[-2:]]
        if cue.speaker and not paragraph and fresh:
            fresh[0] = f"{cue.speaker}: {fresh[0]}"
        paragraph += fresh
        end_s, speaker = cue.end_s, cue.speaker
    builder.add("\n".join(paragraph))
    return builder.document(kind, name, decoded.warnings, title=title)


def _cues(text: str) -> Iterator[_Cue]:
    """The cues in order. What comes before the first times of a block is its number or a note."""
    for block in re.split(r"\n[ \t]*\n", text):
        lines = block.split("\n")
        for place, line in enumerate(lines):
            if found := _TIMES.match(line):
                body = "\n".join(lines[place + 1 :])
                voice = _VOICE.search(body)
                shown = [html.unescape(_TAG.sub("", each)).strip() for each in body.split("\n")]
                yield _Cue(
                    _seconds(found.groups()[:4]),
                    _seconds(found.groups()[4:]),
                    html.unescape(voice[1].strip()) if voice else "",
                    tuple(each for each in shown if each),
                )
                break


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
