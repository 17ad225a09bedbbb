"""Full-size checkpoints with random weights, in the layouts of the real ones.

    python make_full_size.py KIND FOLDER VOCABULARY_FOLDER

Speed does not depend on the values of weights, so models whose files are not available are timed on
these. Every kind uses the tokeniser of all-MiniLM (BERT, English), so both sides see the same ids;
the embedding table still has its real size.
"""
# pyright: basic, reportMissingImports=false

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertModel,
    Gemma3TextConfig,
    Gemma3TextModel,
    ModernBertConfig,
    ModernBertModel,
)

TOKENISER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
MODULE = "sentence_transformers.models"


def main() -> None:
    """Write one folder."""
    kind, folder, source = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    KINDS[kind](folder)
    for name in TOKENISER:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)


def write_colbert(folder: Path) -> None:
    """ColBERTv2: BERT-base and a projection to 128, in Stanford's layout."""
    body = BertModel(BertConfig())
    tensors = {f"bert.{name}": tensor for name, tensor in noisy(body).items()}
    tensors["linear.weight"] = torch.randn(128, 768) * 0.05
    save(folder, tensors, body, architectures=["HF_ColBERT"])
    write(folder / "artifact.metadata", {"query_maxlen": 32, "doc_maxlen": 180, "dim": 128})


def write_gemma(folder: Path) -> None:
    """EmbeddingGemma-300m: 24 layers and two dense steps after the mean."""
    config = Gemma3TextConfig(
        vocab_size=262144,
        hidden_size=768,
        intermediate_size=1152,
        num_hidden_layers=24,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=256,
        query_pre_attn_scalar=256,
        sliding_window=512,
        use_bidirectional_attention=True,
        max_position_embeddings=2048,
        rms_norm_eps=1e-6,
    )
    body = Gemma3TextModel(config)
    save(folder, noisy(body), body, sliding_window=512)
    modules = ["Transformer", "Pooling", "Dense", "Dense", "Normalize"]
    write_modules(folder, modules, window=2048, width=768)
    for place, (inputs, outputs) in {2: (768, 3072), 3: (3072, 768)}.items():
        part = folder / f"{place}_Dense"
        write(
            part / "config.json",
            {
                "in_features": inputs,
                "out_features": outputs,
                "bias": False,
                "activation_function": "torch.nn.modules.linear.Identity",
            },
        )
        weight = torch.randn(outputs, inputs) * inputs**-0.5
        save_file({"linear.weight": weight}, part / "model.safetensors")


def write_modernbert(folder: Path) -> None:
    """ModernBERT-base, pooled by its mean."""
    body = ModernBertModel(ModernBertConfig())
    save(folder, noisy(body), body)
    write_modules(folder, ["Transformer", "Pooling", "Normalize"], window=8192, width=768)


def noisy(body: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The body's tensors; norms, which are initialised to ones or zeros, get some noise."""
    return {
        name: tensor + torch.randn_like(tensor) * 0.2 if "norm" in name.lower() else tensor.clone()
        for name, tensor in body.state_dict().items()
        if tensor.is_floating_point()
    }


def save(folder: Path, tensors: dict[str, torch.Tensor], body: Any, **settings: object) -> None:
    """The weights in float32 and the configuration."""
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write(folder / "config.json", body.config.to_dict() | {"dtype": "float32"} | settings)


def write_modules(folder: Path, kinds: list[str], *, window: int, width: int) -> None:
    """The configuration of sentence-transformers."""
    paths = ["" if kind == "Transformer" else f"{i}_{kind}" for i, kind in enumerate(kinds)]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"{MODULE}.{kind}"}
        for place, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    write(folder / "modules.json", modules)
    write(folder / "sentence_bert_config.json", {"max_seq_length": window, "do_lower_case": False})
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    write(folder / "1_Pooling" / "config.json", pooling)


def write(path: Path, content: object) -> None:
    """Write JSON, creating the folder."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


KINDS: Mapping[str, Callable[[Path], None]] = {
    "colbert": write_colbert,
    "gemma": write_gemma,
    "modernbert": write_modernbert,
}

if __name__ == "__main__":
    main()
