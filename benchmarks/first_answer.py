"""How long four new users take from a clone to their first answer, step by step.

    python benchmarks/first_answer.py --documents FOLDER [--commit COMMIT] [--out FILE]

Each user gets a clone, a home and an environment of their own. The caches of pip and uv are those
of this machine. The time that people read and think is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLONE = ("clone", "git clone --quiet {root} {clone} && git -C {clone} checkout --quiet {commit}")
INSTALL = ("install and fetch the model", "make --silent preload")
ASK = "bindery search 'What is the invoice number?' --top 1"
USERS = {
    "RAG developer": [
        CLONE,
        INSTALL,
        ("add a folder", "bindery add {documents}"),
        (
            "first answer, in Python",
            'python -c "import bindery; w = bindery.open();'
            "print(w.search('What is the invoice number?').hits[0].text)\"",
        ),
    ],
    "data person": [
        CLONE,
        INSTALL,
        ("embed a folder to Parquet", "bindery embed {documents} --out vectors.parquet"),
        (
            "first look at the vectors",
            'python -c "from bindery import vectors; import bindery.vectors.reading as r;'
            "print(r.load('vectors.parquet'))\"",
        ),
    ],
    "operator": [
        CLONE,
        INSTALL,
        ("create a key", "bindery keys create --name app --scope embed --json > key.json"),
        (
            "serve until ready",
            "(bindery serve --port 18431 > log 2>&1 & echo $! > pid);"
            "until curl -sf -o ready http://127.0.0.1:18431/ready; do sleep 0.2; done",
        ),
        (
            "first answer over HTTP",
            "curl -sf http://127.0.0.1:18431/v1/embeddings -H 'content-type: application/json'"
            " -H \"authorization: Bearer $(python -c 'import json;"
            'print(json.load(open("key.json"))["key"])\')"'
            ' -d \'{{"model": "vanilla", "input": "paper"}}\' && kill $(cat pid)',
        ),
    ],
    "researcher": [
        CLONE,
        INSTALL,
        ("bring a model", "mkdir own && cp -r home/models/vanilla/* own/my-model"),
        (
            "add with the own model",
            "bindery add {documents} --collection own --model ./own/my-model",
        ),
        ("first answer", f"{ASK} --collection own"),
    ],
}


def main() -> None:
    """Let each user take their steps, and print the seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--commit", default="HEAD")
    parser.add_argument("--users", nargs="+", choices=list(USERS), default=list(USERS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for user in given.users:
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "bindery"
            env = os.environ | {
                "BINDERY_HOME": str(clone / "home"),
                "PATH": f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            }
            found[user] = {}
            for step, command in USERS[user]:
                told = command.format(
                    root=ROOT, clone=clone, commit=given.commit, documents=given.documents.resolve()
                )
                started = time.monotonic()
                ended = subprocess.run(
                    ["bash", "-c", told],
                    cwd=clone if clone.exists() else folder,
                    env=env,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                found[user][step] = round(time.monotonic() - started, 1)
                print(f"{user}: {step}: {found[user][step]} s")
                if ended.returncode not in (0, 4):  # 4: some documents are protected
                    sys.exit(ended.stdout + ended.stderr)
            print(f"{user}: {sum(found[user].values()):.0f} s in all\n")
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
