"""One queue per model: texts of all callers, run in small batches of similar length.

``queue`` decides what runs next, without threads or a clock; ``scheduler`` runs it.
"""

from bindery.encoders.scheduling.calls import BatchRunner, Ids, Readout, Vectors, padded_length
from bindery.encoders.scheduling.scheduler import Scheduler

__all__ = ["BatchRunner", "Ids", "Readout", "Scheduler", "Vectors", "padded_length"]
