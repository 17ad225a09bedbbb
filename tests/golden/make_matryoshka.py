"""Make a tiny EmbeddingGemma and its golden vectors: every prompt, titles, every dimension.

It runs in the reference environment of ``make_dense.py``:

    reference/bin/python make_matryoshka.py

``matryoshka/`` is the whole folder: five modules, seven layers of which the sixth sees everything
and the others 8 tokens to each side, weights random and rough, kept in bfloat16. In
``matryoshka.npz``, for n texts:

- ``ROLE/ids``, ``ROLE/offsets``, ``ROLE/untruncated``, ``ROLE/vectors``: as ``make_tiny.py`` has
  them, for every prompt of the model; of the first six texts alone where it is a task's own.
- ``titled/...``: the same for documents with the titles ``TITLES``, one each in turn.
- ``query/cut/K``, ``titled/cut/K`` (n, K): what the reference gives with ``truncate_dim`` and
  ``normalize_embeddings``; without the latter it leaves them shorter than 1, which is checked.
- ``document/states``: the body's hidden states of all texts, special tokens and prompt included.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import json
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import tiny_tokenisers
import torch
from make_dense import encode_one_by_one, largest_batch_difference, versions
from make_tiny import write_json
from pipeline_specs import TEXTS
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, Gemma3TextConfig

HERE = Path(__file__).parent
FOLDER = HERE / "matryoshka"
WIDTH = 48
SLIDING_WINDOW = 16
CUTS = (32, 16, 8)
BATCH_TOLERANCE = 1e-5

SEARCH, DOCUMENT = "task: search result | query: ", "title: none | text: "
CLASSIFICATION = "task: classification | query: "
SIMILARITY = "task: sentence similarity | query: "
PROMPTS = {
    "query": SEARCH,
    "document": DOCUMENT,
    "BitextMining": SEARCH,
    "Clustering": "task: clustering | query: ",
    "Classification": CLASSIFICATION,
    "InstructionRetrieval": "task: code retrieval | query: ",
    "MultilabelClassification": CLASSIFICATION,
    "PairClassification": SIMILARITY,
    "Reranking": SEARCH,
    "Retrieval-query": SEARCH,
    "Retrieval-document": DOCUMENT,
    "STS": SIMILARITY,
    "Summarization": "task: summarization | query: ",
}
TITLES = ("Shelf care", "{title} of {0} {", " padded ", "a | text: b", "紙 and Caf\u00e9", "none")
GEMMA_TEXTS = TEXTS | {"literal <bos>": "<bos> paper <eos>", "two breaks": "paper\n\nshelf"}


def main() -> None:
    """Write the folder and the golden files."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    write_folder()
    model = SentenceTransformer(str(FOLDER), device="cpu", model_kwargs={"dtype": torch.float32})
    texts = list(GEMMA_TEXTS.values())
    arrays: dict[str, np.ndarray] = {}
    for role, prompt in PROMPTS.items():
        if role not in {"query", "document"} and prompt in {SEARCH, DOCUMENT}:
            continue  # the same prompt gives the same vectors
        some = texts if role in {"query", "document"} else texts[:6]
        arrays |= {f"{role}/{key}": value for key, value in golden(model, some, prompt).items()}
    titles = [TITLES[place % len(TITLES)] for place in range(len(texts))]
    arrays |= {f"titled/{key}": value for key, value in titled(model, texts, titles).items()}
    arrays |= cuts(model, texts, [SEARCH] * len(texts), "query")
    arrays |= cuts(model, texts, [f"title: {title} | text: " for title in titles], "titled")
    states = [
        model.encode([text], prompt=DOCUMENT, output_value="token_embeddings")[0].numpy()
        for text in texts[:6]
    ]
    arrays["document/states"] = np.concatenate(states).astype(np.float32)

    np.savez_compressed(HERE / "matryoshka.npz", **arrays)
    record = {
        "versions": versions(),
        "max_seq_length": model.max_seq_length,
        "prompts": PROMPTS,
        "titles": titles,
        "cuts": CUTS,
        "texts": GEMMA_TEXTS,
        "states": list(GEMMA_TEXTS)[:6],
    }
    (HERE / "matryoshka.json").write_text(json.dumps(record, indent=1) + "\n")


def write_folder() -> None:
    """Write the body, the tokeniser and the five modules."""
    FOLDER.mkdir()
    content = tiny_tokenisers.gemma()
    write_json(FOLDER / "tokenizer.json", content)
    settings = tiny_tokenisers.NAMES["gemma"] | {
        "tokenizer_class": "GemmaTokenizer", "model_max_length": 2048, "padding_side": "right",
        "add_bos_token": True, "add_eos_token": True,
    }  # fmt: skip
    write_json(FOLDER / "tokenizer_config.json", settings)
    kinds = ("Transformer", "Pooling", "Dense", "Dense", "Normalize")
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    write_json(FOLDER / "modules.json", modules)
    write_json(FOLDER / "sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": False})
    own = {"prompts": PROMPTS, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    write_json(FOLDER / "config_sentence_transformers.json", own)
    (FOLDER / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}
    write_json(FOLDER / "1_Pooling" / "config.json", pooling | {"include_prompt": True})

    torch.manual_seed(7)
    write_body(len(content["model"]["vocab"]) + 1)
    for place, (inputs, outputs) in ((2, (WIDTH, 4 * WIDTH)), (3, (4 * WIDTH, WIDTH))):
        folder = FOLDER / f"{place}_Dense"
        folder.mkdir()
        dense = {
            "in_features": inputs,
            "out_features": outputs,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
        write_json(folder / "config.json", dense)
        save({"linear.weight": torch.randn(outputs, inputs) / inputs**0.5}, folder)


def write_body(vocabulary: int) -> None:
    """Seven layers of Gemma 3, looking both ways, with noisy norms."""
    config = Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=7,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=16,
        query_pre_attn_scalar=16,
        max_position_embeddings=128,
        sliding_window=SLIDING_WINDOW,
        use_bidirectional_attention=True,
        initializer_range=0.3,
    )
    AutoModel.from_config(config).save_pretrained(FOLDER)
    tensors = load_file(FOLDER / "model.safetensors")
    for name, tensor in tensors.items():
        if name.endswith("norm.weight"):
            tensor.uniform_(-0.5, 0.5)
    save(tensors, FOLDER)
    path = FOLDER / "config.json"
    written = json.loads(path.read_text()) | {"dtype": "bfloat16"}
    if written["sliding_window"] != SLIDING_WINDOW:
        raise SystemExit("This transformers halves the window when it saves: no file written.")
    write_json(path, written)


def save(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Save in bfloat16."""
    narrowed = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in tensors.items()}
    save_file(narrowed, folder / "model.safetensors", metadata={"format": "pt"})


def golden(model: SentenceTransformer, texts: list[str], prompt: str) -> dict[str, np.ndarray]:
    """Ids, counts and vectors of the texts behind one prompt, each text on its own."""

    def encode(batch: list[str], **more: object) -> np.ndarray:
        return model.encode(batch, prompt=prompt, **more)

    arrays = encode_one_by_one(model, texts, prompt=prompt, encode=encode)
    del arrays["attended"]
    difference = largest_batch_difference(model, texts, arrays["vectors"], prompt=prompt)
    if difference > BATCH_TOLERANCE:
        raise SystemExit(f"Batches differ from single texts by {difference:.2e}: no file written.")
    return arrays


def titled(
    model: SentenceTransformer, texts: list[str], titles: list[str]
) -> dict[str, np.ndarray]:
    """The same, each text with a title of its own."""
    alone = [
        golden(model, [text], f"title: {title} | text: ")
        for text, title in zip(texts, titles, strict=True)
    ]
    joined = {
        key: np.concatenate([one[key] for one in alone])
        for key in ("ids", "untruncated", "vectors")
    }
    lengths = [len(one["ids"]) for one in alone]
    return joined | {"offsets": np.cumsum([0, *lengths], dtype=np.int64)}


def cuts(
    model: SentenceTransformer, texts: list[str], prompts: list[str], name: str
) -> dict[str, np.ndarray]:
    """The texts at every shorter dimension."""
    found = {}
    for size in CUTS:
        rows = {
            normalised: np.stack(
                [
                    model.encode(
                        [text],
                        prompt=prompt,
                        truncate_dim=size,
                        normalize_embeddings=normalised,
                    )[0]
                    for text, prompt in zip(texts, prompts, strict=True)
                ]
            )
            for normalised in (False, True)
        }
        if np.linalg.norm(rows[False], axis=1).max() > 0.99:
            raise SystemExit("truncate_dim brought vectors back to length 1: read its source.")
        found[f"{name}/cut/{size}"] = rows[True]
    return found


if __name__ == "__main__":
    main()
