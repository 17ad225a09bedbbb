"""A body loaded by sentence-transformers, with every tensor from a file and nothing executed."""

import json
import logging
import re
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sentence_transformers.base.modules as _modules  # pyright: ignore[reportMissingImports]
import torch as _torch  # pyright: ignore[reportMissingImports]
import transformers as _transformers  # pyright: ignore[reportMissingImports]
from safetensors import SafetensorError

from bindery.checkpoint import read_object
from bindery.engines.graphs.gemma3 import window
from bindery.errors import BinderyError, EngineError, ModelBroken, UnsupportedModel

# Any, because these are not installed when types are checked.
torch: Any = _torch
transformers: Any = _transformers
modules: Any = _modules
Transformer: Any = modules.Transformer

Device: TypeAlias = Any
Dtype: TypeAlias = Any
Body: TypeAlias = Any
"""sentence-transformers' Transformer module: adds token embeddings to a dict of ids and mask."""

# Tensors that the last hidden state does not depend on; they may be missing or differ in shape.
_UNUSED = re.compile(r"(^|\.)pooler\.")

# transformers has no more specific errors for broken or inconsistent files.
_BROKEN = (
    OSError,
    SafetensorError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
)


def load_body(folder: Path, dtype: Dtype, device: Device) -> Body:
    """The body in a folder, on a device.

    Only safetensors are read and nothing is fetched. Raises ModelBroken for files that are not a
    checkpoint or lack a tensor, UnsupportedModel for an architecture that transformers does not
    know or that needs its own code.
    """
    if (folder / "adapter_config.json").exists():
        raise UnsupportedModel(
            f"{folder} contains an adapter, not a complete model.",
            remedy="Merge the adapter into its base model and save the result.",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelBroken(
            f"{folder} has no model.safetensors.", remedy="Bindery only reads safetensors files."
        )
    with _quiet(), _told_apart(folder):
        body = _transformer(folder, dtype)
        _refuse_missing(folder, body.report)
        _refuse_other_outputs(folder, body)
        body.processor = None  # not needed, and large for Gemma
        return body.to(device).eval()


class _Reporting(Transformer):
    """sentence-transformers' Transformer, keeping transformers' report on the loaded tensors.

    Without it, a missing tensor would be initialised at random, with only a line in a log.
    """

    def _load_model(self, *args: object, **options: object) -> object:
        loader: Any = super()
        loaded: tuple[Any, Any] = loader._load_model(*args, output_loading_info=True, **options)
        model, self.report = loaded
        return model


def _transformer(folder: Path, dtype: Dtype, attention: str = "sdpa") -> Body:
    own = {"local_files_only": True, "trust_remote_code": False}
    options = {
        **own,
        "dtype": dtype,
        "use_safetensors": True,
        # Set explicitly, because a config.json may name a kernel that is downloaded and executed.
        "attn_implementation": attention,
        # Report them like missing tensors, so that the message names them and the pooler may
        # differ.
        "ignore_mismatched_sizes": True,
    }
    try:
        return _Reporting(
            str(folder),
            model_kwargs=options,
            processor_kwargs={**own},
            config_kwargs={**own, **_corrections(folder)},
        )
    except ValueError as error:
        if attention == "sdpa" and "scaled_dot_product_attention" in str(error):
            return _transformer(folder, dtype, "eager")
        raise


def _corrections(folder: Path) -> dict[str, object]:
    """Settings to override, where transformers would misread a config.json."""
    config = read_object(folder / "config.json")
    if config.get("model_type") == "gemma3_text" and config.get("use_bidirectional_attention"):
        return {"sliding_window": window(config)}
    return {}


def _refuse_missing(folder: Path, report: Mapping[str, Any]) -> None:
    names = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    used = sorted(name for name in names if not _UNUSED.search(name))
    if used:
        raise ModelBroken(
            f"{folder} has no tensor {used[0]!r} of the shape that its config.json describes"
            f"{f', nor {len(used) - 1} others' if used[1:] else ''}.",
            remedy="Is the checkpoint complete, and of the architecture its config.json names?",
        )


def _refuse_other_outputs(folder: Path, body: Body) -> None:
    if "text" not in body.modality_config or body.module_output_name != "token_embeddings":
        raise UnsupportedModel(f"{folder} does not produce hidden states of a text's tokens.")


def positions(body: Body) -> int:
    """The maximum number of tokens: the rows of the position table, or None without one.

    RoBERTa and related models count from the row after that of the padding.
    """
    for name, module in body.model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            padding = module.padding_idx
            return module.num_embeddings - (0 if padding is None else padding + 1)
    return sys.maxsize


@contextmanager
def _quiet() -> Generator[None]:
    """Silence progress bars, reports and warnings of the libraries while a model loads."""
    loggers = [logging.getLogger(name) for name in ("transformers", "sentence_transformers")]
    levels = [logger.level for logger in loggers]
    shows_bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if shows_bars:
            transformers.utils.logging.enable_progress_bar()


@contextmanager
def _told_apart(folder: Path) -> Generator[None]:
    """The error for a model that does not load: bad files, an unknown architecture, no memory."""
    try:
        yield
    except BinderyError:
        raise
    except torch.OutOfMemoryError as error:
        raise EngineError(f"There is not enough memory to load {folder}: {error}") from error
    except _BROKEN as error:
        raise ModelBroken(f"{folder} cannot be loaded: {error}") from error
    except (ValueError, ImportError) as error:
        why = str(error).partition("\n")[0]
        raise UnsupportedModel(
            f"transformers {transformers.__version__} cannot run {folder}: {why}"
        ) from error
