"""Bytes in any encoding become the text that their author wrote."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindery.documents import read
from bindery.documents.formats.encoding import clean, decode

MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
RUSSIAN = "Быстрая коричневая лиса прыгает через ленивую собаку."
JAPANESE = "名前,年齢,住所\n佐藤太郎,30,東京\n髙橋淳,35,名古屋\n"
GERMAN = "Grüße aus Köln, das Café ist schön."
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))


@settings(deadline=None)
@given(TEXTS, st.sampled_from(sorted(MARKS)))
def test_text_with_a_mark_round_trips(text, codec):
    # A text that begins with zeros after a UTF-16 mark is UTF-32, so none is drawn above.
    decoded = decode(MARKS[codec] + text.encode(codec))
    assert (decoded.text, decoded.encoding, decoded.warnings) == (text, codec, ())


@settings(deadline=None)
@given(TEXTS.filter(lambda text: "\x1b" not in text and "\ufeff" not in text[:1]))
def test_utf8_round_trips(text):
    data = text.encode("utf-8")
    decoded = decode(data)
    assert decoded.text == text
    assert decoded.warnings == ()


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_become_clean_text(data):
    text = decode(data).text
    assert text.encode("utf-8").decode() == text
    assert not {"\0", "\r"} & set(text)


@settings(deadline=None)
@given(st.text())
def test_cleaning_leaves_no_surrogate_and_no_zero(text):
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert "\0" not in cleaned


@pytest.mark.parametrize(
    ("text", "codec", "read_as"),
    [
        (JAPANESE, "cp932", "cp932"),
        (JAPANESE.replace("髙", "高"), "euc_jp", "euc_jis_2004"),
        (JAPANESE.replace("髙", "高"), "iso2022_jp", "iso2022_jp"),
        (RUSSIAN, "cp1251", "cp1251"),
        (GERMAN, "latin-1", "cp1252"),
        ("Smart “quotes” – and €.", "cp1252", "cp1252"),
        ("plain words in two bytes each", "utf-16-le", "utf-16-le"),
        ("plain words in two bytes each", "utf-16-be", "utf-16-be"),
    ],
)
def test_an_encoding_that_is_not_declared_is_guessed(text, codec, read_as):
    decoded = decode(text.encode(codec))
    assert (decoded.text, decoded.encoding) == (text, read_as)


def test_a_guess_is_said():
    assert "it was read as cp1251" in decode(RUSSIAN.encode("cp1251")).warnings[0]


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("iso-8859-1", "cp1252", GERMAN),
        ("windows-1251", "cp1251", RUSSIAN),
        ("Shift_JIS", "cp932", JAPANESE.strip()),
        ("koi8-r", "koi8_r", RUSSIAN),
    ],
)
def test_a_right_declaration_is_followed(declared, codec, text):
    page = f'<html><meta charset="{declared}"><p>{text}'
    document = read(page.encode(codec), "x.html")
    assert " ".join(text.split()) == document.text
    assert document.warnings == ()


@pytest.mark.parametrize("declared", ["utf-8", "iso-8859-1", "ascii", "euc-jp"])
def test_a_wrong_declaration_is_overruled_and_said(declared):
    page = (
        f'<html><meta http-equiv=Content-Type content="text/html; charset={declared}"><p>{RUSSIAN}'
    )
    document = read(page.encode("cp1251"), "x.html")
    assert document.text == RUSSIAN
    assert "cp1251" in document.warnings[0]


def test_valid_utf8_beats_another_declaration():
    document = read(f"<html><meta charset=latin1><p>{RUSSIAN}".encode(), "x.html")
    assert document.text == RUSSIAN
    assert len(document.warnings) == 1


@pytest.mark.parametrize(
    "declared", ["rot13", "idna", "unicode_escape", "zip", "no-such", "x" * 40]
)
def test_a_declaration_of_no_encoding_is_ignored(declared):
    assert read(f"<html><meta charset={declared}><p>ok".encode(), "x.html").text == "ok"


def test_utf8_cut_in_a_character_or_with_one_bad_byte_stays_utf8():
    assert decode("grüß".encode()[:-1]).encoding == "utf_8"
    decoded = decode(RUSSIAN.encode() * 5 + b"\xff" + RUSSIAN.encode() * 5)
    assert decoded.encoding == "utf_8"
    assert "1 invalid byte" in decoded.warnings[0]


def test_line_ends_become_one():
    assert decode(b"a\r\nb\rc\n").text == "a\nb\nc\n"


def test_zeros_are_removed_and_said():
    decoded = decode(b"a\0b" + b" words" * 30)
    assert decoded.text.startswith("ab words")
    assert "NUL" in decoded.warnings[0]
