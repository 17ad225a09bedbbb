"""A body as sentence-transformers loads it: every tensor from its file, nothing executed."""

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

from bindery.engines.graphs.gemma3 import window
from bindery.errors import BinderyError, EngineError, ModelBroken, UnsupportedModel

# Any, because these are not installed where the types are checked.
torch: Any = _torch
transformers: Any = _transformers
modules: Any = _modules
Transformer: Any = modules.Transformer

Device: TypeAlias = Any
Dtype: TypeAlias = Any
Body: TypeAlias = Any
"""sentence-transformers' Transformer module: a dict of ids and mask in, token embeddings added."""

# What no last hidden state depends on may be missing, or of another shape.
_UNUSED = re.compile(r"(^|\.)pooler\.")

# transformers has nothing finer for files that are broken or do not go together.
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
    know or that brings code of its own.
    """
    if (folder / "adapter_config.json").exists():
        raise UnsupportedModel(
            f"{folder} holds an adapter, whose model lies elsewhere.",
            remedy="Merge the adapter into its model and save that.",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelBroken(
            f"{folder} has no model.safetensors.", remedy="Only safetensors are read."
        )
    with _quiet(), _told_apart(folder):
        body = _transformer(folder, dtype)
        _refuse_missing(folder, body.report)
        _refuse_other_outputs(folder, body)
        body.processor = None  # a tokeniser of Gemma's size is not small, and is not asked
        return body.to(device).eval()


class _Reporting(Transformer):
    """sentence-transformers' Transformer, keeping what transformers says of the tensors it loaded.

    Without that a tensor that is missing is drawn at random, with no more than a line in a log.
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
        # Named outright, since a config.json may name a kernel that is fetched from a hub and run.
        "attn_implementation": attention,
        # Reported like what is missing, so that the message names it and the pooler may differ.
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
    """What transformers would take from a config.json otherwise than it was meant."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
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
        raise UnsupportedModel(f"{folder} does not make hidden states of a text's tokens.")


def positions(body: Body) -> int:
    """How many tokens have places: the rows of a table of positions; without one, no limit.

    RoBERTa's kin count from the row after the padding's.
    """
    for name, module in body.model.named_modules():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            padding = module.padding_idx
            return module.num_embeddings - (0 if padding is None else padding + 1)
    return sys.maxsize


@contextmanager
def _quiet() -> Generator[None]:
    """Keep bars, reports and warnings of the libraries from the terminal while a model loads."""
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
    """Say what is wrong with a model: its files, its architecture, or the room for it."""
    try:
        yield
    except BinderyError:
        raise
    except torch.OutOfMemoryError as error:
        raise EngineError(f"The memory is too small for {folder}: {error}") from error
    except _BROKEN as error:
        raise ModelBroken(f"{folder} cannot be loaded: {error}") from error
    except (ValueError, ImportError) as error:
        why = str(error).partition("\n")[0]
        raise UnsupportedModel(
            f"transformers {transformers.__version__} cannot run {folder}: {why}"
        ) from error
