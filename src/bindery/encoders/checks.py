"""What every encoder asks of its callers, checked and worded in one place."""

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

# Protocols B5: EmbeddingGemma's hidden states reach 8e5, and float16 ends at 65,504.
_BEYOND_HALF = frozenset({"gemma3_text", "gemma3", "embedding_gemma2"})


def check_texts(texts: Sequence[str]) -> None:
    """Raise InvalidValue, naming the place, for anything but a list of Unicode strings."""
    _check_strings(texts, "text", optional=False)


def prompt_of(card: ModelCard, role: Role) -> str:
    """What the model puts before a text in this role.

    Raises InvalidValue, listing the known ones, for any other role.
    """
    if role not in card.prompts:
        raise InvalidValue(
            f"{role!r} is no role of {card.id}.",
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
    """What the model puts before each text: its title where it has one, else the role's prompt.

    A title of blanks is none. Raises InvalidValue for another role, and for titles where the model
    or the role knows none.
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
    """Raise InvalidValue unless every text has a title, or None, and the model knows titles.

    They belong to documents: to the role ``document`` and to those that bear its prompt. Where all
    are None there are no titles, which any model takes.
    """
    if titles is None:
        return
    _check_strings(titles, "title", optional=True)
    if len(titles) != len(texts):
        raise InvalidValue(
            f"{len(texts)} texts came with {len(titles)} titles.",
            remedy="Give one for each text, None for a text without.",
            param="titles",
        )
    if all(title is None for title in titles):
        return
    if not card.title_prompt:
        raise InvalidValue(
            f"{card.id} knows no titles.",
            remedy="Leave them out, or put each before its text.",
            param="titles",
        )
    of_documents = [name for name in card.prompts if _is_of_documents(card, name)]
    if role not in of_documents:
        raise InvalidValue(
            f"{card.id} takes no titles in the role {role!r}.",
            remedy=f"Titles are for: {', '.join(of_documents)}.",
            param="titles",
        )


def check_dimensions(
    card: ModelCard, dimensions: int | None, *, any_dimensions: bool = False
) -> None:
    """Raise InvalidValue, listing the allowed ones, for a length the model was not trained for.

    ``any_dimensions`` permits every length from 1 to the full one.
    """
    if dimensions is None:
        return
    allowed = (card.dimensions, *card.nested_dimensions)
    if any_dimensions and 1 <= dimensions <= card.dimensions:
        return
    if any_dimensions:
        raise InvalidValue(
            f"{card.id} cannot give vectors of {dimensions} values.",
            remedy=f"Choose 1 to {card.dimensions}.",
            param="dimensions",
        )
    if dimensions not in allowed:
        raise InvalidValue(
            f"{card.id} was not trained for vectors of {dimensions} values.",
            remedy=f"Allowed: {', '.join(map(str, allowed))}.",
            param="dimensions",
        )


def check_options(card: ModelCard, options: VectorOptions) -> None:
    """Raise InvalidValue for vectors that the model cannot give by itself: see check_dimensions."""
    if options.rotation is not None:
        raise InvalidValue(
            f"An encoder applies no rotation, got {options.rotation!r}.",
            remedy="Ask a Library, which keeps the rotations.",
            param="rotation",
        )
    check_dimensions(card, options.dimensions, any_dimensions=options.any_dimensions)


def refuse_spans(card: ModelCard, reason: str) -> NoReturn:
    """Raise InvalidValue: of this model's tokens no vectors of spans can be pooled."""
    raise InvalidValue(
        f"{card.id} {reason}, and late chunking needs the mean of tokens.",
        remedy="Choose a local model that pools by mean, such as 'vanilla', or another strategy.",
        param="model",
    )


def check_no_dimensions(request: EncodeRequest) -> None:
    """Raise InvalidValue where vectors of tokens are to be cut: they are of the body's width."""
    if request.options.dimensions is not None:
        raise InvalidValue("Vectors of tokens are given at full width.", param="dimensions")


def check_fits(card: ModelCard, tokens: Sequence[Tokens]) -> None:
    """Raise TextTooLong, naming the first, where a text is cut."""
    for place, text in enumerate(tokens):
        if text.cut:
            raise TextTooLong(
                # litellm knows the case by these words, "longer than the model's context length".
                f"Text {place} has {text.used + text.cut} tokens, prompt and special tokens "
                f"included, and is longer than the model's context length: {card.id} reads "
                f"{text.used}.",
                remedy="Cut it into chunks, or let it be truncated.",
                param="texts",
            )


def check_precision(layout: Layout, precision: str) -> Precision:
    """The precision of that name.

    Raises InvalidValue for any other. Nothing computes in float16, least of all Gemma; weights that
    lie in it are widened, and vectors may be kept in it.
    """
    if precision in list(Precision):
        return Precision(precision)
    remedy = f"Choose one of: {', '.join(Precision)}."
    if precision not in _HALF:
        raise InvalidValue(
            f"There is no precision {precision!r}.", remedy=remedy, param="precision"
        )
    architecture = str(read_object(layout.body / "config.json", optional=True).get("model_type"))
    reason = "bfloat16 is as fast, and has float32's range"
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
            f"{noun.capitalize()}s come as a list, not as one string.",
            remedy=f"Write [{noun}].",
            param=f"{noun}s",
        )
    for place, value in enumerate(values):
        if value is None and optional:
            continue
        if not isinstance(value, str):
            raise InvalidValue(
                f"{noun.capitalize()} {place} is a {type(value).__name__}, not a string.",
                param=f"{noun}s",
            )
        if not _is_unicode(value):
            raise InvalidValue(
                f"{noun.capitalize()} {place} holds a lone surrogate, which is no character.",
                param=f"{noun}s",
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_of_documents(card: ModelCard, role: Role) -> bool:
    prompt = card.prompts.get(DOCUMENT)
    return role == DOCUMENT or (bool(prompt) and card.prompts[role] == prompt)
