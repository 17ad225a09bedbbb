"""Make tiny BERT checkpoints in the shapes of real families, and their golden vectors.

It runs in the reference environment of ``make_dense.py``:

    reference/bin/python make_tiny.py

The weights are random and rough on purpose (wide normal noise, LayerNorm far from 1 and 0), so that
a forgotten bias, a wrong activation or a swapped axis shows. Each checkpoint is a whole folder
under ``tiny/NAME/``; ``tiny.npz`` holds what the reference makes of it and ``tiny.json`` says what
each is for. For every NAME and every role of ``none`` (``encode``), ``query`` (``encode_query``)
and ``document`` (``encode_document``) there are arrays named ``NAME/role/...``, for n texts:

- ``ids`` int32, ``offsets`` (n + 1,) int64: the token ids with prompt and special tokens, cut.
- ``untruncated`` (n,) int64: how many tokens prompt and text have without cutting.
- ``vectors`` (n, d) float32, each text encoded alone in float32 on the CPU.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import json
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from make_dense import encode_one_by_one, largest_batch_difference, versions
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from texts import TINY_TEXTS
from tiny_specs import SPECS, TinySpec, tokenizer_files, vocabulary
from transformers import BertConfig, BertForMaskedLM, BertModel

HERE = Path(__file__).parent
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
ROLES = ("none", "query", "document")
BATCH_TOLERANCE = 1e-5


def main() -> None:
    """Write every checkpoint and the golden files."""
    shutil.rmtree(HERE / "tiny", ignore_errors=True)
    arrays: dict[str, np.ndarray] = {}
    notes: dict[str, object] = {}
    for seed, spec in enumerate(SPECS):
        folder = HERE / "tiny" / spec.name
        write_checkpoint(spec, folder, seed)
        if spec.resaved:
            resave(folder)
        model = SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"dtype": torch.float32}
        )
        for role in ROLES:
            made = golden(model, role)
            arrays |= {f"{spec.name}/{role}/{key}": value for key, value in made.items()}
        notes[spec.name] = {
            "what": spec.what,
            "max_seq_length": model.max_seq_length,
            "prompts": {role: role_prompt(model, role) for role in ROLES},
        }

    np.savez_compressed(HERE / "tiny.npz", **arrays)
    record = {"versions": versions(), "checkpoints": notes, "texts": TINY_TEXTS}
    (HERE / "tiny.json").write_text(json.dumps(record, indent=1) + "\n")


def write_checkpoint(spec: TinySpec, folder: Path, seed: int) -> None:
    """Write the weights and every configuration file of one checkpoint."""
    folder.mkdir(parents=True)
    config = BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=spec.layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=spec.positions,
        hidden_act=spec.activation,
        layer_norm_eps=spec.layer_norm_eps,
        initializer_range=0.5,
    )
    torch.manual_seed(seed)
    masked = spec.tensors == "masked language model"
    body = BertForMaskedLM(config) if masked else BertModel(config, add_pooling_layer=spec.pooler)
    tensors = {
        name: tensor.clone()
        for name, tensor in body.state_dict().items()
        # tied to the embeddings, so saved checkpoints leave it out
        if not name.startswith("cls.predictions.decoder")
    }
    for name, tensor in tensors.items():
        if name.endswith("LayerNorm.weight"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("bias"):
            tensor.normal_(0, 0.2)
    if spec.tensors == "position ids":
        tensors["embeddings.position_ids"] = torch.arange(spec.positions)[None]
    else:
        tensors.pop("embeddings.position_ids", None)
    dtype = DTYPES[spec.dtype]
    tensors = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    architecture = type(body).__name__
    settings = config.to_diff_dict() | {"architectures": [architecture], "model_type": "bert"}
    settings |= {"hidden_act": spec.activation, "dtype": spec.dtype}
    write_json(folder / "config.json", settings)
    for path, content in (spec.files() | tokenizer_files(spec)).items():
        (folder / path).parent.mkdir(exist_ok=True)
        write_json(folder / path, content)


def resave(folder: Path) -> None:
    """Let the reference library load the folder and write it anew, in its newest layout."""
    model = SentenceTransformer(str(folder), device="cpu")
    shutil.rmtree(folder)
    model.save(str(folder), create_model_card=False)
    (folder / "README.md").unlink(missing_ok=True)


def role_prompt(model: SentenceTransformer, role: str) -> str:
    """The prompt that the reference puts before a text in a role (read, then checked by golden)."""
    if role == "none":
        return model.prompts.get(model.default_prompt_name or "", "")
    return model.prompts[role]


def golden(model: SentenceTransformer, role: str) -> dict[str, np.ndarray]:
    """Ids, counts and vectors of the tiny texts in one role, each text on its own."""
    encode = {
        "none": model.encode,
        "query": model.encode_query,
        "document": model.encode_document,
    }[role]
    texts = list(TINY_TEXTS.values())
    prompt = role_prompt(model, role)
    arrays = encode_one_by_one(model, texts, prompt=prompt, encode=encode)
    del arrays["attended"]
    difference = largest_batch_difference(model, texts, arrays["vectors"], prompt=prompt)
    if difference > BATCH_TOLERANCE:
        raise SystemExit(f"Batches differ from single texts by {difference:.2e}: no file written.")
    return arrays


def write_json(path: Path, content: object) -> None:
    """JSON that a person can read, except for the vocabulary, which would take a line per token."""
    indent = None if path.name == "tokenizer.json" else 1
    path.write_text(json.dumps(content, indent=indent) + "\n")


if __name__ == "__main__":
    main()
