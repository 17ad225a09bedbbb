"""The command line as a process of its own."""

import sys

BINDERY = (sys.executable, "-c", "from bindery.faces.cli import main; main()")
