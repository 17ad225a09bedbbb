"""PyTorch through sentence-transformers: CUDA, MPS, and bodies without an OpenVINO graph.

It needs ``bindery-search[torch]``; only :mod:`bindery.engines.selection` imports it.
"""

import gc
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np

from bindery.engines.base import HiddenStates, Precision, TokenIds, check_vocabulary
from bindery.engines.torch_body import Body, Device, load_body, positions, torch
from bindery.errors import EngineError, InvalidValue

# Larger than OpenVINO's: on a CPU, torch is faster with 32 texts of 128 tokens than with 16
# (roughly measured), and a GPU needs thousands of rows. Those of CUDA and MPS are not measured yet
# (benchmarks/gpu.py).
_BATCH_TOKENS = {"cpu": 4096, "cuda": 32_768, "mps": 8192}


class TorchEngine:
    """A body loaded by sentence-transformers, on one device.

    ``device`` is ``"auto"`` (the first available of CUDA, MPS and CPU), ``"cpu"``,
    ``"cuda"``, ``"cuda:1"`` or ``"mps"``. ``threads`` sets torch's threads for the whole process.
    Nothing in the folder is executed, nothing is downloaded, and only safetensors are read.

    Raises ModelBroken for files that are not a checkpoint or lack a tensor, UnsupportedModel for an
    architecture that transformers does not know, InvalidValue for a missing device.
    """

    def __init__(
        self,
        folder: Path,
        *,
        precision: Precision = Precision.AUTO,
        threads: int | None = None,
        device: str = "auto",
    ) -> None:
        self._device = _found(device)
        self.precision = _effective(precision, self._device)
        # Two on CUDA, so that one batch computes while another is pooled.
        self.streams = 2 if self._device.type == "cuda" else 1
        self.batch_tokens = _BATCH_TOKENS[self._device.type]
        if threads is not None:
            torch.set_num_threads(threads)
        half = self.precision is Precision.BFLOAT16
        body = load_body(folder, torch.bfloat16 if half else torch.float32, self._device)
        self._vocabulary = int(body.model.get_input_embeddings().num_embeddings)
        self._positions = positions(body)
        # MPS encodes its commands in one buffer per process.
        self._one_at_a_time = Lock() if self._device.type == "mps" else None
        self._body: Body | None = body

    def hidden_states(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine. The states at padding are those that the model returns."""
        body = self._body
        if body is None:
            raise EngineError("The engine is closed.", remedy="Load the model again.")
        length = self._checked_length(ids, mask)
        try:
            with self._one_at_a_time or nullcontext():
                found = self._run(body, ids[:, :length], mask[:, :length])
        except (RuntimeError, ValueError, IndexError) as error:
            # torch has no more specific errors; running out of memory is a RuntimeError too.
            raise EngineError(
                f"torch failed on a batch of shape {ids.shape}: {error}",
                remedy="If it ran out of memory, send shorter texts or choose the device cpu.",
            ) from error
        beyond = ids.shape[1] - length
        return np.pad(found, ((0, 0), (0, beyond), (0, 0))) if beyond else found

    def hidden_states_quickly(self, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        """See Engine. torch always uses all cores, or the whole GPU, for one batch."""
        return self.hidden_states(ids, mask)

    def close(self) -> None:
        """See Engine. Running calls finish normally."""
        self._body = None
        gc.collect()  # modules and their hooks refer to each other
        if self._device.type != "cpu":
            getattr(torch, self._device.type).empty_cache()

    def _run(self, body: Body, ids: TokenIds, mask: TokenIds) -> HiddenStates:
        # inference_mode applies only to the current thread.
        with torch.inference_mode():
            features = {
                "input_ids": torch.tensor(ids, dtype=torch.long, device=self._device),
                "attention_mask": torch.tensor(mask, dtype=torch.long, device=self._device),
            }
            hidden = body(features)["token_embeddings"]
            # NumPy has no bfloat16; converting here halves the bytes copied from the GPU.
            return hidden.cpu().float().numpy()

    def _checked_length(self, ids: TokenIds, mask: TokenIds) -> int:
        """How many columns to run. An id or position beyond its table would break CUDA for good."""
        if ids.ndim != 2 or ids.shape != mask.shape:
            raise EngineError(
                f"ids of shape {ids.shape} and mask of shape {mask.shape} do not match."
            )
        check_vocabulary(ids, self._vocabulary)
        # Batches are padded to rounded lengths, which may exceed the last position.
        length = min(ids.shape[1], self._positions)
        if mask[:, length:].any():
            raise EngineError(
                f"A text of {ids.shape[1]} tokens is longer than the model's maximum of "
                f"{self._positions}."
            )
        return length


def _found(device: str) -> Device:
    """The device of this name. Raises InvalidValue if this machine does not have it."""
    kind, _, number = device.partition(":")
    there = {
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    if kind == "auto":
        kind = next(name for name, count in there.items() if count)
    if int(number or 0) >= there[kind]:
        raise InvalidValue(
            f"Device {device!r} is not available: torch {torch.__version__} finds "
            f"{there[kind]} {kind} devices.",
            remedy="Choose the device cpu, or install a build of torch for your device.",
            param="device",
        )
    return torch.device(f"{kind}:{int(number or 0)}" if kind == "cuda" else kind)


def _effective(precision: Precision, device: Device) -> Precision:
    if precision is Precision.AUTO:
        return Precision.BFLOAT16 if _is_fast_in_bfloat16(device) else Precision.FLOAT32
    if precision not in {Precision.FLOAT32, Precision.BFLOAT16}:
        raise InvalidValue(
            f"The engine torch does not support the precision {precision.value}.",
            remedy="Choose the precision f32 or bf16, or the engine openvino.",
            param="precision",
        )
    return precision


def _is_fast_in_bfloat16(device: Device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False
