"""What rows have in common: the files of the usual layouts, and a row from a card and its files."""

from collections.abc import Iterable, Mapping

from bindery.models.card import CatalogEntry, ModelCard, Release, Wheel

SENTENCE_TRANSFORMERS_FILES = (
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "model.safetensors",
)
"""What a dense model of the usual layout consists of, the weights last."""

PYLATE_FILES = (
    "config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Dense/config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "1_Dense/model.safetensors",
    "model.safetensors",
)
"""What a late-interaction model consists of as PyLate saves it, the weights last."""

STANFORD_FILES = (
    "config.json",
    "artifact.metadata",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "model.safetensors",
)
"""What a late-interaction model consists of as ColBERT's authors save it, the weights last."""

OFTEN_ABSENT = frozenset(
    {
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
    }
)
"""What not every model of a usual layout has, and none needs."""


def entry(
    card: ModelCard,
    files: Iterable[str],
    *,
    digests: Mapping[str, str] | None = None,
    optional: Iterable[str] = OFTEN_ABSENT,
    gated: bool = False,
    mirrors: tuple[str, ...] = (),
    wheel: Wheel | None = None,
    verified: bool = False,
) -> CatalogEntry:
    """The row of a model whose files are in the repository of its card.

    ``digests`` are the SHA-256 known beforehand, by path; of files without one the first download
    is written down and every later one must match. Of ``optional`` those count that are in
    ``files``.
    """
    names = tuple(files)
    known = digests or {}
    assert known.keys() <= set(names), f"digests of files that {card.id} does not have"
    release = Release(
        repository=card.repository,
        revision=card.revision,
        files={name: known.get(name) for name in names},
        gated=gated,
        mirrors=mirrors,
        wheel=wheel,
        optional=frozenset(optional) & set(names),
    )
    return CatalogEntry(card, release, verified=verified)
