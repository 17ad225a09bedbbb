"""`bindery add FOLDER --watch` in a process of its own, until Ctrl-C."""

import json
import signal
import subprocess

from tests.faces.commands import BINDERY


def test_changes_are_added_until_ctrl_c(environment, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.md").write_text(f"Note {n} is about shelf {n * 7}.")
    command = [*BINDERY, "add", folder, "-c", "watched", "--sync", "--watch", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def end():
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "end":
                    return event
            raise AssertionError(process.stderr.read())

        assert len(end()["added"]) == 3
        (folder / "0.md").write_text("Note 0 is about heliotropes.")
        while end()["changed"] != ["notes/0.md"]:
            pass
        (folder / "1.md").rename(folder / "one.md")
        while end()["renamed"] != {"notes/one.md": "notes/1.md"}:
            pass

        # An empty folder is not a deletion; what comes back is there as before.
        away = folder.rename(tmp_path / "away")
        away.rename(folder)
        (folder / "new.md").write_text("A new note.")
        while "notes/new.md" not in end()["added"]:
            pass
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Watching for changes. Ctrl-C ends." in told
    assert "Traceback" not in told + rest
