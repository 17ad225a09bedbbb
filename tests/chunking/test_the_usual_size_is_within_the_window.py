"""Where nobody chooses a size, chunks are small, and no window is too small for them."""

import pytest

from bindery.options import ChunkOptions


@pytest.mark.parametrize(("room", "size"), [(1, 1), (30, 30), (128, 128), (254, 128), (8190, 128)])
def test_the_usual_size_is_128_tokens_or_the_window(room: int, size: int) -> None:
    assert ChunkOptions().sized(room).size == size
    assert ChunkOptions(size=7).sized(room).size == 7
