"""Make a tiny checkpoint of every architecture, and the hidden states that transformers gives it.

It runs in the reference environment of ``make_dense.py``:

    reference/bin/python make_bodies.py                    # writes bodies/, bodies.npz, bodies.json
    reference/bin/python make_bodies.py --layers FOLDER    # and every layer's states in FOLDER

The weights are random and rough on purpose (wide normal noise, norms far from 1, biases far from
0), so that a forgotten bias, a wrong window or a swapped axis shows. ``bodies/NAME/`` holds
config.json and model.safetensors; for every NAME and side of padding that fits it (``right``,
``left``) ``bodies.npz`` has arrays named ``NAME/SIDE/...``, for n texts padded to s tokens:

- ``ids``, ``mask`` (n, s) int32: random token ids, the padding id at padding.
- ``hidden`` (n, s, d) float32: the last hidden states, computed in float32 on the CPU.
- ``states`` (layers + 1, d) float32: after the embeddings and after each layer, the states of the
  first text's first token; for finding where two implementations part.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import argparse
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from make_dense import versions

HERE = Path(__file__).parent
VOCABULARY = 64
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
DECODER = {"num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}
LENGTHS = (5, 40, 17)


@dataclass(frozen=True)
class Spec:
    """One checkpoint: its class of transformers, and what sets its configuration apart."""

    name: str
    what: str
    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    dtype: str = "bfloat16"
    lengths: tuple[int, ...] = LENGTHS
    sides: tuple[str, ...] = ("right",)


SPECS = (
    Spec(
        "bert",
        "float32; a head beside it, so names begin with bert.",
        "BertForMaskedLM",
        dtype="float32",
    ),
    Spec(
        "distilbert",
        "relu",
        "DistilBertModel",
        {
            "hidden_size": None,
            "num_hidden_layers": None,
            "num_attention_heads": None,
            "intermediate_size": None,
            "dim": 24,
            "hidden_dim": 40,
            "n_layers": 2,
            "n_heads": 2,
            "activation": "relu",
        },
    ),
    Spec("roberta", "names begin with roberta.; padding id 1", "RobertaForMaskedLM"),
    Spec(
        "xlm_roberta",
        "padding id 3, one segment, float16",
        "XLMRobertaModel",
        {"pad_token_id": 3, "type_vocab_size": 1},
        dtype="float16",
    ),
    Spec("camembert", "another name for RoBERTa", "CamembertModel", {"num_hidden_layers": 1}),
    Spec(
        "mpnet",
        "a text of 150, so that distances reach the last bucket",
        "MPNetForMaskedLM",
        {"max_position_embeddings": 160},
        lengths=(5, 150, 17),
    ),
    Spec(
        "modernbert",
        "windows of 4 to either side, no biases",
        "ModernBertModel",
        {"num_hidden_layers": 4, "local_attention": 8, "pad_token_id": 0},
    ),
    Spec(
        "modernbert_biases",
        "every bias, named model., its own order of layers, other bases",
        "ModernBertForMaskedLM",
        {
            "num_hidden_layers": 3,
            "local_attention": 12,
            "pad_token_id": 0,
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "hidden_activation": "silu",
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
        },
    ),
    Spec("nomic_bert", "gated, rotary, post-norm", "NomicBertModel"),
    Spec(
        "gemma3",
        "looks both ways, windows of 8 to either side, layer 6 global",
        "Gemma3TextModel",
        DECODER
        | {
            "num_hidden_layers": 7,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "query_pre_attn_scalar": 12,
            "sliding_window": 16,
            "intermediate_size": 32,
            "use_bidirectional_attention": True,
        },
    ),
    Spec(
        "gemma3_causal",
        "looks back, attention with biases, layer 2 global",
        "Gemma3TextModel",
        DECODER
        | {
            "num_hidden_layers": 2,
            "sliding_window": 6,
            "attention_bias": True,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        sides=("right", "left"),
    ),
    Spec(
        "qwen3",
        "looks back; padding on either side",
        "Qwen3Model",
        DECODER,
        sides=("right", "left"),
    ),
    Spec(
        "qwen3_windows",
        "attention with biases, the last layer with a window; named model.",
        "Qwen3ForCausalLM",
        DECODER
        | {
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": 7,
            "max_window_layers": 1,
            "tie_word_embeddings": True,
        },
        sides=("right", "left"),
    ),
)


def main() -> None:
    """Write every checkpoint and the golden files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=Path, help="also write every layer's hidden states here")
    layers = parser.parse_args().layers
    shutil.rmtree(HERE / "bodies", ignore_errors=True)
    arrays: dict[str, np.ndarray] = {}
    notes: dict[str, object] = {}
    for seed, spec in enumerate(SPECS):
        folder = HERE / "bodies" / spec.name
        write_checkpoint(spec, folder, seed)
        body = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        for side in spec.sides:
            made = golden(body, spec, side, seed)
            states = made.pop("layers")
            arrays |= {f"{spec.name}/{side}/{key}": value for key, value in made.items()}
            if layers:
                layers.mkdir(parents=True, exist_ok=True)
                np.save(layers / f"{spec.name}-{side}.npy", states)
        notes[spec.name] = {"what": spec.what, "sides": spec.sides}

    np.savez_compressed(HERE / "bodies.npz", **arrays)
    record = {"versions": versions(), "checkpoints": notes}
    (HERE / "bodies.json").write_text(json.dumps(record, indent=1) + "\n")


def write_checkpoint(spec: Spec, folder: Path, seed: int) -> None:
    """A model with rough random weights, saved by transformers itself."""
    torch.manual_seed(seed)
    kind = getattr(transformers, spec.model)
    settings = {key: value for key, value in (SMALL | spec.settings).items() if value is not None}
    model = kind(kind.config_class(**settings))
    for name, tensor in model.named_parameters():
        tensor.data = rough(name, tensor.data)
    model.tie_weights()
    model.to(getattr(torch, spec.dtype)).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def rough(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Matrices of a scale that keeps numbers near 1, norms and biases far from their defaults."""
    noise = torch.randn(tensor.shape)
    if tensor.dim() == 2:
        table = "embed" in name or "relative" in name
        return noise * (0.7 if table else 1.5 * tensor.shape[1] ** -0.5)
    if name.lower().endswith("norm.weight"):
        return tensor + 0.3 * noise  # 1 for most, 0 for Gemma's, which are distances from 1
    return 0.3 * noise


def golden(body: Any, spec: Spec, side: str, seed: int) -> dict[str, np.ndarray]:
    """Hidden states of random texts of several lengths, in one batch padded on one side."""
    rng = np.random.default_rng(seed)
    padding, longest = body.config.pad_token_id, max(spec.lengths)
    shape = (len(spec.lengths), longest)
    places = np.arange(longest)
    counts = np.array(spec.lengths)[:, None]
    mask = places < counts if side == "right" else places >= longest - counts
    ids = np.where(mask, rng.integers(5, VOCABULARY, shape), padding)
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask).long()}
    with torch.inference_mode():
        out = body(**inputs, output_hidden_states=True)
    states = torch.stack(out.hidden_states).numpy()
    return {
        "ids": ids.astype(np.int32),
        "mask": mask.astype(np.int32),
        "hidden": out.last_hidden_state.numpy(),
        "states": states[:, 0, places[mask[0]][0]],
        "layers": states,
    }


if __name__ == "__main__":
    main()
