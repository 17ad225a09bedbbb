"""The command line: ``app`` says what each command takes, and a file of its own what it does."""

import sys


def main() -> None:
    """Run the command that the process was started with, and exit with its code."""
    try:
        from bindery.faces.cli.app import app

        app(prog_name="bindery")
    except KeyboardInterrupt:  # while still importing
        sys.exit(130)
