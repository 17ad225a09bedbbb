"""Detect the layout of a model's folder.

A late-interaction checkpoint must never be silently averaged into one vector. So its signs are
checked first, even if modules.json says that the model is dense or is missing: some checkpoints
have a stale one (such as mixedbread-ai/mxbai-colbert-large-v1), and Stanford's have none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bindery.checkpoint import read_modules, read_object, shape_of
from bindery.models.layouts import multi_vector, pylate, sentence_transformers, stanford
from bindery.models.layouts.parts import PROJECTION, TOKEN_VECTORS
from bindery.models.layouts.values import Layout

Reader: TypeAlias = Callable[[Path], Layout]

# A late-interaction model has at least two modules; with fewer, modules.json is stale.
_BODY_AND_PROJECTION = 2


@dataclass(frozen=True, slots=True)
class Signs:
    """What a folder's layout is detected by. ``types`` are those of its modules."""

    folder: Path
    types: tuple[str, ...]
    reads_tokens: bool
    architectures: tuple[str, ...]
    model_type: str
    similarity: str

    def has_module(self, name: str) -> bool:
        """Whether a module's type starts or ends with the name."""
        return any(
            type_.startswith(f"{name}.") or type_.endswith(f".{name}") for type_ in self.types
        )


def _is_multi_vector(signs: Signs) -> bool:
    named = signs.model_type == "MultiVectorEncoder" and len(signs.types) >= _BODY_AND_PROJECTION
    masked = signs.has_module("MultiVectorMask") or signs.has_module("HierarchicalTokenPooling")
    return named or masked or (signs.reads_tokens and not signs.has_module("pylate"))


def _is_pylate(signs: Signs) -> bool:
    named = signs.model_type == "ColBERT" and len(signs.types) >= _BODY_AND_PROJECTION
    return named or signs.has_module("pylate")


def _is_stanford(signs: Signs) -> bool:
    return (
        "HF_ColBERT" in signs.architectures
        or (signs.folder / stanford.METADATA).exists()
        or shape_of(signs.folder, PROJECTION) is not None
    )


def _is_called_late(signs: Signs) -> bool:
    called = signs.model_type in {"ColBERT", "MultiVectorEncoder"}
    return called or signs.similarity in {"maxsim", "meanmaxsim"}


def _is_anything(_signs: Signs) -> bool:
    return True


DETECTION: tuple[tuple[Callable[[Signs], bool], Reader], ...] = (
    (_is_multi_vector, multi_vector.read),
    (_is_pylate, pylate.read),
    (_is_stanford, stanford.read),
    (_is_called_late, pylate.read),  # which says what is missing
    (_is_anything, sentence_transformers.read),
)
"""The first reader that applies reads the folder."""


def reader_of(folder: Path) -> Reader:
    """The reader of a folder's layout. Raises ModelBroken for a configuration that is not JSON."""
    signs = _signs(folder)
    return next(reader for applies, reader in DETECTION if applies(signs))


def _signs(folder: Path) -> Signs:
    path = folder / "modules.json"
    modules = read_modules(path) if path.is_file() else []
    config = read_object(folder / "config.json", optional=True)
    own = read_object(folder / "config_sentence_transformers.json", optional=True)
    return Signs(
        folder=folder,
        types=tuple(str(module.get("type")) for module in modules),
        reads_tokens=any(_reads_tokens(folder, module) for module in modules),
        architectures=tuple(map(str, config.get("architectures") or ())),
        model_type=str(own.get("model_type")),
        similarity=str(own.get("similarity_fn_name")).lower(),
    )


def _reads_tokens(folder: Path, module: dict[str, Any]) -> bool:
    """Whether a Dense or Normalize module works on the vectors of tokens."""
    path = str(module.get("path") or "")
    config = read_object(folder / path / "config.json", optional=True) if path else {}
    return config.get("module_input_name") == TOKEN_VECTORS
