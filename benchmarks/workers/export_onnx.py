"""Export a BERT checkpoint to ONNX: ``export_onnx.py MODEL OUT WINDOW``, in the torch environment.

Writes ``model.onnx`` (ids, mask and token types in, last hidden state out) and the tokenizer's
files with the window set, which is where fastembed looks for it.

It uses torch's older exporter on purpose: with torch 2.13 and transformers 5.23, the newer one
silently drops the mask of padded texts, and ONNX Runtime's tool fuses attention only in graphs of
the older one.
"""
# pyright: basic, reportMissingImports=false

import json
import shutil
import sys
import warnings
from pathlib import Path

import torch
from transformers import AutoModel

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Body(torch.nn.Module):
    """The checkpoint without its pooler, returning a plain tensor."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.model = AutoModel.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """The last hidden state, (texts, tokens, width)."""
        answer = self.model(input_ids=ids, attention_mask=mask, token_type_ids=types)
        return answer.last_hidden_state


def main() -> None:
    """Export, then copy the tokenizer."""
    source, target, window = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    warnings.simplefilter("ignore")

    example = torch.ones((2, 16), dtype=torch.int64)
    axes = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        Body(source).eval(),
        (example, example, example),
        str(target / "model.onnx"),
        input_names=list(INPUTS),
        output_names=["last_hidden_state"],
        dynamic_axes=dict.fromkeys((*INPUTS, "last_hidden_state"), axes),
        opset_version=17,
        dynamo=False,
    )

    for name in ("config.json", "tokenizer.json", "special_tokens_map.json"):
        shutil.copy(source / name, target / name)
    settings = json.loads((source / "tokenizer_config.json").read_text())
    settings["model_max_length"] = window
    (target / "tokenizer_config.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    main()
