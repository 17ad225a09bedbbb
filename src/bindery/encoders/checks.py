"""The checks of requests that all encoders share."""

from collections.abc import Sequence
from typing import NoReturn

from bindery.checkpoint import read_object
from bindery.encoders.request import EncodeRequest
from bindery.encoders.tokeniser import Tokens
from bindery.engines import Precision
from bindery.errors import InvalidValue, TextTooLong
from bindery.models.card import ModelCard
from bindery.models.layouts import Layout
from bindery.options import VectorOptions
from bindery.types import DOCUMENT, Role

_HALF = frozenset({"f16", "fp16", "float16", "half"})

# EmbeddingGemma's hidden states reach 8e5, and float16 ends at 65,504.
_BEYOND_HALF = frozenset({"gemma3_text", "gemma3", "embedding_gemma2"})


def check_texts(texts: Sequence[str]) -> None:
    """Raise InvalidValue, with the index, for anything but a list of Unicode strings."""
    _check_strings(texts, "text", optional=False)


def prompt_of(card: ModelCard, role: Role) -> str:
    """The prompt that the model puts before a text in this role.

    Raises InvalidValue, listing the known roles, for any other.
    """
    if role not in card.prompts:
        raise InvalidValue(
            f"{card.id} has no role {role!r}.",
            remedy=f"Choose one of: {', '.join(card.prompts)}.",
            param="role",
        )
    return card.prompts[role]


def prompts_of(
    card: ModelCard,
    role: Role,
    texts: Sequence[str],
    titles: Sequence[str | None] | None = None,
) -> list[str]:
    """The prompt of each text: with its title if it has one, otherwise that of the role.

    A blank title counts as missing. Raises InvalidValue for an unknown role, and for titles if the
    model or the role does not take them.
    """
    prompt = prompt_of(card, role)
    check_titles(card, role, texts, titles)
    # replace and not format: the prompt may hold other braces.
    return [
        card.title_prompt.replace("{title}", title) if title and title.strip() else prompt
        for title in titles or [None] * len(texts)
    ]


def check_titles(
    card: ModelCard, role: Role, texts: Sequence[str], titles: Sequence[str | None] | None
) -> None:
    """Raise InvalidValue unless there is a title or None per text and the model takes titles.

    Titles are for the role ``document`` and for roles with the same prompt. If all are None, any
    model takes them.
    """
    if titles is None:
        return
    _check_strings(titles, "title", optional=True)
    if len(titles) != len(texts):
        raise InvalidValue(
            f"titles must have one item for each of {len(texts)} texts, got {len(titles)}.",
            remedy="Give None for a text without a title.",
            param="titles",
        )
    if all(title is None for title in titles):
        return
    if not card.title_prompt:
        raise InvalidValue(
            f"{card.id} does not support titles.",
            remedy="Leave them out, or put each one at the start of its text.",
            param="titles",
        )
    of_documents = [name for name in card.prompts if _is_of_documents(card, name)]
    if role not in of_documents:
        raise InvalidValue(
            f"{card.id} does not support titles in the role {role!r}.",
            remedy=f"Roles with titles: {', '.join(of_documents)}.",
            param="titles",
        )


def check_dimensions(
    card: ModelCard, dimensions: int | None, *, any_dimensions: bool = False
) -> None:
    """Raise InvalidValue, listing the allowed ones, for dimensions the model was not trained for.

    ``any_dimensions`` allows every number from 1 to the full one.
    """
    if dimensions is None:
        return
    if any_dimensions and not 1 <= dimensions <= card.dimensions:
        raise InvalidValue(
            f"{card.id} cannot produce vectors of {dimensions} dimensions.",
            remedy=f"Choose 1 to {card.dimensions}.",
            param="dimensions",
        )
    allowed = (card.dimensions, *card.nested_dimensions)
    if not any_dimensions and dimensions not in allowed:
        raise InvalidValue(
            f"{card.id} was not trained for vectors of {dimensions} dimensions.",
            remedy=f"Allowed: {', '.join(map(str, allowed))}.",
            param="dimensions",
        )


def check_options(card: ModelCard, options: VectorOptions) -> None:
    """Raise InvalidValue for vectors that the model alone cannot produce: see check_dimensions."""
    if options.rotation is not None:
        raise InvalidValue(
            f"An encoder cannot apply a rotation, got {options.rotation!r}.",
            remedy="Use a Library, which stores the rotations.",
            param="rotation",
        )
    check_dimensions(card, options.dimensions, any_dimensions=options.any_dimensions)


def refuse_spans(card: ModelCard, reason: str) -> NoReturn:
    """Raise InvalidValue for a model whose tokens cannot be pooled to vectors of spans."""
    raise InvalidValue(
        f"{card.id} {reason}, and late chunking needs the mean of tokens.",
        remedy="Choose a local model that pools by mean, such as 'vanilla', or another strategy.",
        param="model",
    )


def check_no_dimensions(request: EncodeRequest) -> None:
    """Raise InvalidValue if dimensions are given for vectors of tokens."""
    if request.options.dimensions is not None:
        raise InvalidValue("Vectors of tokens cannot be cut to dimensions.", param="dimensions")


def check_fits(card: ModelCard, tokens: Sequence[Tokens]) -> None:
    """Raise TextTooLong for the first text that was cut."""
    for index, text in enumerate(tokens):
        if text.cut:
            at_least = "at least " if text.has_more else ""
            raise TextTooLong(
                # litellm recognises the words "longer than the model's context length".
                f"Text {index} has {at_least}{text.used + text.cut} tokens, including prompt and "
                f"special tokens, and is longer than the model's context length: {card.id} reads "
                f"{text.used}.",
                remedy="Cut it into chunks, or allow truncation.",
                param="texts",
            )


def check_precision(layout: Layout, precision: str) -> Precision:
    """The precision with this name. Raises InvalidValue for an unknown one, and for float16.

    No engine computes in float16, because Gemma overflows it. Weights in float16 are widened, and
    vectors may be stored in it.
    """
    if precision in list(Precision):
        return Precision(precision)
    remedy = f"Choose one of: {', '.join(Precision)}."
    if precision not in _HALF:
        raise InvalidValue(f"Unknown precision {precision!r}.", remedy=remedy, param="precision")
    architecture = str(read_object(layout.body / "config.json", optional=True).get("model_type"))
    reason = "bfloat16 is as fast and has the range of float32"
    if architecture in _BEYOND_HALF:
        reason = "its hidden states reach 8e5, and float16 ends at 65,504"
    raise InvalidValue(
        f"{layout.card.id} does not run in {precision!r}: {reason}.",
        remedy=remedy,
        param="precision",
    )


def _check_strings(values: Sequence[object], noun: str, *, optional: bool) -> None:
    if isinstance(values, str):
        raise InvalidValue(
            f"{noun}s must be a list, got one string.", remedy=f"Use [{noun}].", param=f"{noun}s"
        )
    for index, value in enumerate(values):
        if value is None and optional:
            continue
        if not isinstance(value, str):
            raise InvalidValue(
                f"{noun.capitalize()} {index} must be a string, got {type(value).__name__}.",
                param=f"{noun}s",
            )
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidValue(
                f"{noun.capitalize()} {index} contains a lone surrogate, which is not a character.",
                param=f"{noun}s",
            ) from error


def _is_of_documents(card: ModelCard, role: Role) -> bool:
    prompt = card.prompts.get(DOCUMENT)
    return role == DOCUMENT or (bool(prompt) and card.prompts[role] == prompt)
