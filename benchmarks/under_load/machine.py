"""How cores are divided between server and generator."""
# pyright: basic

import os
from collections.abc import Sequence


def apart() -> tuple[Sequence[int], Sequence[int]]:
    """Cores of the server, and the core of the generators; the same if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[:-1] or cores, cores[-1:]
