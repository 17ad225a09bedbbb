"""What layouts share: modules, widths, windows, linear steps."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bindery.checkpoint import read_modules, read_object
from bindery.errors import ModelBroken, UnsupportedModel
from bindery.models.card import Family, ModelCard, Pooling
from bindery.models.layouts.values import (
    Dense,
    LateInteraction,
    LayerNorm,
    Layout,
    Normalize,
    Step,
)
from bindery.types import DOCUMENT, QUERY

OWN = "config_sentence_transformers.json"
TEXT_VECTOR = "sentence_embedding"
TOKEN_VECTORS = "token_embeddings"  # noqa: S105 - no password
PROJECTION = "linear.weight"

# A special token on each side, the marker, and one of the text.
_SHORTEST_LENGTH = 4

# Tokenisers without a limit have 10^30.
_ENDLESS = 1_000_000

# The names of the width in different architectures, tried in this order.
_WIDTH_NAMES = ("hidden_size", "dim", "d_model", "n_embd")

# Other names of max_position_embeddings; None if positions are relative and unlimited, whatever
# n_positions (T5) says.
_POSITION_NAMES: Mapping[str, str | None] = {
    "gpt2": "n_positions",
    "nomic_bert": "n_positions",
    "t5": None,
    "mt5": None,
    "umt5": None,
    "xlnet": None,
}

# Their positions start after the id of padding, so that the first two rows are unused.
_COUNTED_FROM_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)

# Old releases of sentence-transformers named this file after the architecture.
_SETTINGS = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a modules.json, with its full ``type``."""

    type: str
    folder: Path

    @property
    def kind(self) -> str:
        """The last part of the type, such as ``Dense``."""
        return self.type.rpartition(".")[2]

    def config(self, *, optional: bool = False) -> dict[str, Any]:
        """Its config.json."""
        return read_object(self.folder / "config.json", optional=optional)


def modules_of(
    folder: Path, family: Family, known: Iterable[str], packages: tuple[str, ...]
) -> list[Module]:
    """The modules of a folder, in order. Raises UnsupportedModel for an unknown one."""
    known = tuple(known)
    found: list[Module] = []
    for line in read_modules(folder / "modules.json"):
        module = Module(str(line.get("type", "")), folder / str(line.get("path") or ""))
        package = module.type.partition(".")[0]
        if package not in packages or module.kind not in known:
            raise UnsupportedModel(
                f"The module {line.get('type')!r} is not supported in a {family} model.",
                remedy=f"Known: {', '.join(known)} of {' and '.join(packages)}.",
            )
        found.append(module)
    return found


def wrong_order(modules: Iterable[Module], family: Family, known: str) -> UnsupportedModel:
    """The error for known modules in an unknown order."""
    names = ", ".join(module.type for module in modules)
    return UnsupportedModel(
        f"The modules {names} are not supported in this order in a {family} model.",
        remedy=f"Known: {known}.",
    )


def settings_of(body: Path) -> dict[str, Any]:
    """The settings of the Transformer module. Raises UnsupportedModel for another task."""
    path = next((body / name for name in _SETTINGS if (body / name).is_file()), body / _SETTINGS[0])
    settings = read_object(path, optional=True)
    task = settings.get("transformer_task", "feature-extraction")
    if task != "feature-extraction" or settings.get("processing_kwargs"):
        raise UnsupportedModel(
            f"{path} sets the task {task!r} with processing_kwargs "
            f"{settings.get('processing_kwargs')}, which is not supported.",
            remedy="Known: feature-extraction without processing_kwargs.",
        )
    return settings


def width_of(config: Mapping[str, Any]) -> int | None:
    """The width of the body's hidden states, whatever its architecture calls it."""
    found = (config.get(name) for name in _WIDTH_NAMES)
    return next((value for value in found if _is_whole(value)), None)


def positions_of(config: Mapping[str, Any]) -> int | None:
    """The number of positions of the body, or None if it is unlimited."""
    architecture = str(config.get("model_type"))
    name = _POSITION_NAMES.get(architecture, "max_position_embeddings")
    found = config.get(name) if name else None
    if not _is_whole(found):
        return None
    unused = 0
    if architecture in _COUNTED_FROM_PADDING:
        padding = config.get("pad_token_id", 1)
        unused = 1 + (padding if _is_whole(padding) else 1)
    return cast("int", found) - unused


def window_of(body: Path, config: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """The window: ``max_seq_length``, or else that of the tokeniser, limited to the positions.

    The reference does not limit ``max_seq_length``, and fails on texts beyond the positions.
    """
    tokeniser = read_object(body / "tokenizer_config.json", optional=True)
    positions = positions_of(config)
    said = settings.get("max_seq_length") or tokeniser.get("model_max_length") or positions
    limits = [int(limit) for limit in (said, positions) if limit and limit < _ENDLESS]
    if not limits:
        raise UnsupportedModel(
            f"{body}, of the architecture {str(config.get('model_type'))!r}, does not say how long "
            "a text may be.",
            remedy=f"Put max_seq_length into its {_SETTINGS[0]}.",
        )
    return min(limits)


def without_width(config: Mapping[str, Any], body: Path) -> UnsupportedModel:
    """The error for a body without a width in its configuration."""
    return UnsupportedModel(
        f"Models of the architecture {str(config.get('model_type'))!r} are not supported: "
        f"{body / 'config.json'} has no number {_WIDTH_NAMES[0]!r}."
    )


def linear(module: Module, *, over: str) -> Dense:
    """The step of a Dense module for the vectors ``over``: of texts or of tokens.

    Raises UnsupportedModel for an unknown setting, because it may change the numbers.
    """
    config = module.config()
    path = module.folder / "config.json"
    known = {"in_features", "out_features", "bias", "activation_function", "use_residual",
             "module_input_name", "module_output_name"}  # fmt: skip
    if unknown := sorted(set(config) - known):
        raise UnsupportedModel(f"{path} has unknown settings: {', '.join(unknown)}.")
    check_vectors(config, path, over=over)
    activation = str(config.get("activation_function"))
    if not activation.startswith("torch.nn."):
        raise UnsupportedModel(
            f"{path} has the unknown activation {activation!r}.",
            remedy="Known: those of torch.nn.",
        )
    return Dense(
        folder=module.folder,
        inputs=whole(config, "in_features", path),
        outputs=whole(config, "out_features", path),
        activation=activation.rpartition(".")[2].lower(),
        has_bias=bool(config.get("bias", True)),
        has_residual=bool(config.get("use_residual", False)),
    )


def layer_norm(module: Module, *, over: str) -> LayerNorm:
    """The step of a LayerNorm module, which only works on vectors of texts."""
    path = module.folder / "config.json"
    config = module.config()
    check_vectors(config, path, over=over)
    return LayerNorm(module.folder, whole(config, "dimension", path))


def normalize(module: Module, *, over: str) -> Normalize:
    """The step of a Normalize module, which has no folder in old models."""
    check_vectors(module.config(optional=True), module.folder / "config.json", over=over)
    return Normalize()


STEPS = {"Dense": linear, "LayerNorm": layer_norm, "Normalize": normalize}
"""The modules that work on vectors, by kind."""


def check_vectors(config: Mapping[str, Any], path: Path, *, over: str) -> None:
    """Raise UnsupportedModel unless a module reads and writes the vectors ``over``."""
    for key in ("module_input_name", "module_output_name"):
        if config.get(key, over) not in {over, None}:
            raise UnsupportedModel(
                f"{path} has the {key} {config[key]!r}, which is not supported here.",
                remedy=f"Known: {over}.",
            )


def width_after(steps: Iterable[Step], width: int | None) -> int | None:
    """The width of vectors after the steps. Raises ModelBroken if the steps do not fit together."""
    for step in steps:
        if isinstance(step, Normalize):
            continue
        taken, given = (
            (step.inputs, step.outputs) if isinstance(step, Dense) else (step.width, step.width)
        )
        if width not in {None, taken}:
            raise ModelBroken(
                f"The module {step.folder} takes vectors of {taken} values, but gets {width}."
            )
        width = given
    return width


def whole(config: Mapping[str, Any], key: str, path: Path, *, default: int | None = None) -> int:
    """A whole number of at least 1. Raises ModelBroken for anything else."""
    value = config.get(key)
    value = default if value is None else value
    if not _is_whole(value):
        raise ModelBroken(f"{key} of {path} must be a number of at least 1, got {value!r}.")
    return cast("int", value)


def length(
    config: Mapping[str, Any],
    key: str,
    path: Path,
    *,
    default: int | None = None,
    most: int | None = None,
) -> int:
    """A length of texts in tokens, limited to ``most``. Raises ModelBroken if it is too short."""
    value = whole(config, key, path, default=default)
    value = min(value, most or value)
    if value < _SHORTEST_LENGTH:
        raise ModelBroken(
            f"{key} of {path} must be at least {_SHORTEST_LENGTH} tokens, got {value}."
        )
    return value


def prompts_of(own: Mapping[str, Any]) -> dict[str, str]:
    """The prompts by role.

    If the prompt for documents has another name, such as ``passage``, that is the role to use:
    sentence-transformers 6.2 does not fall back to it for ``document`` either.
    """
    found: dict[str, str | None] = own.get("prompts") or {}
    named = {name: text for name, text in found.items() if text is not None}
    return {QUERY: "", DOCUMENT: "", **named}


# The metadata of a model card on the hub: YAML between two lines of hyphens.
_METADATA = re.compile(r"\A---\s*\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)
_LANGUAGES = re.compile(r"^language:(.*\n(?:[ \t]*-.*\n)*)", re.MULTILINE)


def languages_of(folder: Path) -> tuple[str, ...]:
    """The languages in the metadata of a folder's README.md; empty if it has none.

    Of a code with a region or script, such as ``zh-Hant``, the language alone.
    """
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    metadata = _METADATA.match(text)
    found = _LANGUAGES.search(metadata[1]) if metadata else None
    codes = re.findall(r"[a-z][\w-]+", re.sub("#.*", "", found[1].casefold())) if found else []
    return tuple(dict.fromkeys(re.split("[-_]", code)[0] for code in codes))


def late_layout(
    folder: Path,
    body: Path,
    config: Mapping[str, Any],
    steps: tuple[Step, ...],
    late: LateInteraction,
    prompts: Mapping[str, str] | None = None,
) -> Layout:
    """The layout of a late-interaction model, which only has queries and documents."""
    dimensions = width_after(steps, width_of(config))
    if dimensions is None:
        raise without_width(config, body)
    said = prompts or {}
    card = ModelCard(
        id=folder.name,
        family=Family.LATE_INTERACTION,
        dimensions=dimensions,
        max_tokens=late.document_length,
        query_max_tokens=late.query_length,
        pooling=(Pooling.TOKENS,),
        normalised=any(isinstance(step, Normalize) for step in steps[-1:]),
        prompts={role: said.get(role, "") for role in (QUERY, DOCUMENT)},
    )
    return Layout(
        folder=folder,
        body=body,
        card=card,
        lower_case=bool(settings_of(body).get("do_lower_case", False)),
        pools_prompt=True,
        steps=steps,
        late=late,
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
