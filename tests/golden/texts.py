"""The texts that golden vectors are made of, by name: plain, awkward and hostile ones.

Pure data with no import, so that the reference environment and the tests can both load it. What
cannot be seen or would move in an editor (controls, combining marks, right-to-left) is escaped.
"""
# ruff: noqa: E501 - one text a line, however long its escapes

_SENTENCE = "The quick brown fox jumps over the lazy dog. "
_PARAGRAPH = (
    "Loose paper is fragile and gets lost; bound, it has a place on a shelf and a code on its "
    "spine. A chunk is the paper, its embedding the binding, the index the shelf code. "
)


def _words(count: int) -> str:
    """So many words, each of which all-MiniLM's vocabulary knows as one token."""
    cycle = ("paper", "spine", "shelf", "code", "river", "light", "market", "seven")
    return " ".join(cycle[index % len(cycle)] for index in range(count))


TEXTS: dict[str, str] = {
    # nothing, or next to nothing
    "empty": "",
    "one blank": " ",
    "blanks only": "      ",
    "tabs and newlines only": "\t\n \r\n\t",
    "no-break and ideographic blanks only": "\u00a0\u3000\u2003",
    "one letter": "a",
    "one capital": "Z",
    "one digit": "7",
    "one full stop": ".",
    "one ideograph": "书",
    "one emoji": "😀",
    # blanks around and within
    "plain": "Loose paper is fragile and gets lost.",
    "leading blanks": "   Loose paper is fragile and gets lost.",
    "trailing blanks": "Loose paper is fragile and gets lost.   ",
    "trailing newline": "Loose paper is fragile and gets lost.\n",
    "many blanks within": "Loose  paper   is    fragile     and gets lost.",
    "tabs and newlines within": "Loose\tpaper\nis\r\nfragile\n\nand\vgets lost.",
    "rich in newlines": "# Title\n\n- one\n- two\n\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nEnd.\n",
    # punctuation and case
    "punctuation only": "... !? -- ,;: ()[]{} '\" / \\ @ # $ % ^ & * _ + = ~ ` < > |",
    "typographic punctuation": "“Quoted” ‘words’ – a dash — and … an ellipsis •",
    "upper case": "LOOSE PAPER IS FRAGILE AND GETS LOST.",
    "mixed case": "lOoSe PaPeR iS fRaGiLe AnD gEtS lOsT.",
    "long s, sharp s, dotless i": "Straße STRASSE ſharp İstanbul ışık ﬁne ﬃx",
    "hyphens and apostrophes": "state-of-the-art don't o'clock rock'n'roll e-mail coöperate",
    # accents
    "accents composed": "Café naïve Ångström São Paulo Łódź Dvořák",
    "accents decomposed": "Cafe\u0301 nai\u0308ve A\u030angstro\u0308m Sa\u0303o Paulo \u0141o\u0301dz\u0301 Dvor\u030ca\u0301k",
    "stacked marks": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324a\u0300\u0301\u0302\u0303l\u0489g\u0338o\u0336",
    "german": "Die losen Blätter gehen verloren; gebunden haben sie einen Platz im Regal.",
    "french": "L’œuvre française, à côté de l’été, coûte 3,50\u00a0€.",
    "vietnamese": "Tiếng Việt có nhiều dấu thanh khác nhau.",
    "turkish": "İğne deliğinden geçen ışık, köşedeki ağaca düştü.",
    # other scripts
    "russian": "Бумага хрупкая, а книга стоит на полке.",
    "greek": "Το χαρτί είναι εύθραυστο. ΟΔΟΣ οδός",
    "chinese simplified": "散页易失，装订成册方能久存。",
    "chinese traditional": "散頁易失，裝訂成冊方能久存。",
    "chinese beyond the base plane": "𠀀𪛖\U0002f81a 㐀䶵",
    "japanese": "本を読む。カタカナとひらがな、ﾊﾝｶｸガギグ。",
    "japanese decomposed": "\u30cf\u309a\u30f3\u3068\u30ab\u3099\u30e9\u30b9",
    "korean": "종이는 약하고 책은 선반에 있다.",
    "korean decomposed": "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "arabic": "\u0627\u0644\u0648\u0631\u0642 \u0647\u0634\u0651 \u0648\u0627\u0644\u0643\u062a\u0627\u0628 \u0639\u0644\u0649 \u0627\u0644\u0631\u0641\u0651\u060c \u0661\u0662\u0663.",
    "hebrew with points": "\u05d4\u05b7\u05e0\u05bc\u05b0\u05d9\u05b8\u05e8 \u05e9\u05c1\u05b8\u05d1\u05b4\u05d9\u05e8 \u05d5\u05d4\u05e1\u05e4\u05e8 \u05e2\u05dc \u05d4\u05de\u05d3\u05e3.",
    "persian with non-joiner": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u06a9\u062a\u0627\u0628\u200c\u0647\u0627 \u0631\u0627",
    "hindi": "\u0915\u093e\u0917\u091c\u093c \u0928\u093e\u091c\u093c\u0941\u0915 \u0939\u0948, \u0915\u093f\u0924\u093e\u092c \u0936\u0947\u0932\u094d\u092b\u093c \u092a\u0930 \u0939\u0948\u0964",
    "thai": "\u0e01\u0e23\u0e30\u0e14\u0e32\u0e29\u0e40\u0e1b\u0e23\u0e32\u0e30\u0e1a\u0e32\u0e07 \u0e2b\u0e19\u0e31\u0e07\u0e2a\u0e37\u0e2d\u0e2d\u0e22\u0e39\u0e48\u0e1a\u0e19\u0e0a\u0e31\u0e49\u0e19",
    "tamil and georgian": "\u0b95\u0bbe\u0b95\u0bbf\u0ba4\u0bae\u0bcd \u10e5\u10d0\u10e6\u10d0\u10da\u10d3\u10d8",
    "mixed scripts": "Paper \u7d19 \u043b\u0438\u0441\u0442 \u05e0\u05d9\u05d9\u05e8 \u0648\u0631\u0642 \u0915\u093e\u0917\u091c\u093c kertas 1\u6708\u611btea",
    "scripts without blanks": "paper紙листcode本42",
    # emoji
    "emoji": "I ❤\ufe0f books 📚 and ☕ coffee 😀😀😀!",
    "emoji joined": "👨\u200d👩\u200d👧\u200d👦 🧑\u200d🚀 🏳\ufe0f\u200d🌈",
    "emoji with skin tones and flags": "\U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea\U0001f1ef\U0001f1f5 \U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f 1\ufe0f\u20e3",
    # controls and what cannot be seen
    "nul within": "before\x00after",
    "nul only": "\x00",
    "controls": "a\x01b\x02c\x07d\x08e\x1bf\x7fg\x80h\x85i\x9fj",
    "form feed and separators": "one\x0ctwo\x0bthree\x1cfour\x1dfive\x1esix\x1fseven",
    "line and paragraph separators": "one\u2028two\u2029three\u0085four",
    "zero width": "zero\u200bwidth \u200cnon\u200djoiner word\u2060joiner soft\u00adhyphen",
    "byte order mark": "\ufeffPaper with a mark\ufeff in front",
    "replacement characters": "broken �� text�",
    "private use and unassigned": "icon \ue000\uf8ff \U000f0000 none \u0378 \ufffe",
    "marks of direction": "left \u200f\u202bright\u202c \u2066isolated\u2069 \u202eoverridden\u202c",
    "special blanks": "thin\u2009blank no\u00a0break narrow\u202fblank ideographic\u3000blank mongolian\u180eblank",
    # what looks like markup to a tokeniser
    "literal [CLS]": "[CLS] is not a word [CLS]",
    "literal [SEP]": "one [SEP] two[SEP]three",
    "literal [MASK]": "Paris is the [MASK] of France.",
    "literal [PAD]": "[PAD] [PAD] padding [PAD]",
    "literal [UNK]": "an [UNK] word",
    "literal [unused1]": "[unused1] [unused99] are in the vocabulary",
    "literal [mask] in lower case": "[mask] [cls] [sep] [ MASK ] [MASK",
    "literal ##": "##ing ## ing #hashtag ###",
    "literal of other models": "<s> </s> <pad> <mask> <|endoftext|> <bos> {{x}}",
    # everyday technical text
    "address": "https://example.org/a/b?q=paper%20code&lang=en#top and mail@example.org",
    "code": 'def bind(pages: list[str]) -> Book:\n    return Book("\\n".join(pages))  # TODO\n',
    "json": '{"id": 7, "tags": ["a", "b"], "ok": true, "text": "\\u00e9"}',
    "html": '<p class="x">Loose &amp; <b>bold</b></p><!-- gone -->',
    "numbers": "3.14159 1,000,000 -42 1e-5 0x1F 50% $9.99 2024-02-29 12:30 ½ ² Ⅷ \u0663",
    "formula": "E = mc², ∑ᵢ xᵢ ≤ ∞, α→β, H₂O, 𝓜𝓪𝓽𝓱",
    "full width": "Ｆｕｌｌｗｉｄｔｈ １２３！",
    "chemistry": "5-hydroxytryptamine (HTR2A) agonists vs. N,N-dimethyltryptamine; p<0.05",
    # long ones
    "word of 99 characters": "pneumonoultramicroscopic" * 4 + "xyz",
    "word of 100 characters": "ab" * 50,
    "word of 101 characters": "ab" * 50 + "c",
    "word of 150 characters": "loosepaper" * 15,
    "150 ideographs without a blank": "紙本書" * 50,
    "paragraph": (_PARAGRAPH * 2).strip(),
    "10 sentences": (_SENTENCE * 10).strip(),
    "one token below the window": _words(253),
    "exactly the window": _words(254),
    "one token above the window": _words(255),
    "window ends within a word": _words(253) + " pneumonoultramicroscopic tail",
    "long": (_PARAGRAPH * 12).strip(),
    "very long": (_SENTENCE * 500).strip(),
    "very long punctuation": "?!" * 2000,
}

TINY_TEXTS: dict[str, str] = {
    "empty": "",
    "blanks": " \n\t ",
    "one letter": "a",
    "words": "loose paper is lost",
    "trailing blanks": "  loose paper is lost  ",
    "cased": "Loose PAPER is LOST",
    "accents": "Caf\u00e9 CAF\u00c9 cafe\u0301",
    "pieces": "shelving papers, unbound! 42",
    "unknown": "紙 loose 😀 paper",
    "special": "[MASK] paper [SEP] shelf",
    "prompt alone": "query: ",
    "long": "loose paper is fragile and gets lost, a book has a place on a shelf. " * 6,
}
