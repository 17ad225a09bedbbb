"""The files that the page is given: some of them try to get out of it."""

from collections.abc import Sequence
from typing import Any

from tests.documents.samples import pdf_sample

PINE = "# Pine\n\nPine grows quickly on sand.\n\n# Oak\n\nOak lasts for centuries in roofs."
RIGHT_TO_LEFT = "# الورق\n\nالورق القديم هش ويجب حفظه بعناية."
CHINESE = "# 紙\n\n舊紙很脆弱,需要小心保存。𠮷野家"
HOSTILE = """<!doctype html><html><head><title>Trap</title>
<meta http-equiv="refresh" content="0;url=http://evil.example/refresh">
<base href="http://evil.example/"><link rel="stylesheet" href="http://evil.example/a.css">
<style>@import url(http://evil.example/b.css); body{background:url(http://evil.example/c.png)}</style>
<script>parent.pwned = 1; top.location = "http://evil.example/top"</script></head>
<body onload="parent.pwned = 1" background="http://evil.example/d.png">
<p>Glue holds the trap together.</p><img src="http://evil.example/e.png" onerror="alert(1)">
<svg onload="alert(2)"><script>alert(3)</script><image href="http://evil.example/f.png"/></svg>
<iframe src="http://evil.example/g"></iframe><object data="http://evil.example/h"></object>
<form action="http://evil.example/i"><button autofocus onfocus="alert(4)">Go</button></form>
<a href="javascript:alert(5)">link</a><video src="http://evil.example/j" autoplay></video>
<math><mtext><img src=x onerror=alert(6)></mtext></math><p style="background:url(//evil.example)">
</body></html>"""
BAD_NAME = "<img src=x onerror=alert(7)>.md"
BAD_TEXT = (
    "# <script>alert(8)</script>\n\nGlue <img src=x onerror=alert(9)> [x](javascript:alert(10))"
)


def uploaded(name: str, content: str | bytes) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


_CHAPTERS = [
    f"## Chapter {n}\n\n" + f"Case {n} of the catalogue lists what the binder had in stock. " * 9
    for n in range(1, 161)
]
LONG = "# Stock\n\n" + "\n\n".join(_CHAPTERS)

FILES: Sequence[dict[str, Any]] = [
    uploaded("pine.md", PINE),
    uploaded("two.pdf", pdf_sample()),
    uploaded("trap.html", HOSTILE),
    uploaded("bad.md", BAD_TEXT),
    uploaded(BAD_NAME, "# Name\n\nGlue."),
    uploaded("ar.md", RIGHT_TO_LEFT),
    uploaded("zh.md", CHINESE),
    uploaded("long.md", LONG),
    uploaded("blank.pdf", pdf_sample([("One", "First sheet of the ledger."), (), ("Three",)])),
    uploaded("broken.pdf", b"%PDF-1.7 nothing follows"),
]
