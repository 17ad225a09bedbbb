"""How a late-interaction model's texts become tokens: markers, filling up, and what is kept.

Khattab and Zaharia, 2020, ColBERT, section 3.2 (arXiv:2004.12832).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from bindery.encoders.checks import prompt_of
from bindery.encoders.tokeniser import Tokeniser, Tokens
from bindery.errors import ModelBroken
from bindery.models.layouts import LateInteraction, Layout, read_object
from bindery.types import DOCUMENT, QUERY, Role, Truncate

# Tokenisers that do not say which token is their mask have one of these.
_USUAL_MASKS = ("[MASK]", "<mask>")

Kept = npt.NDArray[np.bool_]


class Marking:
    """A late-interaction model's tokeniser and its rules. Safe to call from threads.

    ``reads_special_tokens`` lets a text that says "[MASK]" mean the token, as the reference
    implementations do; else it is ordinary text. Raises ModelBroken for a marker, or a token to
    fill queries up with, that the vocabulary does not have.
    """

    def __init__(
        self, layout: Layout, late: LateInteraction, *, reads_special_tokens: bool = False
    ) -> None:
        self._late = late
        self._card = layout.card
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
            # Markers were perhaps added as ordinary words, which any text could spell out.
            tokeniser = tokeniser.neutralised(filter(None, spelt.values()))
        lengths = {QUERY: late.query_length, DOCUMENT: late.document_length}
        self._tokenisers = {
            role: tokeniser.within(length - len(self._markers[role]))
            for role, length in lengths.items()
        }

    def of(self, role: Role) -> Tokeniser:
        """The tokeniser of a role, whose window leaves room for the marker."""
        prompt_of(self._card, role)
        return self._tokenisers[role]

    def tokenise(
        self, texts: Sequence[str], role: Role, *, truncate: Truncate = Truncate.END
    ) -> list[Tokens]:
        """The texts as the model sees them: special tokens, marker and filling included."""
        found = self.of(role).tokenise(texts, prompt_of(self._card, role), truncate=truncate)
        return [self._filled(self._marked(tokens, role), role) for tokens in found]

    def kept(self, tokens: Tokens, role: Role) -> Kept:
        """Which of a text's tokens keep their vectors: (s,). Never none: special tokens stay."""
        kept = np.ones(len(tokens), dtype=np.bool_)
        if role in self._late.skipped_in:
            kept &= ~np.isin(tokens.ids, self._skipped)
        if role == DOCUMENT and self._padding is not None:
            kept &= tokens.ids != self._padding
        return kept

    def _marked(self, tokens: Tokens, role: Role) -> Tokens:
        """The marker's id stands after the first special token, put there and never spelt out."""
        marker = self._markers[role]
        if not marker:
            return tokens
        place = min(1, self._tokenisers[role].leading_tokens)
        return replace(
            tokens,
            ids=np.insert(tokens.ids, place, marker).astype(np.int32),
            prompt=tokens.prompt and tokens.prompt + 1,
            text=(tokens.text[0] + 1, tokens.text[1] + 1),
        )

    def _filled(self, tokens: Tokens, role: Role) -> Tokens:
        """A query filled up to its length: the model writes words of its own there."""
        if role != QUERY or self._filling is None:
            return tokens
        ids = tokens.ids
        if self._padding is not None:
            ids = np.where(ids == self._padding, np.int32(self._filling), ids)
        fills_to = self._late.expanded_length or self._late.query_length
        missing = max(0, fills_to - len(tokens))
        filling = np.full(missing, self._filling, dtype=np.int32)
        return replace(tokens, ids=np.concatenate([ids, filling]), expansion=missing)


def tokeniser_of(layout: Layout, role: Role) -> Tokeniser:
    """What a model of any family reads the texts of a role with, its window as long as the role's.

    Its ``room`` leaves out the marker of a late-interaction model. Raises InvalidValue for a role
    that the model does not have, and what :class:`Marking` raises.
    """
    if layout.late is None:
        prompt_of(layout.card, role)
        return Tokeniser.of(layout)
    return Marking(layout, layout.late).of(role)


def _id_of(tokeniser: Tokeniser, token: str, body: Path) -> int:
    found = tokeniser.token_id(token)
    if found is None:
        raise ModelBroken(
            f"The tokeniser of {body} has no token {token!r}, which its model was trained with.",
            remedy="Its tokenizer.json belongs to another model, or was saved without it.",
        )
    return found


def _filling(tokeniser: Tokeniser, late: LateInteraction, body: Path) -> int:
    """The token that queries are filled up with: the mask, or where there is none the end."""
    usual = [token for token in _USUAL_MASKS if tokeniser.token_id(token) is not None]
    named = _named(body, "mask_token") or "".join(usual[:1]) or _named(body, "eos_token")
    return _id_of(tokeniser, late.expansion_token or named or _USUAL_MASKS[0], body)


def _skipped(tokeniser: Tokeniser, late: LateInteraction, body: Path) -> npt.NDArray[np.int64]:
    """The ids not kept. A word that the vocabulary lacks must not skip every unknown token."""
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
