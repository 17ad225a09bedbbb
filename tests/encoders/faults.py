"""An engine that fails in every way we could think of, and callers who check each of their answers.

`python -m tests.encoders.faults 10000` runs so many batches and prints what came of them.
"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import numpy as np

from bindery.encoders.pending import Cancellation
from bindery.encoders.scheduling import BatchRunner, Scheduler, Vectors
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Precision
from bindery.errors import Abandoned, EngineError, TextFailed

WIDTH = 3

# The first id of a text that the engine always fails on says how; others begin with their number.
RAISES, PANICS, NO_MEMORY, NAN, INFINITE, HANGS = range(1, 7)
BAD = (RAISES, PANICS, NO_MEMORY, NAN, INFINITE)
FIRST_NUMBER = 100


class PanicException(BaseException):
    """What an extension in Rust raises when it panics is no Exception."""


def text(number: int, length: int) -> Tokens:
    """A text of ``length`` tokens that begins with its number, or with how it is bad."""
    ids = np.arange(number, number + length, dtype=np.int32)
    return Tokens(ids, 0, 0, (0, length))


def expected(one: Tokens) -> list[float]:
    """What the engine and the function below make of a text."""
    return [float(one.ids[0]), float(one.ids[-1]), float(len(one))]


def ends(hidden: np.ndarray, mask: np.ndarray, texts: list[Tokens]) -> list[Vectors]:
    """The first and last token's value of each text, and how many tokens it has."""
    return [
        (np.array([*row[[0, len(one) - 1], 0], ones.sum()], np.float32),)
        for row, ones, one in zip(hidden, mask, texts, strict=True)
    ]


@dataclass
class FaultyEngine:
    """Hidden states are the ids; ``share`` of the batches fail, whatever is in them.

    A text is hit by such a fault once at most, so that it is not to blame. ``broken`` makes
    everything fail, ``hanging`` makes everything hang.
    """

    share: float = 0.0
    streams: int = 2
    batch_tokens: int = 1024
    precision: Precision = Precision.FLOAT32
    seed: int = 0
    broken: BaseException | None = None
    hanging: bool = False
    longest_s: float = 60.0
    runs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    released: threading.Event = field(default_factory=threading.Event)
    is_closed: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(self.seed)
        self._hit: set[int] = set()

    def hidden_states(self, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        with self._lock:
            self.runs += 1
            fault = self._fault(ids)
        if self.broken is not None:
            raise self.broken
        if self.hanging:
            self.hang()
        self._strike(ids)
        hidden = np.repeat(ids[:, :, None], WIDTH, axis=2).astype(np.float32)
        hidden[ids[:, 0] == NAN] = np.nan
        hidden[ids[:, 0] == INFINITE, -1] = np.inf
        hidden[ids[:, 0] == INFINITE, 0] = np.inf
        if fault is None:
            return hidden
        self.faults[fault.__name__] += 1
        return fault(hidden)

    hidden_states_quickly = hidden_states

    def close(self) -> None:
        self.is_closed = True

    def hang(self) -> None:
        self.faults["hung"] += 1
        self.released.wait(self.longest_s)

    def _strike(self, ids: np.ndarray) -> None:
        kinds = set(ids[:, 0].tolist())
        if RAISES in kinds:
            raise EngineError("a bad text")
        if PANICS in kinds:
            raise PanicException("a bad text")
        if NO_MEMORY in kinds:
            raise MemoryError
        if HANGS in kinds:
            self.hang()

    def _fault(self, ids: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
        numbers = {int(number) for number in ids[:, 0] if number >= FIRST_NUMBER}
        if self._chance.random() >= self.share or not numbers or numbers & self._hit:
            return None
        self._hit |= numbers
        return self._chance.choice(FAULTS)


def raises(hidden: np.ndarray) -> np.ndarray:
    raise EngineError("a fault")


def panics(hidden: np.ndarray) -> np.ndarray:
    raise PanicException


def leaves(hidden: np.ndarray) -> np.ndarray:
    raise SystemExit


def of_another_shape(hidden: np.ndarray) -> np.ndarray:
    return hidden[:, :-1]


def too_few(hidden: np.ndarray) -> np.ndarray:
    return hidden[1:]


def too_many(hidden: np.ndarray) -> np.ndarray:
    return np.concatenate([hidden, hidden])


def too_wide(hidden: np.ndarray) -> np.ndarray:
    return np.concatenate([hidden, hidden], axis=2)


def nothing(hidden: np.ndarray) -> np.ndarray:
    return None  # type: ignore[return-value]


def slow(hidden: np.ndarray) -> np.ndarray:
    time.sleep(0.02)
    return hidden


def kills_its_thread(hidden: np.ndarray) -> np.ndarray:
    """End the thread where nothing catches it: in our own code, once the batch has run."""

    def kill(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name == "_deliver":
            sys.setprofile(None)
            raise SystemExit

    sys.setprofile(kill)
    return hidden


FAULTS = (
    *(raises, panics, leaves, of_another_shape, too_few, too_many, too_wide, nothing),
    *(slow, kills_its_thread),
)


@dataclass
class Storm:
    """Callers at the same time, until the engine has run so many batches."""

    batches: int
    seed: int = 0
    hang_s: float = 1.5
    callers: int = 8
    hangs: int = 2
    asked: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = FaultyEngine(share=0.05, seed=self.seed, longest_s=3 * self.hang_s)
        self.scheduler = Scheduler(BatchRunner(self.engine, WIDTH), hang_s=self.hang_s)
        self._numbers = iter(range(FIRST_NUMBER, 10**9, 200))
        self._lock = threading.Lock()
        self._hangs_left = self.hangs

    def blow(self) -> None:
        threads = [
            threading.Thread(target=self._call, args=(random.Random(self.seed + caller),))
            for caller in range(self.callers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.engine.released.set()

    def _call(self, chance: random.Random) -> None:
        while self.engine.runs < self.batches and not self.wrong:
            count = chance.choice((1, 1, 2, 3, 8, 40))
            texts = [self._text(chance) for _ in range(count)]
            cancellation = Cancellation()
            future = self.scheduler.submit(texts, ends, cancellation)
            if chance.random() < 0.02:
                cancellation.cancel()
            error = future.exception(60)
            answer = None if error else future.result()
            if problem := self._problem(texts, answer, error, left=cancellation.is_cancelled):
                self.wrong.append(problem)

    def _text(self, chance: random.Random) -> Tokens:
        with self._lock:
            number = next(self._numbers)
            # At even distances, so that not all threads hang at the same time.
            hung = self.hangs - self._hangs_left
            due = self.engine.runs * (self.hangs + 1) > self.batches * (hung + 1)
            hangs = self._hangs_left > 0 and due
            self._hangs_left -= hangs
        number = HANGS if hangs else chance.choice(BAD) if chance.random() < 0.01 else number
        return text(number, chance.randint(1, 100))

    def _problem(
        self,
        texts: Sequence[Tokens],
        answer: list[Vectors] | None,
        error: BaseException | None,
        *,
        left: bool,
    ) -> str:
        bad = tuple(place for place, one in enumerate(texts) if one.ids[0] < FIRST_NUMBER)
        if left and isinstance(error, Abandoned):
            kind, is_right = "left", True
        elif bad:
            kind = "with bad texts"
            is_right = isinstance(error, TextFailed) and error.indices == bad
        else:
            kind = "good"
            is_right = answer is not None and [vector.tolist() for (vector,) in answer] == [
                expected(one) for one in texts
            ]
        with self._lock:
            self.asked[kind] += 1
            self.asked["texts"] += len(texts)
        return "" if is_right else f"{kind}: bad {bad}, got {error!r} for {len(texts)} texts"


def main() -> None:
    storm = Storm(int(sys.argv[1]) if sys.argv[1:] else 10_000, hangs=5)
    began = time.perf_counter()
    storm.blow()
    seconds = time.perf_counter() - began
    while storm.scheduler.figures().workers_hung:
        time.sleep(0.01)
    fault = storm.scheduler.fault
    figures = storm.scheduler.figures()
    storm.scheduler.close()
    time.sleep(0.1)
    sys.stdout.write(
        f"{storm.engine.runs} batches in {seconds:.1f} s; requests: {dict(storm.asked)}\n"
        f"faults of batches: {dict(storm.engine.faults)}\n"
        f"wrong answers: {storm.wrong or 'none'}; fault at the end: {fault}\n"
        f"threads left: {threading.active_count() - 1}\n{figures}\n"
    )


if __name__ == "__main__":
    main()
