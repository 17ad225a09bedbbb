"""Attachments: a browser saves a file, whatever its name and content are."""

import asyncio
import io
import re
from collections.abc import Iterator
from email.message import EmailMessage
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bindery.faces.http.background import Pool
from bindery.faces.http.routes.transfers import attachment, marks


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool("test", threads=1, waiting=1000)
    yield pool
    pool.close()


@given(st.text(max_size=50))
@example('a"; filename=evil.html; x="')
@example("a\r\nset-cookie: x=1")
@example("..\\..\\boot.ini")
@example("Bücher 北京.pdf")
@example("\ud800")
def test_a_name_is_data(name):
    header = marks(name)["content-disposition"]
    found = re.fullmatch(
        r"""attachment; filename="([^"\\/]*)"; filename\*=UTF-8''([\w.~%-]*)""", header
    )
    assert found, header
    assert header.isascii()
    assert header.isprintable()
    assert unquote(found[2]) == name.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("name", ["notes.pdf", "Bücher 北京.pdf", "a b.txt"])
def test_another_reader_finds_the_name(name):
    message = EmailMessage()
    message["content-disposition"] = marks(name)["content-disposition"].replace(
        '; filename="', '; plain="'
    )
    assert message.get_filename() == name


def test_a_file_goes_out_whole_and_is_closed(pool):
    content = bytes(range(256)) * 4096
    file = io.BytesIO(content)
    answer = attachment(file, len(content), "x", pool)

    async def collect() -> list[bytes]:
        return [piece async for piece in answer.body_iterator]

    pieces = asyncio.run(collect())
    assert b"".join(pieces) == content
    assert len(pieces) == 4
    assert file.closed


def test_a_client_that_leaves_closes_it_too(pool):
    file = io.BytesIO(b"x" * 1_000_000)
    answer = attachment(file, 1_000_000, "x", pool)

    async def leave() -> None:
        await anext(answer.body_iterator)
        await answer.body_iterator.aclose()

    asyncio.run(leave())
    assert file.closed
