"""Make tiny late-interaction checkpoints in three layouts, and their golden vectors.

It runs in the reference environment of ``make_dense.py``:

    reference/bin/python make_late.py

The weights are random and rough on purpose, as in ``make_tiny.py``. ``late/NAME/`` are whole
checkpoints: ``stanford`` as colbert-ai saves them, ``pylate`` and ``modernbert`` (with a byte-level
tokeniser, and queries not filled up) as PyLate does, ``native`` as sentence-transformers 6.2 writes
it itself. ``late.json`` holds the texts, and the variants: a
checkpoint and the keys of its files to change. For every variant V and role R of ``query`` and
``document`` ``late.npz`` has, for n texts, each encoded alone in float32 on the CPU:

- ``V/R/ids`` int32, ``V/R/attended`` and ``V/R/kept`` bool, ``V/R/offsets`` (n + 1,) int64: the
  tokens with special tokens, marker and filling; which are attended to; which keep their vectors.
- ``V/R/vectors`` (r, d) float32, ``V/R/rows`` (n + 1,) int64: the vectors kept, and where each
  text's begin.
- ``V/scores`` (n, n) float32: MaxSim of every query with every document.

``pooling.npz`` holds rows of length 1 (``rows``, ``offsets``) and, for every F and P of ``pooling``
in ``late.json``, what HierarchicalTokenPooling makes of them (``F/P/rows``, ``F/P/offsets``).
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import json
import os
import shutil
import string
import tempfile
from itertools import pairwise
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from late_specs import MARKERS, POOLED_LENGTHS, POOLING, SPECIAL_TEXTS, TEXTS, Variant, all_variants
from make_dense import versions
from safetensors.torch import save_file
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling
from tiny_specs import TinySpec, tokenizer_files, vocabulary
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel

HERE = Path(__file__).parent
HIDDEN, WIDTH = 24, 8
ROLES = ("query", "document")
TOLERANCE = 1e-5


def main() -> None:
    """Write every checkpoint and the golden files."""
    shutil.rmtree(HERE / "late", ignore_errors=True)
    write_stanford(HERE / "late" / "stanford", seed=1)
    write_pylate(HERE / "late" / "pylate", seed=2)
    write_native(HERE / "late" / "pylate", HERE / "late" / "native")
    write_modernbert(HERE / "late" / "modernbert", seed=4)

    arrays: dict[str, np.ndarray] = {}
    variants = all_variants(json.loads((HERE / "late/native/modules.json").read_text()))
    for name, variant in variants.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = changed(HERE / "late" / variant["checkpoint"], variant, Path(scratch) / name)
            model = MultiVectorEncoder(
                str(folder), device="cpu", model_kwargs={"dtype": torch.float32}
            )
            arrays |= {f"{name}/{key}": value for key, value in golden(model).items()}
    np.savez_compressed(HERE / "late.npz", **arrays)
    np.savez_compressed(HERE / "pooling.npz", **pooled())
    record = {
        "versions": versions(),
        "texts": TEXTS,
        "special_texts": SPECIAL_TEXTS,
        "variants": variants,
        "pooling": POOLING,
    }
    (HERE / "late.json").write_text(json.dumps(record, indent=1) + "\n")


def changed(checkpoint: Path, variant: Variant, folder: Path) -> Path:
    """A copy of a checkpoint with a variant's changes."""
    shutil.copytree(checkpoint, folder)
    for name, change in variant["changes"].items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        found = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(change if isinstance(change, list) else found | change))
    return folder


def write_stanford(folder: Path, seed: int) -> None:
    """An HF_ColBERT: the projection among the body's tensors, which are named ``bert.*``."""
    torch.manual_seed(seed)
    tokens = len(vocabulary())
    tensors = {f"bert.{name}": tensor for name, tensor in body(tokens, layers=2).items()}
    tensors["linear.weight"] = torch.randn(WIDTH, HIDDEN)
    write(folder, tensors, config(tokens, layers=2) | {"architectures": ["HF_ColBERT"]})
    metadata = {
        "query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_token": "[Q]",
        "doc_token": "[D]", "query_maxlen": 12, "doc_maxlen": 24, "mask_punctuation": True,
        "attend_to_mask_tokens": False, "dim": WIDTH, "similarity": "cosine", "nbits": 2,
    }  # fmt: skip
    (folder / "artifact.metadata").write_text(json.dumps(metadata, indent=1) + "\n")


def write_pylate(folder: Path, seed: int) -> None:
    """A BERT with markers added to the vocabulary."""
    torch.manual_seed(seed)
    tokens = len(vocabulary()) + len(MARKERS)
    write(folder, body(tokens, layers=1), config(tokens, layers=1), markers=MARKERS)
    write_pylate_modules(folder)


def write_modernbert(folder: Path, seed: int) -> None:
    """A ModernBERT, one layer of two with a window of 4 to each side; queries not filled up."""
    torch.manual_seed(seed)
    tokeniser = byte_level_tokeniser()
    settings = ModernBertConfig(
        vocab_size=tokeniser.get_vocab_size(), hidden_size=HIDDEN, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=36, max_position_embeddings=40,
        local_attention=8, global_attn_every_n_layers=2, initializer_range=0.3, pad_token_id=0,
        cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    tensors = roughened(ModernBertModel(settings))
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    found = settings.to_dict() | {"architectures": ["ModernBertModel"]}
    write_json(folder / "config.json", found)
    write_json(folder / "tokenizer.json", json.loads(tokeniser.to_str()))
    named = {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 40,
        "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
        "mask_token": "[MASK]", "model_input_names": ["input_ids", "attention_mask"],
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", named)
    write_pylate_modules(folder, do_query_expansion=False)


def byte_level_tokeniser() -> Tokenizer:
    """As ModernBERT's: bytes merged into pieces, blanks part of words, no lower case."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokeniser = Tokenizer(BPE())
    tokeniser.normalizer = NFC()
    tokeniser.pre_tokenizer = ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokeniser.train_from_iterator(TEXTS.values(), trainer)
    tokeniser.add_tokens(list(MARKERS))
    tokeniser.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokeniser


def write_pylate_modules(folder: Path, **changes: object) -> None:
    """Two Dense with residuals, of which the second projects to the width of the vectors."""
    dense = {
        "1_Dense": (HIDDEN, 16, True, "torch.nn.modules.activation.GELU"),
        "2_Dense": (16, WIDTH, False, "torch.nn.modules.linear.Identity"),
    }
    modules = [("", "sentence_transformers.models.Transformer")]
    for path, (inputs, outputs, bias, activation) in dense.items():
        settings = {
            "in_features": inputs, "out_features": outputs, "bias": bias,
            "activation_function": activation, "use_residual": True,
        }  # fmt: skip
        (folder / path).mkdir()
        write_json(folder / path / "config.json", settings)
        tensors = {
            "linear.weight": torch.randn(outputs, inputs) / 4,
            "residual.weight": torch.randn(outputs, inputs) / 4,
        }
        if bias:
            tensors["linear.bias"] = torch.randn(outputs)
        save_file(tensors, folder / path / "model.safetensors")
        modules.append((path, "pylate.models.Dense.Dense"))
    lines = [
        {"idx": index, "name": str(index), "path": path, "type": kind}
        for index, (path, kind) in enumerate(modules)
    ]
    write_json(folder / "modules.json", lines)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
    own = {
        "model_type": "ColBERT", "prompts": {}, "similarity_fn_name": "MaxSim",
        "query_prefix": MARKERS[0], "document_prefix": MARKERS[1], "query_length": 12,
        "document_length": 24, "attend_to_expansion_tokens": False,
        "skiplist_words": list(string.punctuation), "do_query_expansion": True,
    }  # fmt: skip
    write_json(folder / "config_sentence_transformers.json", own | changes)


def write_native(source: Path, folder: Path) -> None:
    """Let the reference load a PyLate checkpoint and save it in its own layout."""
    MultiVectorEncoder(str(source), device="cpu").save(str(folder), create_model_card=False)
    (folder / "README.md").unlink(missing_ok=True)


def config(tokens: int, *, layers: int) -> dict:
    """A BERT's config.json."""
    made = BertConfig(
        vocab_size=tokens, hidden_size=HIDDEN, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=36, max_position_embeddings=40, initializer_range=0.5,
    )  # fmt: skip
    return made.to_diff_dict() | {"architectures": ["BertModel"], "model_type": "bert"}


def body(tokens: int, *, layers: int) -> dict[str, torch.Tensor]:
    """A BERT's weights."""
    made = BertConfig(**config(tokens, layers=layers))
    return roughened(BertModel(made, add_pooling_layer=False))


def roughened(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Random weights with norms far from 1 and 0."""
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors.pop("embeddings.position_ids", None)
    for name, tensor in tensors.items():
        if name.lower().endswith("norm.weight"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("bias"):
            tensor.normal_(0, 0.2)
    return tensors


def write(
    folder: Path, tensors: dict[str, torch.Tensor], settings: dict, markers: tuple[str, ...] = ()
) -> None:
    """Weights, configuration and tokeniser; ``markers`` are added as ordinary words."""
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", settings)
    files = tokenizer_files(TinySpec("late", "late interaction", tokenizer_limit=40))
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    files["tokenizer.json"]["added_tokens"] += [
        {"id": len(vocabulary()) + place, "content": marker, "special": False} | plain
        for place, marker in enumerate(markers)
    ]
    for name, content in files.items():
        write_json(folder / name, content)


def golden(model: MultiVectorEncoder) -> dict[str, np.ndarray]:
    """Tokens, vectors and scores of the texts in both roles, each text on its own."""
    arrays: dict[str, np.ndarray] = {}
    found: dict[str, list[torch.Tensor]] = {}
    texts = list(TEXTS.values())
    for role in ROLES:
        ids, attended, kept, vectors = [], [], [], []
        for text in texts:
            features = model.preprocess([text], prompt=model.prompts.get(role), task=role)
            ids.append(features["input_ids"][0].numpy().astype(np.int32))
            attended.append(features["attention_mask"][0].numpy().astype(bool))
            with torch.inference_mode():
                kept.append(scored(model, features, role))
            encode = model.encode_query if role == "query" else model.encode_document
            vectors.append(encode([text], batch_size=1, show_progress_bar=False)[0].float().cpu())
        together = (model.encode_query if role == "query" else model.encode_document)(
            texts, batch_size=len(texts), show_progress_bar=False
        )
        for one, many in zip(vectors, together, strict=True):
            if one.shape != many.shape or float((one - many).abs().max()) > TOLERANCE:
                raise SystemExit(f"Batches differ from single texts in {role}: no file written.")
        found[role] = vectors
        arrays |= {
            f"{role}/ids": np.concatenate(ids),
            f"{role}/attended": np.concatenate(attended),
            f"{role}/kept": np.concatenate(kept),
            f"{role}/offsets": offsets(ids),
            f"{role}/vectors": torch.cat(vectors).numpy(),
            f"{role}/rows": offsets(vectors),
        }
    arrays["scores"] = model.similarity(found["query"], found["document"]).numpy()
    return arrays


def scored(model: MultiVectorEncoder, features: dict, role: str) -> np.ndarray:
    """Which tokens MultiVectorMask keeps, before any pooling."""
    features = dict(features)
    for module in model:
        features = module(features, **({"task": role} if "task" in module.forward_kwargs else {}))
        if type(module).__name__ == "MultiVectorMask":
            return features["attention_mask"][0].numpy().astype(bool)
    raise SystemExit("The reference has no MultiVectorMask.")


def pooled() -> dict[str, np.ndarray]:
    """Random rows near each other in groups, and what every factor makes of them."""
    torch.manual_seed(3)
    centres = torch.randn(9, 6)
    texts = [
        torch.nn.functional.normalize(
            centres[torch.randint(9, (length,))] + 0.4 * torch.randn(length, 6), dim=-1
        )
        for length in POOLED_LENGTHS
    ]
    arrays = {"rows": torch.cat(texts).numpy(), "offsets": offsets(texts)}
    for factor, protected in POOLING:
        pooling = HierarchicalTokenPooling(factor, num_protected_tokens=protected)
        found = pooling.pool(texts)
        arrays[f"{factor}/{protected}/rows"] = torch.cat(found).numpy()
        arrays[f"{factor}/{protected}/offsets"] = offsets(found)
    assert all(a <= b for a, b in pairwise(arrays["offsets"]))
    return arrays


def offsets(texts: list) -> np.ndarray:
    """Where each text begins in their concatenation, and the end."""
    return np.cumsum([0, *map(len, texts)], dtype=np.int64)


def write_json(path: Path, content: object) -> None:
    """JSON that a person can read, but for the vocabulary, which would take a line per token."""
    indent = None if path.name == "tokenizer.json" else 1
    path.write_text(json.dumps(content, indent=indent) + "\n")


if __name__ == "__main__":
    main()
