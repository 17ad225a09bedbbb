"""Recognises the text of scanned pages (OCR) with the extra ``ocr``: RapidOCR on ONNX Runtime.

The models are part of its wheel, so nothing is downloaded. It is imported only when a page needs
it, which in the sandbox happens in the child, because its libraries start threads and threads do
not survive a fork.
"""

import importlib
import importlib.util
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bindery.documents.formats.page_layout import Line
from bindery.documents.readers import OCR_PACKAGE

MOST_PIXELS = 2_000
"""The longer side of a page for recognition: A4 at 170 dots per inch."""

_DETECTION_PIXELS = 960
"""The longer side of a page for finding lines.

With one thread and one line at a time, this fits into the sandbox's gigabyte (650 MB measured). At
full size it takes 1.5 GB and finds no more lines on a printed page.
"""

_MORE_TIME = 1.5
"""The next page may take this many times as long as the longest page so far."""

_OTHER_SIZE = 1.4

# One thread, because the sandbox allows no others. Only photographs need the text direction.
_SETTINGS: dict[str, object] = {
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Det.limit_type": "max",
    "Det.limit_side_len": _DETECTION_PIXELS,
    "Rec.rec_batch_num": 1,
    "Global.use_cls": False,
    "Global.log_level": "critical",
}


def is_installed() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec(OCR_PACKAGE) is not None


class Recogniser:
    """The loaded models, and the time left to use them."""

    def __init__(self) -> None:
        importlib.import_module("cv2").setNumThreads(0)
        self._models: Any = importlib.import_module(OCR_PACKAGE).RapidOCR(params=_SETTINGS)
        self._end = time.monotonic() + _seconds_left()
        self._longest_s = 0.0

    def has_time(self) -> bool:
        """Whether another page can be recognised before this process is stopped."""
        return time.monotonic() + _MORE_TIME * self._longest_s < self._end

    def lines(self, image: Any, points_per_pixel: float = 1.0) -> list[Line]:  # noqa: ANN401
        """The lines of an image (an array of rows, columns and blue, green, red), top to bottom."""
        start = time.monotonic()
        found = self._models(image)
        self._longest_s = max(self._longest_s, time.monotonic() - start)
        if found.txts is None:
            return []
        rows = _rows(map(_box, found.txts, found.boxes))
        usual = median(max(box.height for box in row) for row in rows)
        height = int(image.shape[0])
        return [_line(row, usual, height, points_per_pixel) for row in rows]


def warnings(done: str, left: str) -> list[str]:
    """Warnings about the pages that were recognised and those that were not for lack of time."""
    said: list[str] = []
    if done:
        said.append(f"The text of these pages was recognised (OCR) and may contain errors: {done}.")
    if left:
        said.append(
            f"These pages were not read, because recognising them (OCR) takes too long: {left}. "
            "Split the document, or allow more time."
        )
    return said


@dataclass(frozen=True, slots=True)
class _Box:
    """Words and their position, in pixels from the image's upper left corner."""

    text: str
    left: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def _box(text: str, corners: Any) -> _Box:  # noqa: ANN401 - an array of four points
    across, down = corners[:, 0], corners[:, 1]
    return _Box(text, float(across.min()), float(down.min()), float(down.max()))


def _rows(boxes: Iterable[_Box]) -> list[list[_Box]]:
    """The boxes from top to bottom, those of one row from left to right."""
    rows: list[list[_Box]] = []
    for box in sorted(boxes, key=lambda box: box.middle):
        if rows and box.middle < rows[-1][0].bottom and box.top < rows[-1][0].middle:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]


def _line(row: Sequence[_Box], usual: float, height: int, points_per_pixel: float) -> Line:
    # The height of a box varies with its letters; only a large difference is another font size.
    size = max(box.height for box in row)
    size = usual if 1 / _OTHER_SIZE < size / usual < _OTHER_SIZE else size
    middle = height - row[0].middle
    place = middle * points_per_pixel
    text = " ".join(box.text for box in row)
    return Line(text, place, place, middle / height, size * points_per_pixel)


def _seconds_left() -> float:
    """What is left of this process's time if it has a limit, as it does in the sandbox.

    The limit is on processor time, but the client's timeout is just as long.
    """
    try:
        import resource  # not on Windows
    except ImportError:
        return math.inf
    limit = resource.getrlimit(resource.RLIMIT_CPU)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit - 2 - time.process_time()
