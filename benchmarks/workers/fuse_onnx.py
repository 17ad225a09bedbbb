"""Fuse an ONNX export for ONNX Runtime: ``fuse_onnx.py FOLDER``, in fastembed's environment.

Reads ``model.onnx`` and writes ``fused.onnx`` beside it.
"""
# pyright: basic, reportMissingImports=false

import json
import sys
from pathlib import Path

from onnxruntime.transformers import optimizer


def main() -> None:
    """Fuse attention, normalisation and activation, as far as the tool recognises them."""
    folder = Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text())
    model = optimizer.optimize_model(
        str(folder / "model.onnx"),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        opt_level=0,  # only its own passes: higher levels need torch
    )
    model.save_model_to_file(str(folder / "fused.onnx"))
    print("fused:", model.get_fused_operator_statistics(), file=sys.stderr)


if __name__ == "__main__":
    main()
