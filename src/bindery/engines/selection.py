"""Choose the engine and device of a model by name."""

import re
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from bindery.engines.base import Engine, Precision
from bindery.errors import InvalidValue, UnsupportedModel
from bindery.options import ModelOptions

INSTALL_TORCH = '`pip install "bindery-search[torch]"`'

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,4})?", re.ASCII)
_OF_OPENVINO = ("auto", "cpu")


class EngineName(StrEnum):
    """The engines.

    ``AUTO`` is OpenVINO on the CPU if it has a graph for the model's architecture, otherwise torch.
    """

    AUTO = "auto"
    OPENVINO = "openvino"
    TORCH = "torch"


def open_engine(folder: Path, options: ModelOptions = ModelOptions()) -> Engine:
    """Load the body in a folder into the chosen engine.

    Raises InvalidValue for an unknown name, for a device that this machine does not have, and for
    an engine and a device that do not go together; UnsupportedModel for an architecture that the
    engine does not support, and if the extra ``torch`` is needed but not installed; ModelBroken for
    files that are not a checkpoint.
    """
    name = _chosen(options.engine, options.device)
    if name is EngineName.TORCH:
        return _open_torch(folder, options)
    # Importing a runtime takes 0.1 to 10 s, so import only the chosen one.
    from bindery.engines.openvino import OpenVinoEngine

    try:
        return OpenVinoEngine(
            folder, precision=Precision(options.precision), threads=options.threads
        )
    except UnsupportedModel as error:
        if name is EngineName.AUTO and has_torch():
            return _open_torch(folder, options)
        raise UnsupportedModel(
            error.message,
            remedy=f"{error.remedy} The engine torch supports others: {INSTALL_TORCH}.".lstrip(),
        ) from error


def has_torch() -> bool:
    """Whether the extra ``torch`` is installed, without importing it."""
    return all(find_spec(package) for package in ("torch", "sentence_transformers"))


def _chosen(engine: str, device: str) -> EngineName:
    """The engine to use; AUTO if that depends on the model."""
    if engine not in list(EngineName):
        raise InvalidValue(
            f"Unknown engine {engine!r}.",
            remedy=f"Choose one of: {', '.join(EngineName)}.",
            param="engine",
        )
    if not _DEVICE.fullmatch(device):
        raise InvalidValue(
            f"Unknown device {device!r}.",
            remedy="Choose one of: auto, cpu, cuda, cuda:0 (and so on), mps.",
            param="device",
        )
    name = EngineName(engine)
    if device in _OF_OPENVINO:
        return name
    if name is EngineName.OPENVINO:
        raise InvalidValue(
            f"The engine openvino only supports the device cpu, not {device!r}.",
            remedy="Choose the engine torch or the device cpu.",
            param="device",
        )
    return EngineName.TORCH


def _open_torch(folder: Path, options: ModelOptions) -> Engine:
    if not has_torch():
        raise UnsupportedModel(
            "The engine torch is not installed.",
            remedy=f"Run {INSTALL_TORCH}.",
            param="engine" if options.device in _OF_OPENVINO else "device",
        )
    from bindery.engines.torch_engine import TorchEngine

    return TorchEngine(
        folder,
        precision=Precision(options.precision),
        threads=options.threads,
        device=options.device,
    )
