"""Callers who take turns."""

from bindery.encoders.scheduling.calls import Batch, Call, Text
from bindery.encoders.scheduling.padding import batch_size


class FairQueue:
    """Calls in the order in which they would be done if all ran at once, each at an equal share.

    So a short one does not wait for ten thousand chunks, and of equal ones the first is done first:
    were they truly run side by side, all would be done at the end, and too late. The clock says how
    far each share has come; it moves on with every batch, so none waits for ever, however many join
    after it.

    Demers et al., 1989, Analysis and Simulation of a Fair Queueing Algorithm, section 2.
    """

    def __init__(self, batch_tokens: int) -> None:
        self.calls: list[Call] = []
        self._batch_tokens = batch_tokens
        self._clock = 0.0

    def add(self, call: Call) -> None:
        """Let a call take its turns."""
        call.turn = self._clock + call.padded_tokens
        self.calls.append(call)

    def remove(self, call: Call) -> None:
        """Let it take no more."""
        if call in self.calls:
            self.calls.remove(call)

    def take(self) -> Batch:
        """The next batch: the longest texts of the call whose turn it is, and others like them.

        Long ones first, so that the last batches are short ones and the workers end together. There
        must be a call.
        """
        first = min(self.calls, key=_turn)
        length = max(first.waiting)
        alike = [
            call
            for call in self.calls
            if length in call.waiting and call is not first and call.readout == first.readout
        ]
        alike.sort(key=_turn)
        waiting = sum(len(call.waiting[length]) for call in (first, *alike))
        size = batch_size(length, waiting, self._batch_tokens)
        self._clock += length * size / len(self.calls)
        texts: list[Text] = []
        for call in (first, *alike):
            texts += self._texts(call, length, size - len(texts))
        return Batch(tuple(texts), length, first.readout)

    def _texts(self, call: Call, length: int, most: int) -> list[Text]:
        waiting = call.waiting[length]
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        if not waiting:
            del call.waiting[length]
        if not call.waiting:
            self.calls.remove(call)
        return taken


def _turn(call: Call) -> float:
    return call.turn
