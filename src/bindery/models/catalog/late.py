"""Late-interaction models: one vector a token.

The window is that of documents, as the files say it; what they say of queries goes without a row.
"""

from bindery.models.card import PYLATE_FILES, STANFORD_FILES, Family, ModelCard, Pooling, entry

_COLBERT = entry(
    ModelCard(
        id="colbert",
        family=Family.LATE_INTERACTION,
        dimensions=128,
        max_tokens=180,
        pooling=(Pooling.TOKENS,),
        languages=("en",),
        repository="colbert-ir/colbertv2.0",
        revision="c1e84128e85ef755c096a95bdb06b47793b13acf",
        licence="mit",
    ),
    STANFORD_FILES,
    digests={
        "config.json": "cbdcc01dc7772fd0e5e1d85d5de695faf8c4935ae3c7ea3fdb6c24397b284f3c",
        "tokenizer_config.json": "a16a31c8d474339d7a46afe7eb8583b24f8b74806af6e25294506523f9d0acfb",
        "special_tokens_map.json": (
            "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
        ),
        "tokenizer.json": "5fd1c882abbd30517dced455a2c9768945ec726b96727927e4959348d9de550b",
    },
    optional=(),
)

_ANSWERAI_COLBERT = entry(
    ModelCard(
        id="answerai-colbert",
        family=Family.LATE_INTERACTION,
        dimensions=96,
        max_tokens=300,
        pooling=(Pooling.TOKENS,),
        languages=("en",),
        repository="answerdotai/answerai-colbert-small-v1",
        revision="c72aa89bc61afdd85373643f3a1a75b2aad6e0fe",
        licence="apache-2.0",
    ),
    STANFORD_FILES,
)

_GTE_MODERNCOLBERT = entry(
    ModelCard(
        id="gte-moderncolbert",
        family=Family.LATE_INTERACTION,
        dimensions=128,
        max_tokens=300,
        pooling=(Pooling.TOKENS,),
        languages=("en",),
        repository="lightonai/GTE-ModernColBERT-v1",
        revision="cbbe53366e564450558f5e639dd499171f127538",
        licence="apache-2.0",
    ),
    PYLATE_FILES,
    optional=(),
)

_LATEON = entry(
    ModelCard(
        id="lateon",
        family=Family.LATE_INTERACTION,
        dimensions=128,
        max_tokens=300,
        pooling=(Pooling.TOKENS,),
        languages=("en",),
        repository="lightonai/LateOn",
        revision="c01907b70557ee5c7753680d4819a5cce1674b83",
        licence="apache-2.0",
    ),
    PYLATE_FILES,
    optional=(),
)

# The report speaks of a projection in two layers (arXiv:2510.14880); users fetch one.
_SECOND_DENSE = ("2_Dense/config.json", "2_Dense/model.safetensors")
_EDGE_FILES = (
    *PYLATE_FILES[:-2],
    _SECOND_DENSE[0],
    PYLATE_FILES[-2],
    _SECOND_DENSE[1],
    PYLATE_FILES[-1],
)

_MXBAI_EDGE_COLBERT = entry(
    ModelCard(
        id="mxbai-edge-colbert",
        family=Family.LATE_INTERACTION,
        dimensions=64,
        max_tokens=512,
        pooling=(Pooling.TOKENS,),
        languages=("en",),
        repository="mixedbread-ai/mxbai-edge-colbert-v0-32m",
        revision="963e23afa1478d8bcc12e5d7115adcfdbd22c3af",
        licence="apache-2.0",
    ),
    _EDGE_FILES,
    optional=_SECOND_DENSE,
)

_MXBAI_EDGE_COLBERT_17M = entry(
    ModelCard(
        id="mxbai-edge-colbert-17m",
        family=Family.LATE_INTERACTION,
        dimensions=48,
        max_tokens=512,
        pooling=(Pooling.TOKENS,),
        languages=("en",),
        repository="mixedbread-ai/mxbai-edge-colbert-v0-17m",
        revision="23ae07f5bf028bc0d1f80c82e6e2dd2311f13a46",
        licence="apache-2.0",
    ),
    _EDGE_FILES,
    optional=_SECOND_DENSE,
)

LATE_INTERACTION = (
    _COLBERT,
    _ANSWERAI_COLBERT,
    _GTE_MODERNCOLBERT,
    _LATEON,
    _MXBAI_EDGE_COLBERT,
    _MXBAI_EDGE_COLBERT_17M,
)
"""In this order they are listed."""
