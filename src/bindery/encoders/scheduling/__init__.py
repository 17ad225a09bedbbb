"""One queue per model: texts of all callers, run in small batches of like length.

``queue`` decides what runs next, without threads or a clock; ``scheduler`` runs it.
"""

from bindery.encoders.scheduling.body import BatchRunner
from bindery.encoders.scheduling.calls import Readout, Vectors
from bindery.encoders.scheduling.padding import Ids, padded, padded_length
from bindery.encoders.scheduling.scheduler import Scheduler

__all__ = ["BatchRunner", "Ids", "Readout", "Scheduler", "Vectors", "padded", "padded_length"]
