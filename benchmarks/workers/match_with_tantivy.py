"""tantivy: English stems, stop words out, the words of a question joined by OR."""
# pyright: basic, reportMissingImports=false

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tantivy
from finding import Where, serve
from matching import read_texts

_WORD = re.compile(r"\w+")
_ANALYSER = "english"


class Tantivy:
    """One index on disk, merged before it is asked."""

    def __init__(self, data: Path, own: Path) -> None:
        self._pieces, self._questions = read_texts(data)
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("text", tokenizer_name=_ANALYSER, index_option="freq")
        schema.add_integer_field("id", stored=True)
        self._index = tantivy.Index(schema.build(), path=str(own))
        analyser = (
            tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
            .filter(tantivy.Filter.lowercase())
            .filter(tantivy.Filter.stopword("english"))
            .filter(tantivy.Filter.stemmer("english"))
            .build()
        )
        self._index.register_tokenizer(_ANALYSER, analyser)

    def build(self) -> dict[str, Any]:
        """Add all pieces."""
        writer = self._index.writer(num_threads=1)
        for number, text in enumerate(self._pieces):
            writer.add_document(tantivy.Document(text=text, id=number))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        return {}

    def search(self, question: int, k: int, where: Where | None) -> Sequence[int]:
        """Parse the question, search, and read the ids."""
        words = " ".join(_WORD.findall(self._questions[question].lower()))
        query = self._index.parse_query(words, ["text"])
        searcher = self._index.searcher()
        hits = searcher.search(query, k, count=False).hits
        return [searcher.doc(address)["id"][0] for _, address in hits]


if __name__ == "__main__":
    serve(Tantivy, ["tantivy"])
