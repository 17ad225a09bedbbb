"""The receipt of a search as one HTML page: its stages, and why each hit was found.

All of it is escaped, so that a script in a document stays text. The page runs no script and loads
nothing, and its own policy forbids both.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, TypeAlias

from bindery.evaluation.report import page
from bindery.types import Span, marked_html, table_html

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
    return table_html(heads, ([escape(cell) for cell in row] for row in rows))


def _marked(text: str, spans: Sequence[Facts]) -> str:
    return marked_html(text, (Span(one["start"], one["end"]) for one in spans))
