"""Uploads of processes that were killed go away; those of others that run stay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bindery.library import Library

UPLOADING = """
import sys
from pathlib import Path
from bindery.library import Library
with Library(Path(sys.argv[1])).files.receive(limit_bytes=1 << 20) as incoming:
    incoming.write(b"half of it")
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there, after a day")
def test_a_cut_upload_is_swept_but_not_one_that_runs(tmp_path: Path) -> None:
    files = Library(tmp_path).files
    command = [sys.executable, "-c", UPLOADING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"writing\n"
        [upload] = (tmp_path / "files" / "incoming").iterdir()
        os.utime(upload, (0, upload.stat().st_mtime - 60))
        files.sweep()
        assert upload.exists()
        process.send_signal(signal.SIGKILL)
    files.sweep()
    assert not upload.exists()
