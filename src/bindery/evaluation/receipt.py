"""The receipt of a search as one HTML page: its stages, and why each hit was found.

All of it is escaped, so that a script in a document stays text. The page runs no script and loads
nothing, and its own policy forbids both.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeAlias

from bindery.evaluation.report import page

Facts: TypeAlias = Mapping[str, Any]


def receipt_html(answer: Facts) -> str:
    """The page, given the facts of an answer that was asked for with ``explain``."""
    hits: list[Facts] = answer["hits"]
    parts = [
        f"<h1>{escape(answer['query'])}</h1>",
        f"<p>Collection {escape(answer['collection'])}, mode {escape(answer['mode'])}, model "
        f"{escape(answer['model'])}. {answer['searched']:,} passages were searched.</p>",
        _stages(answer["stages"]),
        *(
            f"<p>Meaning weighs {one['weight']:g} for {one['candidates']:,} passages: "
            f"{escape(one['reason'])}.</p>"
            for one in answer["weights"]
        ),
        *(f"<p>{escape(one['message'])}</p>" for one in answer["failures"]),
        *(_hit(hit) for hit in hits),
    ]
    return page(f"Receipt: {answer['query']}", "".join(parts))


def _stages(stages: Sequence[Facts]) -> str:
    rows = (
        [
            one["name"],
            f"{one['candidates']:,}",
            f"{one['milliseconds']:.2f}",
            "" if one["recall"] is None else f"{one['recall']:.3f}",
        ]
        for one in stages
    )
    return _table(("stage", "candidates", "ms", "recall"), rows)


def _hit(hit: Facts) -> str:
    pages = f", page {hit['page']}" if hit["page"] else ""
    ranks = ", ".join(f"{name} {rank or 'not found'}" for name, rank in hit["ranks"].items())
    scores = [f"{name} {value:.3f}" for name, value in hit["scores"].items() if value is not None]
    parts = [
        f"<h2>{hit['rank']}. {escape(hit['file'])}{pages}</h2>",
        f"<p>{escape(' › '.join(hit['headings']))}</p>" if hit["headings"] else "",
        f"<blockquote>{_marked(hit['text'], hit['marks'])}</blockquote>",
        f"<p>Score {hit['score']:.4f} ({escape(', '.join(scores))}). Ranks: {escape(ranks)}.</p>",
    ]
    if hit["words"]:
        rows = ([one["word"], f"{one['score']:.2f}", f"{one['rows']:,}"] for one in hit["words"])
        parts.append(_table(("word", "adds to BM25", "passages with it"), rows))
    if hit["tokens"]:
        rows = (
            [
                one["token"] or "(added by the model)",
                one["match"] or "(added by the model)",
                f"{one['similarity']:.3f}",
                f"{one['score']:.3f}",
            ]
            for one in hit["tokens"]
        )
        parts.append(_table(("token", "most like it", "similarity", "adds to MaxSim"), rows))
    return "".join(parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _marked(text: str, spans: Sequence[Facts]) -> str:
    """The text, with a mark for each span. Spans are in order and do not overlap."""
    parts: list[str] = []
    last = 0
    for one in spans:
        start, end = one["start"], one["end"]
        parts += [escape(text[last:start]), f"<mark>{escape(text[start:end])}</mark>"]
        last = end
    return "".join([*parts, escape(text[last:])])
