"""The peak speed of matrix multiplication on this machine, and the operations of a model.

The peak is measured with the runtime that Bindery uses: a graph of one large MatMul by constant
weights, on all cores. A model's share of it shows how much could still be gained.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportCallIssue=false

import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bindery.engines.runtime import op as ops
from bindery.engines.runtime import ov

SHAPES = ((512, 1536, 1536), (2048, 2048, 2048), (1024, 4096, 4096), (2048, 8192, 2048))
PRECISIONS: Mapping[str, ov.Type] = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16}
PRODUCTS_A_RUN = 4


def measure(precision: str, threads: int, seconds: float = 2.0) -> dict[str, object]:
    """Billions of floating point operations per second; a multiplication and an addition are two.

    Every shape runs for a while as one product on all cores and as one product per core. The
    result is the best of the medians.
    """
    gflops = {
        f"{rows}x{inner}x{columns}, {streams} at once": _one(
            (rows, inner, columns), precision, threads, streams, seconds
        )
        for rows, inner, columns in SHAPES
        for streams in sorted({1, threads})
    }
    best = max(gflops, key=gflops.__getitem__)
    return {"gflops": gflops[best], "best": best, "all_gflops": gflops}


def forward_flops(config: Mapping[str, int], lengths: Sequence[int]) -> float:
    """Operations of all matrix products of a BERT model, for texts with these numbers of tokens.

    Padding, embeddings, normalisation, activation and softmax are not counted: this is the work
    that cannot be avoided.
    """
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    per_token = 4 * hidden * hidden + 2 * hidden * inner
    multiplications = sum(
        length * per_token + 2 * length * length * hidden for length in map(int, lengths)
    )
    return 2.0 * config["num_hidden_layers"] * multiplications


def _one(
    shape: tuple[int, int, int], precision: str, threads: int, streams: int, seconds: float
) -> float:
    rows, inner, columns = shape
    chance = np.random.default_rng(0)
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
    }
    weights = chance.standard_normal((columns, inner), dtype=np.float32)
    compiled = ov.Core().compile_model(_product(rows, inner, weights), "CPU", settings)
    queue = ov.AsyncInferQueue(compiled, streams)
    values = chance.standard_normal((rows, inner), dtype=np.float32)

    def run() -> float:
        started = time.perf_counter()
        for _ in range(PRODUCTS_A_RUN * streams):
            queue.start_async([values], share_inputs=True)
        queue.wait_all()
        return time.perf_counter() - started

    run()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 3:
        times.append(run())
    operations = 2.0 * rows * inner * columns * PRODUCTS_A_RUN * streams
    return operations / statistics.median(times) / 1e9


def _product(rows: int, inner: int, weights: npt.NDArray[np.float32]) -> ov.Model:
    left = ops.parameter([rows, inner], np.float32)
    product = ops.matmul(left, ops.constant(weights), transpose_a=False, transpose_b=True)
    # Return one number, so that writing the result does not count as multiplication.
    answer = ops.reduce_max(product, ops.constant(np.array([0, 1])), keep_dims=False)
    return ov.Model([answer], [left], "peak")
