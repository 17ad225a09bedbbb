"""One queue per model: texts of all callers, run in small batches of like length.

``queue`` decides what runs next, without threads or a clock; ``scheduler`` runs it.
"""

from bindery.encoders.scheduling.body import Body
from bindery.encoders.scheduling.calls import Finish, Vectors
from bindery.encoders.scheduling.padding import Ids, padded, padded_length
from bindery.encoders.scheduling.scheduler import Scheduler

__all__ = ["Body", "Finish", "Ids", "Scheduler", "Vectors", "padded", "padded_length"]
