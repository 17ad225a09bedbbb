"""The cache of vectors: answers are those of the model, and only new texts cost anything."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.library.letters import KINDS, WIDTH, WINDOW, Letters, card

from bindery.encoders.base import Encoded
from bindery.encoders.pending import Cancellation, Pending
from bindery.encoders.request import EncodeRequest
from bindery.errors import (
    Abandoned,
    BinderyError,
    InvalidValue,
    TextFailed,
    TextTooLong,
)
from bindery.library.cache import VectorCache
from bindery.options import VectorOptions
from bindery.types import Truncate

LARGE = 1 << 20

texts = st.text("ab'\"N", max_size=WINDOW + 2)
titles = st.none() | st.text("ab'N", max_size=2)


@st.composite
def requests(draw: st.DrawFn) -> EncodeRequest:
    pairs = draw(st.lists(st.tuples(texts, titles), max_size=6))
    return EncodeRequest(
        [text for text, _ in pairs],
        VectorOptions(
            draw(st.sampled_from(["query", "document"])),
            draw(st.sampled_from([None, 2, 4])),
            truncate=draw(st.sampled_from([Truncate.END, Truncate.START])),
        ),
        titles=[title for _, title in pairs] if draw(st.booleans()) else None,
    )


def titled(request: EncodeRequest) -> EncodeRequest:
    """Only documents have titles."""
    return replace(request, titles=request.titles if request.options.role == "document" else None)


def assert_same(found: Encoded, expected: Encoded) -> None:
    assert found.embeddings.rows.tobytes() == expected.embeddings.rows.tobytes()
    assert found.embeddings.width == expected.embeddings.width
    for name in ("tokens_used", "tokens_cut"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert found.embeddings.offsets.tolist() == expected.embeddings.offsets.tolist()


@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    asked=st.lists(st.tuples(requests().map(titled), st.sampled_from(["", "a", "b"])), max_size=12),
    capacity=st.sampled_from([0, 350, 1000, 3000, LARGE]),
    shares=st.booleans(),
)
def test_answers_are_the_models_bit_for_bit_within_the_bytes(
    kind: str, asked: list, capacity: int, shares: bool
) -> None:
    models = [Letters(kind), Letters(kind, card("others")), Letters(kind, card("letters", "2"))]
    models.append(Letters(kind, precision="bf16"))
    cache = VectorCache(capacity_bytes=capacity, shares=shares)
    count = 0

    for request, owner in asked:
        for model in models:
            found = cache.submit(model, request, owner=owner).result()
            assert_same(found, Letters(kind, model.card, model.precision).submit(request).result())
            count += len(request.texts)
            figures = cache.figures()
            held = sum(len(one.rows) + 300 for one in cache._kept.values())
            assert figures.bytes == held <= capacity
            assert figures.entries == len(cache._kept)

    figures = cache.figures()
    assert figures.hits + figures.misses == (count if capacity else 0)
    if capacity:
        assert figures.misses == sum(model.ran.total() for model in models)
    cache.clear()
    assert (cache.figures().bytes, cache.figures().entries) == (0, 0)


@settings(deadline=None)
@given(asked=st.lists(requests().map(titled), max_size=12))
def test_what_fits_is_run_once_for_each_owner(asked: list) -> None:
    model, cache = Letters(), VectorCache(capacity_bytes=LARGE)
    distinct = {
        (text, title, r.options.role, r.options.truncate)
        for r in asked
        for text, title in zip(r.texts, r.titles or [None] * len(r.texts), strict=True)
    }

    for owner in ("a", "b"):
        for request in asked * 2:
            cache.submit(model, request, owner=owner).result()

    assert model.ran.total() == 2 * len(distinct) == cache.figures().entries


@pytest.mark.parametrize("kind", ["dense", "late"])
def test_a_cut_is_answered_from_the_full_vector_with_the_same_numbers(kind: str) -> None:
    model, cache = Letters(kind), VectorCache(capacity_bytes=LARGE)
    texts = ["a", "ab", "", "ba"]
    cache.submit(model, EncodeRequest(texts, VectorOptions("query"))).result()
    held = cache.figures().bytes

    for dimensions in (4, 2, WIDTH, None):
        request = EncodeRequest(texts, VectorOptions("query", dimensions))
        assert_same(cache.submit(model, request).result(), Letters(kind).submit(request).result())
    odd = EncodeRequest(texts, VectorOptions("query", 3, any_dimensions=True))
    assert_same(cache.submit(model, odd).result(), Letters(kind).submit(odd).result())

    assert model.ran.total() == len(texts) == cache.figures().misses
    assert cache.figures().hits == 5 * len(texts)
    assert cache.figures().bytes == held


def test_a_cut_that_comes_first_keeps_the_full_vector() -> None:
    model, cache = Letters(), VectorCache(capacity_bytes=LARGE)
    for dimensions in (2, 4, None):
        request = EncodeRequest(["a", "b"], VectorOptions("query", dimensions))
        assert_same(cache.submit(model, request).result(), Letters().submit(request).result())
        single = EncodeRequest(["c"], VectorOptions("query", dimensions))
        assert_same(cache.submit(model, single).result(), Letters().submit(single).result())

    assert model.ran == {"a": 1, "b": 1, "c": 1}


def test_a_vendors_cut_is_its_own() -> None:
    model, cache = Letters("remote"), VectorCache(capacity_bytes=LARGE)
    for dimensions in (None, 4, None, 4):
        request = EncodeRequest(["a"], VectorOptions("query", dimensions))
        assert_same(
            cache.submit(model, request).result(), Letters("remote").submit(request).result()
        )

    assert model.ran["a"] == 2


def test_a_title_is_never_taken_for_a_part_of_the_text() -> None:
    model, cache = Letters(), VectorCache(capacity_bytes=LARGE)
    pairs = [(None, "ab"), ("", "ab"), ("a", "b"), ("ab", ""), ("None", ""), (None, ""), ("'", "")]
    for title, text in pairs * 2:
        request = EncodeRequest([text], titles=[title])
        found = cache.submit(model, request).result()
        assert_same(found, Letters().submit(request).result())

    assert model.ran.total() == len(pairs)


@pytest.mark.parametrize("shares", [False, True])
def test_an_owner_finds_nothing_of_anothers_unless_they_share(shares: bool) -> None:
    model, cache = Letters(), VectorCache(capacity_bytes=LARGE, shares=shares)
    for owner in ("a", "b", "", "a"):
        cache.submit(model, EncodeRequest(["x"], VectorOptions("query")), owner=owner).result()

    assert model.ran["x"] == (1 if shares else 3)
    assert cache.figures().hits == (3 if shares else 1)


@settings(deadline=None)
@given(asked=st.lists(st.sampled_from("abcd"), min_size=10, max_size=40), room=st.integers(2, 3))
def test_the_least_recently_used_go_first(asked: list[str], room: int) -> None:
    one = VectorCache(capacity_bytes=LARGE)
    one.submit(Letters(), EncodeRequest(["a"], VectorOptions("query"))).result()
    model, cache = Letters(), VectorCache(capacity_bytes=one.figures().bytes * room)
    kept: OrderedDict[str, None] = OrderedDict()
    misses = 0

    for text in asked:
        cache.submit(model, EncodeRequest([text], VectorOptions("query"))).result()
        misses += text not in kept
        kept[text] = None
        kept.move_to_end(text)
        if len(kept) > room:
            kept.popitem(last=False)
        assert cache.figures().misses == misses
        assert cache.figures().entries == len(kept)


def test_what_is_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    model, cache = Letters("late"), VectorCache(capacity_bytes=500)
    for text in ("a", "b" * WINDOW, "a"):
        cache.submit(model, EncodeRequest([text], VectorOptions("query"))).result()

    assert model.ran == {"a": 1, "b" * WINDOW: 1}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_given_out_cannot_change_what_is_kept(kind: str) -> None:
    cache, request = (
        VectorCache(capacity_bytes=LARGE),
        EncodeRequest(["ab", "b"], VectorOptions("query")),
    )
    expected = Letters(kind).submit(request).result()
    for asked in (request, request, replace(request, texts=["ab", "c"])):
        rows = cache.submit(Letters(kind), asked).result().embeddings.rows
        while rows is not None:
            if isinstance(rows, np.ndarray) and rows.flags.writeable:
                rows[:] = 7
            rows = getattr(rows, "base", None)

    assert_same(cache.submit(Letters(kind), request).result(), expected)


def test_a_vendor_is_asked_and_paid_for_what_is_new_alone() -> None:
    model, cache = Letters("remote"), VectorCache(capacity_bytes=LARGE)
    billed = [
        cache.submit(model, EncodeRequest(texts, VectorOptions("query"))).result().tokens_billed
        for texts in (["aa", "bb", "aa"], ["aa"], ["aa", "ccc"], ["bb", "ccc"])
    ]

    assert billed == [4, 0, 3, 0]
    local = VectorCache(capacity_bytes=LARGE)
    for _ in range(2):
        found = local.submit(Letters(), EncodeRequest(["aa"], VectorOptions("query"))).result()
        assert (found.total_tokens, found.tokens_billed) == (2, None)


# Errors


def test_errors_name_texts_as_the_caller_does_and_are_not_kept() -> None:
    model, cache = Letters(bad={"bad"}), VectorCache(capacity_bytes=LARGE)
    cache.submit(model, EncodeRequest(["a", "b"], VectorOptions("query"))).result()
    request = EncodeRequest(["a", "c", "bad", "b", "c", "bad"], VectorOptions("query"))

    for _ in range(2):
        with pytest.raises(TextFailed, match="on text 2 alone and on 1 more") as caught:
            cache.submit(model, request).result()
        assert caught.value.indices == (2, 5)
    assert cache.figures().entries == 2
    model.bad.clear()
    assert_same(cache.submit(model, request).result(), Letters().submit(request).result())

    long = EncodeRequest(["a", "a", "x" * 99], VectorOptions("query", truncate=Truncate.ERROR))
    cache.submit(model, replace(long, texts=["a"])).result()
    with pytest.raises(TextTooLong, match="Text 2 "):
        cache.submit(model, long)


@pytest.mark.parametrize("wrong", [{"texts": ["a", 7]}, {"texts": "aa"}, {"texts": ["\ud800"]},
                                   {"titles": ["a"]}, {"titles": [7, 7]}])  # fmt: skip
def test_what_is_no_text_is_refused_as_without_a_cache(wrong: dict) -> None:
    request = replace(EncodeRequest(["a", "b"], titles=["a", "b"]), **wrong)

    with pytest.raises(InvalidValue):
        VectorCache(capacity_bytes=LARGE).submit(Letters(), request)
    with pytest.raises(InvalidValue):
        VectorCache(capacity_bytes=-1)


# At the same time


class Slow(Letters):
    """Answers when it is told to, or as the cancellation is cancelled."""

    def submit(
        self, request: EncodeRequest, cancellation: Cancellation | None = None
    ) -> Pending[Encoded]:
        given = super().submit(request, cancellation)
        release: Future[None] = Future()
        self.release = release
        if cancellation is not None:
            cancellation.when_cancelled(lambda: release.set_exception(Abandoned("It has left.")))
        return Pending(release, lambda _: given.result())


def test_who_asks_the_same_at_the_same_time_waits_for_the_first() -> None:
    model, cache = Slow("remote"), VectorCache(capacity_bytes=LARGE)
    request = EncodeRequest(["same"], VectorOptions("query"))
    pending = [cache.submit(model, request) for _ in range(5)]
    called: list[int] = []
    for one in pending:
        one.when_done(lambda: called.append(1))

    assert not any(one.is_done for one in pending)
    model.release.set_result(None)

    assert len(called) == 5
    for one in pending:
        assert_same(one.result(), Letters("remote").submit(request).result())
    assert [one.result().tokens_billed for one in pending] == [4, 0, 0, 0, 0]
    assert model.ran["same"] == 1
    assert cache.figures().hits == 4


def test_who_waited_for_one_that_left_runs_once_more() -> None:
    model, cache, cancellation = Slow(), VectorCache(capacity_bytes=LARGE), Cancellation()
    request, gone = EncodeRequest(["same"], VectorOptions("query")), Cancellation()
    first = cache.submit(model, request, cancellation)
    left, *others = [
        cache.submit(model, request, one) for one in (gone, None, Cancellation(), None)
    ]
    gone.cancel()

    cancellation.cancel()

    for one in (first, left):
        with pytest.raises(Abandoned):
            one.result()
    assert not any(one.is_done for one in others)
    model.release.set_result(None)
    for one in (*others, cache.submit(model, request)):
        assert_same(one.result(), Letters().submit(request).result())
    assert model.ran["same"] == 2
    assert not cache._waiting


def test_a_text_that_fails_fails_for_all_who_asked_for_it() -> None:
    model, cache = Slow(bad={"bad"}), VectorCache(capacity_bytes=LARGE)
    pending = [
        cache.submit(model, EncodeRequest(["bad"], VectorOptions("query"))) for _ in range(500)
    ]

    model.release.set_result(None)

    for one in pending:
        with pytest.raises(TextFailed) as caught:
            one.result()
        assert caught.value.indices == (0,)
    assert model.ran["bad"] == 1
    assert cache.figures().entries == 0


def test_a_refusal_is_the_first_callers_own() -> None:
    cache, request = (
        VectorCache(capacity_bytes=LARGE),
        EncodeRequest(["same"], VectorOptions("query")),
    )
    over = Cancellation()
    over.cancel()
    for _ in range(2):
        with pytest.raises(Abandoned):
            cache.submit(Letters(), request, over)

    assert_same(cache.submit(Letters(), request).result(), Letters().submit(request).result())


def outcome(submit: Callable[[], Pending[Encoded]]) -> Encoded | BinderyError:
    try:
        return submit().result()
    except BinderyError as error:
        return error


@pytest.mark.parametrize("kind", KINDS)
def test_many_threads_get_what_one_would(kind: str) -> None:
    model, cache = Letters(kind, bad={"b"}), VectorCache(capacity_bytes=4000)
    pool_of_texts = ["a", "b", "aa", "ab", "ba", "bb", "", "aaa"]
    start = threading.Barrier(8)

    def ask(seed: int) -> None:
        random = np.random.default_rng(seed)
        start.wait()
        for _ in range(150):
            chosen = random.choice(pool_of_texts, random.integers(1, 4)).tolist()
            request = EncodeRequest(chosen, VectorOptions("query"))
            found = outcome(lambda: cache.submit(model, request))  # noqa: B023
            if "b" in chosen:
                assert isinstance(found, TextFailed)
                assert found.indices == tuple(i for i, text in enumerate(chosen) if text == "b")
            else:
                assert_same(found, Letters(kind).submit(request).result())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert cache.figures().bytes <= 4000
    assert not cache._waiting
