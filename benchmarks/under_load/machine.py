"""Which cores are the server's and which the generator's."""
# pyright: basic

import os
from collections.abc import Sequence


def apart() -> tuple[Sequence[int], Sequence[int]]:
    """Cores of the server, and the one of the generators; the same one where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[:-1] or cores, cores[-1:]
