"""Settings are compared on the same questions, and the collection stays as it was."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.checkpoints import TINY
from typer.testing import CliRunner

from bindery.errors import InputError, InvalidValue, UnknownCollection
from bindery.evaluation.evaluating import evaluate
from bindery.evaluation.questions import Expected, JudgedQuestion
from bindery.evaluation.report import to_html
from bindery.evaluation.results import EvaluateOptions, Evaluation, EvaluationProgress
from bindery.faces.cli.app import app
from bindery.library import Library
from bindery.options import ModelOptions
from bindery.workspace import Workspace

WORDS = ["heliotrope", "vault", "quetzal", "marmalade", "gondola", "thimble"]
QUESTIONS = [
    JudgedQuestion(str(n), f"the {word}", (Expected(word),)) for n, word in enumerate(WORDS)
]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "texts"
    folder.mkdir()
    for word in WORDS:
        paragraphs = [f"The {word} is mentioned here, as number {n} of many." for n in range(6)]
        (folder / f"{word}.txt").write_text("\n\n".join(paragraphs))
    return folder


@pytest.fixture(scope="module")
def workspace(texts: Path) -> Iterator[Workspace]:
    library = Library(
        texts.parent / "home", ModelOptions(precision="f32", threads=1), takes_folders=True
    )
    with Workspace(library) as found:
        found.add([texts], "c", model=str(TINY / "gte"))
        yield found


def compared(workspace: Workspace, **options: object) -> tuple[Evaluation, list[str]]:
    told: list[str] = []
    wanted = EvaluateOptions(**options)

    def tell(progress: EvaluationProgress) -> None:
        assert 0 <= progress.done <= progress.total
        if progress.doing and progress.doing not in told[-1:]:
            told.append(progress.doing)

    return evaluate(workspace.collections, "c", QUESTIONS, wanted, tell=tell), told


def test_every_setting_is_tried_once_and_kept(workspace: Workspace, texts: Path) -> None:
    axes = {"sizes": (20, 25), "modes": ("lexical", "hybrid", "dense")}
    found, told = compared(workspace, **axes)
    names = [one.name for one in found.settings]
    assert names[:3] == ["as it is, hybrid", "as it is, lexical", "as it is, dense"]
    assert len(names) == len(set(names)) == 9
    assert found.settings[0].against is None
    lexical = found.settings[1]
    assert lexical.ndcg_10 == 1  # each word is in one file alone
    assert all(len(one.figures) == len(WORDS) for one in found.settings)
    assert {one.recipe.chunks.size for one in found.settings[3:]} == {20, 25}
    assert all(one.index_bytes > 0 for one in found.settings)
    assert [one.name for one in workspace.collections] == ["c"]

    again, told_again = compared(workspace, **axes)
    assert told
    assert told_again == []
    assert again == found

    (texts / "more.txt").write_text("The heliotrope again, and nothing else of note.")
    workspace.add([texts], "c")
    assert compared(workspace, modes=("lexical",))[1] == ["asking 6 questions: as it is, lexical"]


def test_a_recommendation_needs_certainty(workspace: Workspace) -> None:
    found, _ = compared(workspace, modes=("dense", "lexical"))
    dense, lexical = found.settings
    assert lexical.against is not None
    assert (found.recommended is lexical) == lexical.against.is_better
    won, lost = found.won_and_lost(lexical)
    assert not lost
    assert len(won) == sum(one.ndcg_10 < 1 for one in dense.figures)


def test_the_mode_late_ranks_the_passages_of_dense_again(workspace: Workspace) -> None:
    found, _ = compared(workspace, modes=("dense", "late"))
    dense, late = found.settings
    assert late.name == "as it is, late"
    assert late.ndcg_10 > dense.ndcg_10  # it sees single words
    assert late.milliseconds > dense.milliseconds


def test_a_report_runs_and_loads_nothing(workspace: Workspace) -> None:
    hostile = [JudgedQuestion("1", "<script>alert(1)</script>", (Expected("vault"),))]
    found = evaluate(
        workspace.collections, "c", hostile, EvaluateOptions(modes=("dense", "lexical"))
    )
    page = to_html(found)
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert page.count("<circle") == 2 + 2 * 2


def test_what_cannot_be_compared_is_refused(workspace: Workspace, texts: Path) -> None:
    with pytest.raises(InvalidValue, match="Unknown mode 'latest'"):
        EvaluateOptions(modes=("latest",))
    with pytest.raises(InvalidValue, match="at least 1, got 0"):
        EvaluateOptions(budget_tokens=0)
    with pytest.raises(InvalidValue, match="no questions"):
        evaluate(workspace.collections, "c", [], EvaluateOptions())
    with pytest.raises(UnknownCollection):
        evaluate(workspace.collections, "d", QUESTIONS, EvaluateOptions())
    kept = (texts / "vault.txt").read_text()
    (texts / "vault.txt").write_text("It has changed.")
    with pytest.raises(InputError, match=r"vault\.txt.*has changed"):
        compared(workspace, sizes=(22,))
    (texts / "vault.txt").write_text(kept)
    assert compared(workspace, sizes=(22,))[0].settings[1].chunks  # it resumes
    assert [one.name for one in workspace.collections] == ["c"]


def test_the_command_shows_a_table_or_json(workspace: Workspace, texts: Path) -> None:
    questions = texts.parent / "questions.csv"
    rows = [f"the {word},{word}.txt\n" for word in [*WORDS, "absent"]]
    questions.write_text("question,file\n" + "".join(rows))
    variables = {"BINDERY_HOME": os.fspath(workspace.library.home), "BINDERY_PRECISION": "f32"}

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(
            app, ["evaluate", "c", str(questions), *arguments], env={**variables, "COLUMNS": "80"}
        )
        assert result.exit_code == 0, result.output
        return result.stdout if "--json" in arguments else result.output

    page = texts.parent / "report.html"
    shown = run("--modes", "lexical,dense", "--html", str(page))
    assert "as it is, lexical" in shown
    assert "The collection does not have 1 expected file: absent.txt" in shown
    assert page.read_text().startswith("<!doctype html>")
    facts = json.loads(run("--modes", "lexical,dense", "--json"))
    assert facts["questions"] == 7
    assert [one["mode"] for one in facts["settings"]] == ["lexical", "dense"]
