"""``bindery explain``: why a search gives these hits, in this order."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from bindery.disk import whole_file
from bindery.errors import InvalidValue
from bindery.faces.cli.asking import Asked, Facts
from bindery.faces.cli.collections import answers_of, given_options, plain, print_passage
from bindery.faces.cli.printing import (
    count,
    messages,
    new_table,
    output,
    print_json,
    printable,
)
from bindery.options import SearchOptions

if TYPE_CHECKING:
    from bindery.search.collection import Collections

_SHOWN_CHARACTERS = 400
_RIGHT = ("candidates", "ms", "recall", "adds", "passages", "similarity")


def explain(
    asked: Asked,
    words: Sequence[str],
    collection: str,
    options: SearchOptions,
    *,
    hit: str | None,
    html: Path | None,
    json: bool,
) -> None:
    """Search, and show what each stage did and what each word added to each hit.

    ``hit`` is the number or the id of the only one to show, and ``html`` a page to write instead.
    Raises InvalidValue if the hit is not among those that are found.
    """
    wanted = replace(options, explain=True)
    if hit is not None:  # its tokens are compared, too
        least = min(options.top, int(hit)) if hit.isdecimal() else options.top
        wanted = replace(wanted, explain_tokens=max(options.explain_tokens, least))
    [answer] = answers_of(asked, [" ".join(words)], collection, wanted)
    found: list[Facts] = answer["hits"]
    hits = list(enumerate(found, 1))
    if hit is not None:
        hits = [(rank, one) for rank, one in hits if hit in (str(rank), one["id"])]
        if not hits:
            raise InvalidValue(
                f"No hit has the number or id {hit[:80]!r}.",
                remedy=f"The search gave {count(len(found), 'hit')}; --top gives more.",
                param="hit",
            )
    shown = {**answer, "hits": [{"rank": rank, **one} for rank, one in hits]}
    if html is not None:
        from bindery.evaluation.receipt import receipt_html  # it imports NumPy

        with whole_file(html) as file:
            file.write(receipt_html(shown).encode("utf-8"))
        messages().print(f"Written to {printable(str(html))}.", soft_wrap=True)
    if json:
        print_json(shown)
    if json or html is not None:
        return
    _show_stages(answer)
    for rank, one in hits:
        _show_hit(rank, one)


def show_missing(
    asked: Asked,
    words: Sequence[str],
    collection: str,
    options: SearchOptions,
    passage: Facts,
    *,
    json: bool,
) -> None:
    """Show why a passage is not among the hits, and what would bring it in."""
    query = " ".join(words)

    def alone(found: "Collections") -> Facts:
        from bindery.search.why_not import PassageName  # as the collections, it imports NumPy

        return found.get(collection).why_not(query, PassageName(**passage), options).facts()

    body = {"query": query, **passage, **given_options(options)}
    found = asked.get("POST", collection, "why-not", body=body, alone=alone)
    if json:
        print_json(found)
        return
    console = output()
    if found["file"]:
        console.print(Text(plain(found["file"]), style="bold cyan"))
    if found["text"]:
        console.print(Text(f"   {plain(found['text'])[:_SHOWN_CHARACTERS]}"), soft_wrap=True)
    console.print(printable(found["message"]), soft_wrap=True)
    if found["remedy"]:
        console.print(printable(found["remedy"]), soft_wrap=True)
    _show_ranks(found)


def _show_stages(answer: Facts) -> None:
    console = output()
    console.print(f"{count(answer['searched'], 'passage')} allowed, mode {answer['mode']}:")
    table = new_table("stage", "candidates", "ms", "recall", right=_RIGHT)
    for stage in answer["stages"]:
        recall = "" if stage["recall"] is None else f"{stage['recall']:.3f}"
        shown = (f"{stage['candidates']:,}", f"{stage['milliseconds']:.2f}", recall)
        table.add_row(stage["name"], *shown)
    console.print(table)
    for weight in answer["weights"]:
        console.print(
            f"Meaning weighs {weight['weight']:g} for {count(weight['candidates'], 'passage')}: "
            f"{weight['reason']}.",
            soft_wrap=True,
        )
    console.print()


def _show_hit(rank: int, hit: Facts) -> None:
    console = output()
    print_passage(rank, hit)
    _show_ranks(hit)
    if hit["words"]:
        table = new_table("   word", "adds", "passages", right=_RIGHT)
        for share in hit["words"]:
            name = f"   {plain(share['word'])}"
            table.add_row(name, f"{share['score']:.2f}", f"{share['rows']:,}")
        console.print(table)
    elif hit["words"] is not None:
        console.print(Text("   none of the words of the query", style="dim"))
    if hit["tokens"]:
        table = new_table("   token", "most like it", "similarity", "adds", right=_RIGHT)
        for share in hit["tokens"]:
            token, match = (plain(share[name]) or "(added)" for name in ("token", "match"))
            added = (f"{share['similarity']:.3f}", f"{share['score']:.3f}")
            table.add_row(f"   {token}", match, *added)
        console.print(table)
    console.print()


def _show_ranks(of: Facts) -> None:
    ranks = [f"{name} {place or 'not found'}" for name, place in of["ranks"].items()]
    scores = [f"{name} {value:.3f}" for name, value in of["scores"].items() if value is not None]
    for name, values in (("ranks", ranks), ("scores", scores)):
        if values:
            output().print(Text(f"   {name}: {', '.join(values)}", style="dim"), soft_wrap=True)
