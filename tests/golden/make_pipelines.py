"""Make tiny dense folders of every body, each with its family's tokeniser, and golden vectors.

It runs in the reference environment of ``make_dense.py``:

    reference/bin/python make_pipelines.py

Each checkpoint is a whole folder under ``pipelines/NAME/``, with random, rough weights kept in
float16 (which float32 holds exactly). ``pipelines.npz`` holds for every NAME and role what
``make_tiny.py`` says, and beside it:

- ``NAME/document/cut/K`` (n, K) float32: the vectors cut to K values and brought back to length 1,
  after layer normalisation where the model is ``nomic``.
- ``NAME/document/states`` float32: the body's hidden states of the texts ``STATES``, one under the
  other, special tokens included.
"""
# pyright: basic, reportMissingImports=false, reportArgumentType=false

import json
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import make_tiny
import numpy as np
import tiny_tokenisers
import torch
from make_dense import versions
from make_tiny import golden, role_prompt, write_json
from pipeline_specs import SPECS, TEXTS, WIDTH, PipelineSpec
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch.nn.functional import layer_norm, normalize
from transformers import AutoConfig, AutoModel

HERE = Path(__file__).parent
ROLES = ("query", "document")
STATES = ("words", "pieces", "empty")


def main() -> None:
    """Write every folder and the golden files."""
    shutil.rmtree(HERE / "pipelines", ignore_errors=True)
    make_tiny.TINY_TEXTS = TEXTS
    arrays: dict[str, np.ndarray] = {}
    notes: dict[str, object] = {}
    for seed, spec in enumerate(SPECS):
        folder = HERE / "pipelines" / spec.name
        write_folder(spec, folder, seed)
        model = load(folder)
        for role in ROLES:
            made = golden(model, role)
            arrays |= {f"{spec.name}/{role}/{key}": value for key, value in made.items()}
        arrays |= cuts(spec, arrays)
        arrays[f"{spec.name}/document/states"] = states(model)
        notes[spec.name] = {
            "what": spec.what,
            "max_seq_length": model.max_seq_length,
            "prompts": {role: role_prompt(model, role) for role in ROLES},
            "tokenizer": type(model.tokenizer).__name__,
        }

    np.savez_compressed(HERE / "pipelines.npz", **arrays)
    record = {"versions": versions(), "checkpoints": notes, "texts": TEXTS, "states": STATES}
    (HERE / "pipelines.json").write_text(json.dumps(record, indent=1) + "\n")


def load(folder: Path) -> SentenceTransformer:
    """The reference's model of a folder, in float32."""
    return SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


def write_folder(spec: PipelineSpec, folder: Path, seed: int) -> None:
    """Write the weights and every configuration file."""
    folder.mkdir(parents=True)
    content = getattr(tiny_tokenisers, spec.tokeniser)() | spec.file
    names = tiny_tokenisers.NAMES[spec.tokeniser]
    write_json(folder / "tokenizer.json", content)
    write_json(folder / "tokenizer_config.json", names | {"model_max_length": 64} | spec.settings)
    for path, values in spec.files().items():
        (folder / path).parent.mkdir(exist_ok=True)
        write_json(folder / path, values)

    torch.manual_seed(seed)
    config = body_config(spec, content)
    # Saved and read again, for the names of tensors in memory are not always those of the hub.
    AutoModel.from_config(config).save_pretrained(folder)
    save_rough(load_file(folder / "model.safetensors"), folder)
    settings = config.to_diff_dict() | {"model_type": spec.body, "dtype": "float16"}
    write_json(folder / "config.json", settings)
    for place, (kind, values) in enumerate(spec.steps, 2):
        if kind != "Normalize":
            save_rough(step_tensors(kind, values), folder / f"{place}_{kind}")


def body_config(spec: PipelineSpec, content: dict) -> object:
    """A body of two narrow layers with the vocabulary of its tokeniser."""
    narrow = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 24,
    }
    if spec.body == "distilbert":
        narrow = {"dim": WIDTH, "n_layers": 2, "n_heads": 4, "hidden_dim": 24}
    size = len(content["model"]["vocab"])
    shape = {"vocab_size": size, "initializer_range": 0.4, **narrow, **spec.config}
    return AutoConfig.for_model(spec.body, **shape)


def step_tensors(kind: str, values: dict) -> dict[str, torch.Tensor]:
    """Random tensors of a module after the pooling."""
    if kind == "LayerNorm":
        width = values["dimension"]
        return {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    inputs, outputs = values["in_features"], values["out_features"]
    tensors = {"linear.weight": torch.randn(outputs, inputs) / 4}
    if values["bias"]:
        tensors["linear.bias"] = torch.zeros(outputs)
    if values.get("use_residual") and inputs != outputs:
        tensors["residual.weight"] = torch.randn(outputs, inputs) / 4
    return tensors


def save_rough(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Save as float16, with norms far from 1 and biases far from 0, so that a slip shows."""
    rough = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        values = tensor.clone()
        if values.ndim == 1:
            if name.endswith("bias"):
                values.normal_(0, 0.2)
            else:
                values += torch.empty_like(values).uniform_(-0.4, 0.4)
        rough[name] = values.to(torch.float16).contiguous()
    save_file(rough, folder / "model.safetensors", metadata={"format": "pt"})


def cuts(spec: PipelineSpec, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The vectors of documents, cut as the model's authors say."""
    whole = torch.from_numpy(arrays[f"{spec.name}/document/vectors"])
    if spec.name == "nomic":
        whole = layer_norm(whole, whole.shape[1:])
    return {
        f"{spec.name}/document/cut/{size}": normalize(whole[:, :size], dim=1).numpy()
        for size in spec.cuts
    }


def states(model: SentenceTransformer) -> np.ndarray:
    """The hidden states before pooling of a few documents, each encoded alone."""
    found = [
        model.encode_document([TEXTS[name]], output_value="token_embeddings")[0].numpy()
        for name in STATES
    ]
    return np.concatenate(found).astype(np.float32)


if __name__ == "__main__":
    main()
