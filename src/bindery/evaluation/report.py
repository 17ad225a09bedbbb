"""An evaluation as one HTML page, with plots of quality against milliseconds and bytes.

The page holds all that it shows, runs no script and loads nothing.
"""

from collections.abc import Callable
from html import escape
from math import log10

from bindery.evaluation.results import Evaluation, SettingResult

_WIDTH, _HEIGHT, _MARGIN = 560, 260, 48
_SHOWN_QUESTIONS = 20
_COLOURS = ("#8a2d1f", "#1f5a8a", "#2f7d4f", "#9a6b00", "#6a3d9a", "#007f86", "#b0447a", "#555555")
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; } figcaption { color: #777; } svg { max-width: 100%; }
text { fill: currentColor; font-size: 12px; } line { stroke: #8886; }
.dot { display: inline-block; width: .7em; height: .7em; border-radius: 50%; }
blockquote { margin: 1rem 0; padding-left: 1rem; border-left: 3px solid #8886; }
blockquote { white-space: pre-wrap; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_COLUMNS = (
    ("nDCG@10", "ndcg_10"),
    ("MRR", "mrr"),
    ("recall@1", "recall_1"),
    ("recall@5", "recall_5"),
    ("recall@10", "recall_10"),
    ("in budget", "recall_in_budget"),
    ("ms", "milliseconds"),
)


def to_html(evaluation: Evaluation) -> str:
    """The page, complete with its styles and plots."""
    settings = evaluation.settings
    colours = [_COLOURS[n % len(_COLOURS)] for n in range(len(settings))]
    plots: list[tuple[str, Callable[[SettingResult], float]]] = [
        ("milliseconds of a search", lambda one: max(one.milliseconds, 1e-3)),
        ("megabytes of the index", lambda one: max(one.index_bytes, 1) / 1e6),
    ]
    parts = [
        f"<h1>Evaluation of {escape(evaluation.collection)}</h1>",
        f"<p>{len(evaluation.questions):,} questions. {escape(advice(evaluation))}</p>",
        _table(evaluation, colours),
        *(_plot(settings, colours, label, value) for label, value in plots),
        *(_questions(evaluation, setting) for setting in settings[1:]),
    ]
    return page(f"Evaluation of {evaluation.collection}", "\n".join(parts))


def page(title: str, body: str) -> str:
    """A page that may not run scripts or load anything. ``body`` is HTML, ``title`` is plain."""
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style>\n{body}\n</html>\n"
    )


def advice(evaluation: Evaluation) -> str:
    """What the figures say about which setting to use, in a sentence."""
    if len(evaluation.settings) == 1:
        return "There is nothing to compare the collection with: name other settings."
    best = evaluation.recommended
    if best is None or best.against is None:
        return (
            "No setting is better than the collection as it is with 95 % certainty: "
            "keep it, or ask more questions."
        )
    gain = best.against
    return (
        f"Better than the collection as it is: {best.name}, by {gain.mean:.3f} nDCG@10 "
        f"({gain.low:.3f} to {gain.high:.3f})."
    )


def _table(evaluation: Evaluation, colours: list[str]) -> str:
    heads = "".join(f"<th>{name}</th>" for name, _ in _COLUMNS)
    rows = [f"<tr><th>setting</th>{heads}<th>MB</th><th>against the first</th></tr>"]
    for setting, colour in zip(evaluation.settings, colours, strict=True):
        facts = setting.facts()
        cells = "".join(f"<td>{facts[key]:.3f}</td>" for _, key in _COLUMNS)
        against = setting.against
        shown = "" if against is None else str(against)
        circle = f"<circle cx='1' cy='1' r='1' fill='{colour}'/>"
        dot = f"<svg class='dot' viewBox='0 0 2 2'>{circle}</svg>"
        rows.append(
            f"<tr><td>{dot} {escape(setting.name)}</td>{cells}"
            f"<td>{setting.index_bytes / 1e6:.1f}</td><td>{shown}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def _plot(
    settings: tuple[SettingResult, ...],
    colours: list[str],
    label: str,
    value: Callable[[SettingResult], float],
) -> str:
    """Points at nDCG@10 over a logarithmic axis."""
    across = [log10(value(one)) for one in settings]
    up = [one.ndcg_10 for one in settings]
    left, right = min(across) - 0.1, max(across) + 0.1
    low, high = max(0.0, min(up) - 0.02), min(1.0, max(up) + 0.02)

    def place(x: float, y: float) -> tuple[float, float]:
        width, height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
        return (
            _MARGIN + (x - left) / (right - left) * width,
            _HEIGHT - _MARGIN - (y - low) / (high - low or 1) * height,
        )

    bottom = _HEIGHT - _MARGIN
    parts = [
        f"<line x1='{_MARGIN}' y1='{bottom}' x2='{_WIDTH - _MARGIN}' y2='{bottom}'/>",
        f"<line x1='{_MARGIN}' y1='{_MARGIN}' x2='{_MARGIN}' y2='{bottom}'/>",
        f"<text x='{_MARGIN}' y='{bottom + 18}'>{10**left:.3g}</text>",
        f"<text x='{_WIDTH - _MARGIN}' y='{bottom + 18}' text-anchor='end'>{10**right:.3g}</text>",
        f"<text x='{_MARGIN - 6}' y='{bottom}' text-anchor='end'>{low:.2f}</text>",
        f"<text x='{_MARGIN - 6}' y='{_MARGIN + 6}' text-anchor='end'>{high:.2f}</text>",
    ]
    for one, x, y, colour in zip(settings, across, up, colours, strict=True):
        at_x, at_y = place(x, y)
        parts.append(
            f"<circle cx='{at_x:.1f}' cy='{at_y:.1f}' r='5' fill='{colour}'>"
            f"<title>{escape(one.name)}: {y:.3f}</title></circle>"
        )
    caption = f"<figcaption>nDCG@10 against {label}, on a logarithmic scale</figcaption>"
    picture = f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img'>{''.join(parts)}</svg>"
    return f"<figure>{picture}{caption}</figure>"


def _questions(evaluation: Evaluation, setting: SettingResult) -> str:
    won, lost = evaluation.won_and_lost(setting)
    parts = [f"<h2>{escape(setting.name)}</h2>"]
    for title, questions in (("Better", won), ("Worse", lost)):
        shown = "".join(f"<li>{escape(one.text)}</li>" for one in questions[:_SHOWN_QUESTIONS])
        more = len(questions) - _SHOWN_QUESTIONS
        rest = f"<p>And {more:,} more.</p>" if more > 0 else ""
        parts.append(
            f"<details><summary>{title} on {len(questions):,} questions</summary>"
            f"<ul>{shown}</ul>{rest}</details>"
        )
    return "".join(parts)
