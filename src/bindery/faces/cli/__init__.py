"""The command line: ``app`` declares the commands, and a module for each does the work."""

import io
import os
import sys


def main() -> None:
    """Run the command that the process was started with, and exit with its code."""
    leave_cores_to_the_engine()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console may lack a character: CP1252 on Windows, ASCII with LANG=C.
            stream.reconfigure(errors="replace")
    try:
        from bindery.faces.cli.app import app

        app(prog_name="bindery")
    except KeyboardInterrupt:  # while still importing
        sys.exit(130)


def leave_cores_to_the_engine() -> None:
    """Limit NumPy's matrix products to one thread, unless the user has set another number.

    After a product on several threads, OpenBLAS lets its threads spin, and they compete with the
    engine for the cores. On two cores this costs a quarter of the throughput of ColBERTv2, and a
    query of all-MiniLM takes 3.5 ms instead of 2.6. The variable is only read when NumPy is loaded.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
