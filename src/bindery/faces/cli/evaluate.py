"""``bindery evaluate`` and ``bindery check``: questions whose answers are known."""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from bindery.disk import whole_file
from bindery.errors import InvalidValue, did_you_mean
from bindery.evaluation.checks import read_checks, run_checks, to_junit
from bindery.evaluation.evaluating import evaluate
from bindery.evaluation.generating import SOURCES, make_questions
from bindery.evaluation.questions import read_questions
from bindery.evaluation.report import advice, to_html
from bindery.evaluation.results import (
    EvaluateOptions,
    Evaluation,
    EvaluationProgress,
    SettingResult,
)
from bindery.faces.cli.printing import (
    count,
    messages,
    new_table,
    output,
    print_json,
    print_warning,
    printable,
)
from bindery.faces.cli.progress import follow_on
from bindery.faces.python import open_library
from bindery.jobs import Jobs
from bindery.jobs.following import run_followed
from bindery.search.collection import Collections
from bindery.settings import Settings

_SHOWN_NAMES = 5
_HEADINGS = ("setting", "nDCG@10", "recall@5", "budget", "ms", "MB", "difference")


@dataclass(frozen=True, slots=True)
class EvaluateArguments:
    """What ``bindery evaluate`` was asked for, apart from the settings to compare."""

    collection: str
    questions: Path
    judgements: Path | None
    html: Path | None
    json: bool


def run(settings: Settings, asked: EvaluateArguments, options: EvaluateOptions) -> None:
    """Ask the questions with each setting, and show the figures."""
    source = os.fspath(asked.questions)
    is_made = source in SOURCES and not asked.questions.exists()
    if not (is_made or asked.questions.exists()):
        remedy = f"{did_you_mean(source, SOURCES)} Name a file, a folder, or one of: ".lstrip()
        raise InvalidValue(
            f"There is no file {source!r} of questions.",
            remedy=f"{remedy}{', '.join(SOURCES)}.",
            param="questions",
        )
    questions = [] if is_made else read_questions(asked.questions, asked.judgements)

    said = ""

    def tell(progress: EvaluationProgress) -> None:
        nonlocal said
        if progress.doing != said and not asked.json:
            messages().print(printable(progress.doing), soft_wrap=True)
        said = progress.doing

    with closing(open_library(settings)) as library:
        collections = Collections(library)
        if is_made:
            questions = make_questions(library, collections.get(asked.collection), source)
        found = evaluate(
            collections,
            asked.collection,
            questions,
            options,
            run=Jobs.run if asked.json else _run_shown,
            tell=tell,
        )
    if asked.html is not None:
        with whole_file(asked.html) as file:
            file.write(to_html(found).encode("utf-8"))
    if asked.json:
        print_json(found.facts())
        return
    _show(found, asked.html)


def _run_shown(jobs: Jobs, job_id: str) -> None:
    """Run a job and show its progress, or that of the process that runs it."""
    follow = follow_on(messages(), json=False)
    with follow:
        run_followed(jobs, job_id, lambda events: [*map(follow.tell, events)], Jobs.finish)


def _show(found: Evaluation, html: Path | None) -> None:
    table = new_table(*_HEADINGS, right=_HEADINGS[1:])
    for setting in found.settings:
        table.add_row(*_row(setting))
    output().print(table)
    output().print(advice(found), soft_wrap=True)
    for setting in found.settings[1:]:
        won, lost = (len(questions) for questions in found.won_and_lost(setting))
        name = printable(setting.name)
        output().print(f"{name}: better on {count(won, 'question')}, worse on {lost:,}.")
    if found.missing:
        names = ", ".join(map(printable, found.missing[:_SHOWN_NAMES]))
        print_warning(
            f"The collection does not have {count(len(found.missing), 'expected file')}: {names}"
        )
    if html is not None:
        messages().print(f"Written to {printable(os.fspath(html))}.", soft_wrap=True)


def _row(setting: SettingResult) -> list[str]:
    facts, against = setting.facts(), setting.against
    figures = [facts[key] for key in ("ndcg_10", "recall_5", "recall_in_budget")]
    return [
        printable(setting.name),
        *(f"{figure:.3f}" for figure in figures),
        f"{setting.milliseconds:.1f}",
        f"{setting.index_bytes / 1e6:.1f}",
        "" if against is None else str(against),
    ]


def check(
    settings: Settings, path: Path, collection: str, junit: Path | None, *, json: bool
) -> bool:
    """Check what questions find; whether all is as it must be."""
    checks = read_checks(path)
    with closing(open_library(settings)) as library:
        results = run_checks(Collections(library).get(collection), checks)
    if junit is not None:
        with whole_file(junit) as file:
            file.write(to_junit(f"bindery.{collection}", results))
    failed = [one for one in results if not one.is_passed]
    if json:
        facts = [one.facts() for one in results]
        print_json({"checks": len(results), "failed": len(failed), "results": facts})
        return not failed
    for one in failed:
        output().print(Text("failed: ", style="bold red").append(printable(one.check.question)))
        for why in one.failures:
            output().print(f"  {printable(why)}", soft_wrap=True)
    output().print(f"{count(len(results), 'check')}, {len(failed):,} failed.")
    return not failed
