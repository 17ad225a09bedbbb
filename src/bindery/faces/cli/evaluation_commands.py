"""The commands that measure how well a collection answers."""

from pathlib import Path
from typing import Annotated

import typer

from bindery.errors import InvalidValue
from bindery.faces.cli.asking import Asked
from bindery.faces.cli.exits import FAILED
from bindery.faces.cli.options import CollectionName, Json, NoServer, begin, takes_options
from bindery.options import SearchOptions

evaluation_commands = typer.Typer()

Judgements = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Judgements of TREC or BEIR, for questions with ids."),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="PATH", help="Also write a page with plots.")
]


@evaluation_commands.command(
    epilog="Examples:\n"
    "  bindery evaluate default questions.csv --modes dense,lexical,hybrid\n"
    "  bindery evaluate default questions.csv --sizes 64,128,256 --html report.html\n"
    "  bindery evaluate default sentences --modes dense,lexical,hybrid\n"
    "  bindery evaluate scifact beir/scifact --models vanilla,./my-model"
)
def evaluate(
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="The collection.")],
    questions: Annotated[
        Path,
        typer.Argument(
            metavar="QUESTIONS",
            help="A .csv, .tsv or .jsonl file, a folder in BEIR's format, or a source of questions "
            "of the collection itself: marks, headings, titles, pairs, docstrings or sentences.",
        ),
    ],
    models: Annotated[str, typer.Option(metavar="NAMES", help="Models to compare.")] = "",
    strategies: Annotated[
        str, typer.Option(metavar="NAMES", help="Chunking strategies to compare.")
    ] = "",
    sizes: Annotated[str, typer.Option(metavar="NUMBERS", help="Chunk sizes to compare.")] = "",
    dimensions: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Lengths of vectors to compare.")
    ] = "",
    modes: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Modes: hybrid, dense, lexical, rrf and late."),
    ] = "hybrid",
    budget_tokens: Annotated[
        int, typer.Option(metavar="NUMBER", help="The room for passages in a prompt, in tokens.")
    ] = 1_000,
    judgements: Judgements = None,
    html: Html = None,
    json: Json = False,
) -> None:
    """Compare settings on questions whose answers are known.

    Lists are separated by commas; every combination is tried. The collection does not change. The
    first setting is the collection as it is; a better one is only recommended if that is certain.
    """
    found = begin()
    from bindery.evaluation.results import EvaluateOptions
    from bindery.faces.cli.evaluate import EvaluateArguments
    from bindery.faces.cli.evaluate import run as run_evaluation

    options = EvaluateOptions(
        models=_names(models),
        strategies=_names(strategies),
        sizes=_numbers("sizes", sizes),
        dimensions=_numbers("dimensions", dimensions),
        modes=_names(modes),
        budget_tokens=budget_tokens,
    )
    asked = EvaluateArguments(collection, questions, judgements, html, json)
    run_evaluation(found.settings, asked, options)


@evaluation_commands.command(
    epilog="Examples:\n"
    "  bindery check questions.yaml\n"
    "  bindery check questions.yaml --collection work --junit report.xml"
)
def check(
    checks: Annotated[Path, typer.Argument(metavar="CHECKS", help="A YAML or JSON file.")],
    collection: CollectionName = "default",
    junit: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also write a JUnit XML file, for CI.")
    ] = None,
    json: Json = False,
) -> None:
    """Check that questions find what they must, such as in continuous integration.

    A failure names the stage that lost the passage. It ends with exit code 1 if a check fails.
    """
    found = begin()
    from bindery.faces.cli.evaluate import check as run_check

    if not run_check(found.settings, checks, collection, junit, json=json):
        raise typer.Exit(FAILED)


@evaluation_commands.command(
    epilog="Examples:\n"
    '  bindery explain "How do I revoke a key?"\n'
    '  bindery explain "How do I revoke a key?" --hit 3\n'
    '  bindery explain "How do I revoke a key?" --html receipt.html\n'
    '  bindery explain "How do I revoke a key?" --why-not --file security.md'
)
@takes_options
def explain(
    options: SearchOptions,
    query: Annotated[
        list[str], typer.Argument(metavar="QUERY", help="A question; its words need no quotes.")
    ],
    hit: Annotated[
        str | None, typer.Option(metavar="HIT", help="Show only the hit of this number or id.")
    ] = None,
    why_not: Annotated[
        bool,
        typer.Option("--why-not", help="Say why the passage of --id, --file or --quote is no hit."),
    ] = False,
    passage_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="With --why-not: the id of the passage.")
    ] = "",
    file: Annotated[
        str, typer.Option("--file", metavar="NAME", help="With --why-not: its file.")
    ] = "",
    quote: Annotated[
        str, typer.Option("--quote", metavar="WORDS", help="With --why-not: words of it.")
    ] = "",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="PATH", help="Write it as a page instead.")
    ] = None,
    collection: CollectionName = "default",
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Show why a search gives its hits in their order.

    For each stage, its candidates and milliseconds; for each hit, its rank and score in each stage
    and what each word of the query adds; for the best hit, or the one of --hit, also each token.
    """
    found = begin()
    from bindery.faces.cli.explain import explain as run
    from bindery.faces.cli.explain import show_missing

    asked = Asked(found.settings, alone=no_server)
    passage = {"id": passage_id, "file": file, "quote": quote}
    if why_not or any(passage.values()):
        show_missing(asked, query, collection, options, passage, json=json)
        return
    run(asked, query, collection, options, hit=hit, html=html, json=json)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(name: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in _names(text))
    except ValueError as error:
        raise InvalidValue(
            f"--{name} must be whole numbers with commas between, got {text!r}.", param=name
        ) from error
