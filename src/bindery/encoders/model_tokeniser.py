"""How a model reads texts: prompts, titles, special tokens and the window, by role."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bindery.checkpoint import read_object
from bindery.encoders.checks import check_texts, prompt_of, prompts_of
from bindery.encoders.pending import Cancellation
from bindery.encoders.tokeniser import Tokeniser, Tokens
from bindery.errors import ModelBroken
from bindery.models.card import ModelCard
from bindery.models.layouts import LateInteraction, Layout
from bindery.types import DOCUMENT, QUERY, Role, Span, TokenIds, Truncate

# Used if the tokeniser's files do not name the mask token.
_USUAL_MASKS = ("[MASK]", "<mask>")


class ModelTokeniser:
    """A model's tokeniser, with the prompt and the window of each role. Thread-safe.

    ``tokenisers`` holds one for each role.
    """

    def __init__(self, card: ModelCard, tokenisers: Mapping[Role, Tokeniser]) -> None:
        self._card = card
        self._tokenisers = tokenisers

    def of_role(self, role: Role = DOCUMENT) -> Tokeniser:
        """The tokeniser that reads texts in a role; its window leaves room for markers.

        Raises InvalidValue for a role that the model does not have.
        """
        prompt_of(self._card, role)
        return self._tokenisers[role]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text alone: no special tokens, no prompt, nothing cut."""
        check_texts(texts)
        return self.of_role().count_tokens(texts)

    def room(self, role: Role = DOCUMENT, *, title: str | None = None) -> int:
        """How many tokens of a text fit into the window, after everything that the model adds.

        The model adds special tokens, a marker, and the role's prompt or the ``title``. Not
        positive if they fill the window. Raises InvalidValue for an unknown role, and for a title
        that the model or the role does not take.
        """
        tokeniser = self.of_role(role)
        [prompt] = prompts_of(self._card, role, [""], None if title is None else [title])
        return tokeniser.room(prompt)

    def tokenise(
        self,
        texts: Sequence[str],
        role: Role,
        *,
        titles: Sequence[str | None] | None = None,
        truncate: Truncate = Truncate.END,
        known: Sequence[TokenIds | None] | None = None,
        cancellation: Cancellation | None = None,
    ) -> list[Tokens]:
        """The texts as the model reads them, in order.

        The arguments are those of :meth:`Tokeniser.tokenise`. Raises what it raises, and
        InvalidValue for values that are not text, unknown roles, and titles that the model does
        not take.
        """
        check_texts(texts)
        prompts = prompts_of(self._card, role, texts, titles)
        found = self.of_role(role).tokenise(
            texts, prompts, truncate=truncate, known=known, cancellation=cancellation
        )
        return [self._completed(tokens, role) for tokens in found]

    def token_spans(self, text: str, role: Role) -> list[Span | None]:
        """The place in a text of each row that :meth:`Encoder.submit_tokens` gives for it.

        None for a token that the model adds, such as a marker. Tokens beyond the window are cut.
        """
        [prompt] = prompts_of(self._card, role, [text])
        [tokens] = self.tokenise([text], role)
        offsets = self.of_role(role).whole(text, prompt).offsets.tolist()
        first, last = tokens.text
        own = [Span(*pair) if pair[0] < pair[1] else None for pair in offsets[: last - first]]
        return self._of_rows([*[None] * first, *own, *[None] * (len(tokens) - last)], tokens, role)

    def _of_rows(self, places: list[Span | None], tokens: Tokens, role: Role) -> list[Span | None]:
        """The places of the tokens that get a row, given those of all tokens of a text."""
        del role
        return places[slice(*tokens.text)]

    def _completed(self, tokens: Tokens, role: Role) -> Tokens:
        """The tokens as the model reads them, with those that only its family adds."""
        del role
        return tokens


class LateTokeniser(ModelTokeniser):
    """The tokeniser of a late-interaction model: with markers, and queries filled with masks.

    ``reads_special_tokens`` reads "[MASK]" in a text as the token, as the reference
    implementations do; otherwise it is ordinary text. Raises ModelBroken if the vocabulary lacks a
    marker or the token to fill queries with.

    Khattab and Zaharia, 2020, ColBERT, section 3.2 (arXiv:2004.12832).
    """

    def __init__(
        self, layout: Layout, late: LateInteraction, *, reads_special_tokens: bool = False
    ) -> None:
        self._late = late
        tokeniser = Tokeniser.of(layout)
        spelt = {QUERY: late.query_marker, DOCUMENT: late.document_marker}
        self._markers = {
            role: [_id_of(tokeniser, marker, layout.body)] if marker else []
            for role, marker in spelt.items()
        }
        self._filling = _filling(tokeniser, late, layout.body) if late.expands else None
        self._skipped = _skipped(tokeniser, late, layout.body)
        padding = tokeniser.token_id(_named(layout.body, "pad_token") or "[PAD]")
        self._padding = padding if late.as_colbert_ai and reads_special_tokens else None
        if not reads_special_tokens:
            # If markers were added as ordinary words, any text could contain them.
            tokeniser = tokeniser.neutralised(filter(None, spelt.values()))
        lengths = {QUERY: late.query_length, DOCUMENT: late.document_length}
        windows = {
            role: tokeniser.within(length - len(self._markers[role]))
            for role, length in lengths.items()
        }
        super().__init__(layout.card, windows)

    def _completed(self, tokens: Tokens, role: Role) -> Tokens:
        return self._filled(self._marked(tokens, role), role)

    def kept(self, tokens: Tokens, role: Role) -> npt.NDArray[np.bool_]:
        """Which tokens of a text get a vector: (s,). Special tokens always do."""
        kept = np.ones(len(tokens), dtype=np.bool_)
        if role in self._late.skipped_in:
            kept &= ~np.isin(tokens.ids, self._skipped)
        if role == DOCUMENT and self._padding is not None:
            kept &= tokens.ids != self._padding
        return kept

    def _of_rows(self, places: list[Span | None], tokens: Tokens, role: Role) -> list[Span | None]:
        kept = self.kept(tokens, role).tolist()
        return [place for place, is_kept in zip(places, kept, strict=True) if is_kept]

    def _marked(self, tokens: Tokens, role: Role) -> Tokens:
        """With the marker's id after the first special token."""
        marker = self._markers[role]
        if not marker:
            return tokens
        position = min(1, self.of_role(role).leading_tokens)
        return replace(
            tokens,
            ids=np.insert(tokens.ids, position, marker).astype(np.int32),
            prompt=tokens.prompt and tokens.prompt + 1,
            text=(tokens.text[0] + 1, tokens.text[1] + 1),
        )

    def _filled(self, tokens: Tokens, role: Role) -> Tokens:
        """A query filled to its full length; the model expands the query in these positions."""
        if role != QUERY or self._filling is None:
            return tokens
        ids = tokens.ids
        if self._padding is not None:
            ids = np.where(ids == self._padding, np.int32(self._filling), ids)
        fills_to = self._late.expanded_length or self._late.query_length
        missing = max(0, fills_to - len(tokens))
        filling = np.full(missing, self._filling, dtype=np.int32)
        return replace(tokens, ids=np.concatenate([ids, filling]), expansion=missing)


def model_tokeniser(layout: Layout) -> ModelTokeniser:
    """The tokeniser of a model of any family. Raises what its class raises."""
    if layout.late is not None:
        return LateTokeniser(layout, layout.late)
    return ModelTokeniser(layout.card, dict.fromkeys(layout.card.prompts, Tokeniser.of(layout)))


def _id_of(tokeniser: Tokeniser, token: str, body: Path) -> int:
    found = tokeniser.token_id(token)
    if found is None:
        raise ModelBroken(
            f"The tokeniser of {body} has no token {token!r}, which its model was trained with.",
            remedy="Its tokenizer.json belongs to another model, or was saved without it.",
        )
    return found


def _filling(tokeniser: Tokeniser, late: LateInteraction, body: Path) -> int:
    """The token that queries are filled with: the mask, or the end token if there is no mask."""
    usual = [token for token in _USUAL_MASKS if tokeniser.token_id(token) is not None]
    named = _named(body, "mask_token") or "".join(usual[:1]) or _named(body, "eos_token")
    return _id_of(tokeniser, late.expansion_token or named or _USUAL_MASKS[0], body)


def _skipped(tokeniser: Tokeniser, late: LateInteraction, body: Path) -> npt.NDArray[np.int64]:
    """The ids without a vector. A word missing in the vocabulary must not skip unknown tokens."""
    unknown = tokeniser.token_id(_named(body, "unk_token") or "[UNK]")
    if late.as_colbert_ai:
        found = [id_ for word in late.skipped for id_ in tokeniser.text_ids(word)[:1]]
    else:
        ids = [tokeniser.token_id(word) for word in late.skipped]
        found = [id_ for id_ in ids if id_ is not None]
    return np.array(sorted(set(found) - {unknown}), dtype=np.int64)


def _named(body: Path, name: str) -> str | None:
    """A special token by its name, such as ``mask_token``."""
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        said = read_object(body / file, optional=True).get(name)
        token = cast("dict[str, Any]", said).get("content") if isinstance(said, dict) else said
        if token:
            return str(token)
    return None
