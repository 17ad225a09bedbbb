"""The command line: ``app`` says what each command takes, and a file of its own what it does."""

import os
import sys


def main() -> None:
    """Run the command that the process was started with, and exit with its code."""
    leave_cores_to_the_engine()
    try:
        from bindery.faces.cli.app import app

        app(prog_name="bindery")
    except KeyboardInterrupt:  # while still importing
        sys.exit(130)


def leave_cores_to_the_engine() -> None:
    """Keep NumPy's products on one thread, unless the user says otherwise.

    After a product on several threads OpenBLAS keeps its threads spinning in wait for the next, and
    the engine shares the cores with them. On two cores that costs a quarter of the throughput of
    ColBERTv2's size, and a quarter of the time of all-MiniLM's query (3.5 ms for 2.6). The variable
    counts before NumPy is loaded alone.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
