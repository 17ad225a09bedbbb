"""The benchmarks are programs, no package: their folder is where Python looks for their parts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "benchmarks"))
