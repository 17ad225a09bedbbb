"""What was computed before a deadline is not computed again."""

from contextlib import closing

from tests.homes import home_with

from bindery.encoders.pending import Cancellation
from bindery.encoders.request import EncodeRequest
from bindery.errors import DeadlineExceeded
from bindery.library import Library
from bindery.options import ModelOptions

CACHE_BYTES = 16 << 20


def test_what_was_computed_before_a_deadline_is_kept(minilm_folder, tmp_path) -> None:
    """A request that is too large for its deadline on a slow machine ends after a few tries."""
    home = home_with(minilm_folder, tmp_path)
    some = [f"{n} " + "paper is fragile " * (n % 40) for n in range(30)]
    with closing(Library(home, ModelOptions("f32", threads=1), cache_bytes=CACHE_BYTES)) as library:
        library.load("vanilla")
        within_s, kept = 0.02, 0
        while True:
            request = EncodeRequest(some)
            waiting = Cancellation.within(within_s)
            try:
                _, found = library.submit("vanilla", request, cancellation=waiting).result()
            except DeadlineExceeded:
                entries = library.figures().cache.entries
                assert kept <= entries < len(some)
                kept, within_s = entries, within_s * 2
            else:
                break
        assert kept
        _, expected = library.submit("vanilla", EncodeRequest(some), owner=None).result()
    cosines = (found.embeddings.rows * expected.embeddings.rows).sum(axis=1)
    assert cosines.min() > 0.9999
    assert found.tokens_used.tolist() == expected.tokens_used.tolist()
