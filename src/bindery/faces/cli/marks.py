"""The group of commands ``marks``: hits that are right or wrong answers to a question."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from bindery.faces.cli.asking import Asked, Facts
from bindery.faces.cli.exits import Group
from bindery.faces.cli.options import CollectionName, Json, NoServer, begin
from bindery.faces.cli.printing import messages, new_table, output, print_json, printable

if TYPE_CHECKING:
    from bindery.search.collection import Collections

marks = typer.Typer(
    cls=Group,
    help="Mark hits as right or wrong answers, which become an evaluation set.",
    epilog="Examples:\n"
    '  bindery marks add "How do I revoke a key?" 4be1f0c2a9d3e8577c01b2d4f6a8e0c2\n'
    "  bindery marks list --collection work\n"
    "  bindery evaluate default marks",
    no_args_is_help=True,
)


@marks.command("list", epilog="Example:\n  bindery marks list --collection work")
def marks_list(
    collection: CollectionName = "default", no_server: NoServer = False, json: Json = False
) -> None:
    """List the marks of a collection, newest first."""
    asked = Asked(begin().settings, alone=no_server)

    def alone(found: "Collections") -> Facts:
        return {"marks": [one.facts() for one in found.get(collection).marks]}

    answer = asked.get("GET", collection, "marks", alone=alone)
    if json:
        print_json(answer)
        return
    table = new_table("id", "question", "", "file", "at", right=("id",))
    for one in answer["marks"]:
        said = "right" if one["is_right"] else "wrong"
        at = f"{one['span']['start']}-{one['span']['end']}" if one["text"] else "changed"
        table.add_row(str(one["id"]), Text(one["query"]), said, Text(printable(one["file"])), at)
    output().print(table)


@marks.command(
    "add",
    epilog="Examples:\n"
    '  bindery marks add "How do I revoke a key?" 4be1f0c2a9d3e8577c01b2d4f6a8e0c2\n'
    '  bindery marks add "How do I revoke a key?" 4be1f0c2a9d3e8577c01b2d4f6a8e0c2 --wrong',
)
def marks_add(
    query: Annotated[str, typer.Argument(metavar="QUESTION", help="The question.")],
    passage_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="The id of a hit, as `bindery search --json` has it."),
    ],
    wrong: Annotated[
        bool, typer.Option("--wrong", help="The hit does not answer the question.")
    ] = False,
    collection: CollectionName = "default",
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Mark a hit as a right answer to a question, or as a wrong one."""
    asked = Asked(begin().settings, alone=no_server)
    body = {"query": query, "id": passage_id, "is_right": not wrong}

    def alone(found: "Collections") -> Facts:
        return found.get(collection).marks.add(query, passage_id, is_right=not wrong).facts()

    made = asked.get("POST", collection, "marks", body=body, alone=alone)
    if json:
        print_json(made)
    else:
        said = "wrong" if wrong else "right"
        messages().print(f"Mark {made['id']}: {printable(made['file'])} is {said}.")


@marks.command("delete", epilog="Example:\n  bindery marks delete 3 --collection work")
def marks_delete(
    mark_id: Annotated[int, typer.Argument(metavar="ID", help="As `bindery marks list` shows it.")],
    collection: CollectionName = "default",
    no_server: NoServer = False,
    json: Json = False,
) -> None:
    """Delete a mark."""
    asked = Asked(begin().settings, alone=no_server)

    def alone(found: "Collections") -> Facts:
        found.get(collection).marks.delete(mark_id)
        return {"id": mark_id, "deleted": True}

    answer = asked.get("DELETE", collection, "marks", str(mark_id), alone=alone)
    if json:
        print_json(answer)
    else:
        messages().print(f"Mark {mark_id} is deleted.")
