"""What Chroma, Qdrant and LanceDB keep is imported; ``make test-readers`` has their libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.homes import home_with

ROOT = Path(__file__).parent.parent.parent
PACKAGES = sorted((ROOT / ".venv-stores").glob("lib/python3*/site-packages"))

pytestmark = pytest.mark.skipif(not PACKAGES, reason="make test-readers sets them up")


@pytest.mark.parametrize("store", ["chroma", "qdrant", "lancedb"])
def test_a_collection_is_made_of_another_store(store, minilm_folder, tmp_path):
    home = home_with(minilm_folder, tmp_path / "home")
    script = Path(__file__).with_name("import_from_store.py")
    ran = subprocess.run(
        [sys.executable, script, store, tmp_path / store, PACKAGES[0]],
        env={**os.environ, "BINDERY_HOME": str(home), "BINDERY_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["files"] == {str(n + 1): {"year": 2000 + n} for n in range(3)}
    assert found["hit"] == ["1", 1, "Oak lasts for centuries."]
    assert found["cosine"] == pytest.approx(0.8, abs=0.2)
