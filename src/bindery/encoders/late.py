"""Late-interaction models: one vector per token, or per cluster of tokens."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bindery.encoders.base import Encoded, TokenVectors
from bindery.encoders.checks import check_no_dimensions, check_options, refuse_spans
from bindery.encoders.head import Head, cut
from bindery.encoders.local import LocalEncoder, counts, hidden_width
from bindery.encoders.model_tokeniser import LateTokeniser
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest, SpansRequest
from bindery.encoders.scheduling import Ids, Readout, Vectors
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Engine
from bindery.errors import InvalidValue, UnsupportedModel
from bindery.models.layouts import Layout
from bindery.types import DOCUMENT, Role
from bindery.vectors.embeddings import Embeddings, Rows


class LateEncoder(LocalEncoder):
    """An Encoder for any engine and any layout of late interaction.

    ``pooling_factor`` clusters the tokens of documents (:func:`pool_tokens`): 1 is off, None is the
    model's own factor. ``reads_special_tokens`` is that of :class:`LateTokeniser`, ``queue_tokens``
    that of :class:`DenseEncoder`.
    """

    def __init__(
        self,
        layout: Layout,
        engine: Engine,
        *,
        pooling_factor: float | None = None,
        reads_special_tokens: bool = False,
        queue_tokens: int | None = None,
    ) -> None:
        late = layout.late
        if late is None:
            raise UnsupportedModel(f"{layout.card.id} is not a late-interaction model.")
        self._pooling_factor = late.pooling_factor if pooling_factor is None else pooling_factor
        self._protected_tokens = late.protected_tokens
        check_factor(self._pooling_factor, self._protected_tokens)
        self._project = _projection(Head(layout.steps))
        self._marked = LateTokeniser(layout, late, reads_special_tokens=reads_special_tokens)
        super().__init__(
            layout.card,
            engine,
            self._marked,
            width=hidden_width(layout),
            queue_tokens=queue_tokens,
            attends_to_expansion=late.attends_to_expansion,
        )

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder: one row for each token that the role keeps.

        The tokens that fill queries do not count as used.
        """
        dimensions = request.options.dimensions
        check_options(self.card, request.options)

        def finished(found: TokenVectors) -> Encoded:
            embeddings = cut(self.card, found.tokens, dimensions)
            return Encoded(embeddings, tokens_used=found.tokens_used, tokens_cut=found.tokens_cut)

        full = replace(request, options=replace(request.options, dimensions=None))
        return self.submit_tokens(full, cancellation).then(finished)

    def submit_tokens(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[TokenVectors]:
        """See Encoder: the same rows as :meth:`encode`, at full width."""
        check_no_dimensions(request)
        tokens = self._tokens(request, cancellation)

        def finished(found: list[Vectors]) -> TokenVectors:
            embeddings = self._kept([rows for (rows,) in found], tokens, request.options.role)
            return TokenVectors(embeddings, None, *counts(tokens))

        return self._run(tokens, self._project, cancellation).then(finished)

    def submit_spans(
        self, request: SpansRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        """See Encoder: refused, because there is no single vector to pool."""
        del request, cancellation
        refuse_spans(self.card, "gives a vector for each token, not one for each text")

    def _kept(self, rows: Sequence[Rows], tokens: Sequence[Tokens], role: Role) -> Embeddings:
        kept = [one[self._marked.kept(text, role)] for one, text in zip(rows, tokens, strict=True)]
        embeddings = Embeddings.ragged(kept, self.card.dimensions)
        if role == DOCUMENT and self._pooling_factor > 1:
            return pool_tokens(embeddings, self._pooling_factor, self._protected_tokens)
        return embeddings


def _projection(head: Head) -> Readout:
    """Hidden states to one vector for each token: for each text (s, d), a row for every id."""

    def project(hidden: Rows, mask: Ids, texts: list[Tokens]) -> Sequence[Vectors]:
        del mask
        states = [row[: len(text)] for row, text in zip(hidden, texts, strict=True)]
        ends = np.cumsum([len(text) for text in texts[:-1]])
        return [(of_text,) for of_text in np.split(head(np.concatenate(states)), ends)]

    return project


def pool_tokens(embeddings: Embeddings, factor: float, protected: int = 1) -> Embeddings:
    """Fewer rows for each text, about one in ``factor``: clusters of tokens, and their means.

    Rows have length 1, before and after. The first ``protected`` rows of a text are kept; the other
    n become max(1, floor(n / factor)) means of clusters (Ward, 1963, over cosine distances), in
    order of each cluster's first row; fewer if distances are equal. ``factor`` may be fractional; 1
    keeps every row. The clusters are those of sentence-transformers 6.

    Clavié et al., 2024, Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance
    Impact via Token Pooling (arXiv:2409.14683): half the vectors keep the quality, a third 99 %.
    """
    check_factor(factor, protected)
    texts = [_pooled(embeddings[text], factor, protected) for text in range(len(embeddings))]
    return Embeddings.ragged(texts, embeddings.width).normalised()


def check_factor(factor: float, protected: int) -> None:
    """Raise InvalidValue for a factor below 1 or a negative number of protected tokens."""
    if not 1 <= factor < float("inf") or protected < 0:
        raise InvalidValue(
            f"The pooling factor must be at least 1 and finite, with at least 0 protected tokens; "
            f"got {factor} and {protected}.",
            param="pooling_factor",
        )


def _pooled(rows: Rows, factor: float, protected: int) -> Rows:
    kept, others = rows[:protected], rows[protected:]
    clusters = max(int(len(others) // factor), 1)
    if clusters >= len(others):
        return rows
    labels = _labels(_merges(others), clusters)
    sums = np.zeros((labels.max() + 1, rows.shape[1]), dtype=np.float32)
    np.add.at(sums, labels, others)
    counts = np.bincount(labels).astype(np.float32)
    return np.concatenate([kept, sums / counts[:, None]])


def _merges(rows: Rows) -> list[tuple[float, int, int]]:
    """All n - 1 merges of Ward's tree as (squared distance, member, member), nearest first.

    The nearest-neighbour chain (Murtagh, 1983), O(n^2): follow nearest neighbours until two are
    each other's, and merge them. SciPy does the same, but would add 100 MB.
    """
    squares = np.square(np.clip(1 - rows @ rows.T, 0, 2).astype(np.float64))
    np.fill_diagonal(squares, np.inf)
    sizes = np.ones(len(rows))
    merges: list[tuple[float, int, int]] = []
    chain: list[int] = []
    while len(merges) < len(rows) - 1:
        if not chain:
            chain.append(int(sizes.argmax() if sizes[0] else np.flatnonzero(sizes)[0]))
        last = chain[-1]
        nearest = int(squares[last].argmin())
        # If several are equally near, the previous one ends the chain.
        if len(chain) < 2 or squares[last, nearest] < squares[last, chain[-2]]:
            chain.append(nearest)
            continue
        first, second = sorted(chain[-2:])
        del chain[-2:]
        merges.append((float(squares[first, second]), first, second))
        _merge(squares, sizes, first, second)
    return sorted(merges, key=lambda merge: merge[0])


def _merge(
    squares: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], first: int, second: int
) -> None:
    """Let ``second`` stand for both (Lance and Williams, 1967, with Ward's weights)."""
    both = sizes[first] + sizes[second]
    found = (sizes + sizes[first]) * squares[first] + (sizes + sizes[second]) * squares[second]
    found = (found - sizes * squares[first, second]) / (sizes + both)
    squares[second, :] = squares[:, second] = found
    squares[first, :] = squares[:, first] = np.inf
    squares[second, second] = np.inf
    sizes[first], sizes[second] = 0, both


def _labels(merges: list[tuple[float, int, int]], clusters: int) -> npt.NDArray[np.int64]:
    """The cluster of each row, (n,), numbered by first row: at most ``clusters``.

    Merges at the same distance as the last one needed are made too.
    """
    members = len(merges) + 1
    farthest = merges[members - clusters - 1][0]
    parents = list(range(members))

    def root(member: int) -> int:
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member

    for distance, first, second in merges:
        if distance <= farthest:
            # The lower one is the root, so that it comes first.
            low, high = sorted((root(first), root(second)))
            parents[high] = low
    roots = np.array([root(member) for member in range(members)])
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
