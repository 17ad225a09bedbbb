"""Matryoshka models: one vector per text, trained to be cut to fewer dimensions."""

from bindery.models.card import (
    MULTILINGUAL,
    SENTENCE_TRANSFORMERS_FILES,
    BeforeCut,
    Family,
    ModelCard,
    Pooling,
    entry,
)

_GEMMA_SEARCH = "task: search result | query: "
_GEMMA_DOCUMENT = "title: none | text: "
_GEMMA_CLASSIFICATION = "task: classification | query: "
_GEMMA_SIMILARITY = "task: sentence similarity | query: "

_GEMMA = entry(
    ModelCard(
        id="gemma",
        family=Family.MATRYOSHKA,
        dimensions=768,
        nested_dimensions=(512, 256, 128),
        max_tokens=2048,
        pooling=(Pooling.MEAN,),
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
        title_prompt="title: {title} | text: ",
        languages=(MULTILINGUAL,),
        repository="google/embeddinggemma-300m",
        revision="57c266a740f537b4dc058e1b0cda161fd15afa75",
        licence="gemma",
    ),
    (
        *SENTENCE_TRANSFORMERS_FILES[:-1],
        "2_Dense/config.json",
        "3_Dense/config.json",
        "2_Dense/model.safetensors",
        "3_Dense/model.safetensors",
        "model.safetensors",
    ),
    optional=("special_tokens_map.json",),
    gated=True,
    mirrors=("unsloth/embeddinggemma-300m",),
)

_NOMIC = entry(
    ModelCard(
        id="nomic",
        family=Family.MATRYOSHKA,
        dimensions=768,
        nested_dimensions=(512, 256, 128, 64),
        before_cut=BeforeCut.LAYER_NORM,
        max_tokens=8192,
        pooling=(Pooling.MEAN,),
        # Its modules end with the pooling; cut vectors still have length 1.
        normalised=False,
        prompts={
            "query": "search_query: ",
            "document": "search_document: ",
            "Classification": "classification: ",
            "Clustering": "clustering: ",
        },
        languages=("en",),
        repository="nomic-ai/nomic-embed-text-v1.5",
        revision="e9b6763023c676ca8431644204f50c2b100d9aab",
        licence="apache-2.0",
    ),
    digests={"tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"},
)

_QWEN3 = entry(
    ModelCard(
        id="qwen3",
        family=Family.MATRYOSHKA,
        dimensions=1024,
        # Its card allows any number from 32 up; these are the halves.
        nested_dimensions=(512, 256, 128, 64, 32),
        max_tokens=32768,
        pooling=(Pooling.LAST,),
        prompts={
            "query": "Instruct: Given a web search query, retrieve relevant passages that answer "
            "the query\nQuery:",
        },
        languages=(MULTILINGUAL,),
        repository="Qwen/Qwen3-Embedding-0.6B",
        revision="97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
        licence="apache-2.0",
    ),
    digests={
        "config.json": "b5bf1f51fc45be473a54718cef92448d90a1be001bf9b9a44b8c7f10a19feaa9",
        "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        "tokenizer_config.json": "253153d0738ceb4c668d2eff957714dd2bea0b56de772a9fdccd96cbf517e6a0",
        "tokenizer.json": "def76fb086971c7867b829c23a26261e38d9d74e02139253b38aeb9df8b4b50a",
        "model.safetensors": "0437e45c94563b09e13cb7a64478fc406947a93cb34a7e05870fc8dcd48e23fd",
    },
)

MATRYOSHKA = (_GEMMA, _NOMIC, _QWEN3)
"""In the order in which they are listed."""
