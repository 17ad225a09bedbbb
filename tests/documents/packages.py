"""Small Office and OpenDocument files, made of the XML that a test is about."""

from collections.abc import Mapping

from tests.documents.samples import archive, odt_sample, with_member

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "application/vnd.openxmlformats-officedocument"
W = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    f'xmlns:r="{OFFICE}" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    f'xmlns:r="{OFFICE}" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
ODF = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        **{name: name for name in ("office", "text", "table", "style")},
        "number": "datastyle",
        "draw": "drawing",
        "svg": "svg-compatible",
    }.items()
)


def relationships(**targets: str) -> bytes:
    """Relationships of these ids: each a kind and a target, divided by a space."""
    rows = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in ((key, value.split(" ")) for key, value in targets.items())
    )
    return f"<Relationships>{rows}</Relationships>".encode()


def docx_of(
    body: str, main: str = "word/document.xml", parts: Mapping[str, bytes] | None = None, **related
) -> bytes:
    """A Word document with this body; ``related`` are the parts that it refers to."""
    folder, _, file = main.rpartition("/")
    content = f"<w:document {W}><w:body>{body}</w:body></w:document>"
    kind = f"{TYPES}.wordprocessingml.document.main+xml"
    return archive(
        {
            "[Content_Types].xml": f'<Types><Override ContentType="{kind}"/></Types>'.encode(),
            "_rels/.rels": relationships(r=f"officeDocument {main}"),
            main: content.encode(),
            f"{folder}/_rels/{file}.rels": relationships(**related),
            **(parts or {}),
        }
    )


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def item(text: str, number: int, depth: int = 0, more: str = "") -> str:
    listed = f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{number}"/></w:numPr>'
    return paragraph(text, more + listed)


def level(depth: int, written: str, text: str, start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="{start}"/><w:numFmt w:val="{written}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


def numbering(definitions: Mapping[int, str], lists: Mapping[int, str]) -> bytes:
    """Definitions of lists, and lists that use them: "1" or "1" and overrides."""
    written = "".join(
        f'<w:abstractNum w:abstractNumId="{key}">{levels}</w:abstractNum>'
        for key, levels in definitions.items()
    ) + "".join(
        f'<w:num w:numId="{key}"><w:abstractNumId w:val="{used[0]}"/>{used[1:]}</w:num>'
        for key, used in lists.items()
    )
    return f"<w:numbering {W}>{written}</w:numbering>".encode()


def pptx_of(*slides: str, parts: Mapping[str, bytes] | None = None, **related: str) -> bytes:
    """A presentation with these shapes on its slides; ``related`` belongs to the first one."""
    ids = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n, _ in enumerate(slides))
    return archive(
        {
            "ppt/presentation.xml": (
                f"<p:presentation {P}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
            ).encode(),
            "ppt/_rels/presentation.xml.rels": relationships(
                **{f"r{n}": f"slide slides/slide{n}.xml" for n, _ in enumerate(slides)}
            ),
            **{
                f"ppt/slides/slide{n}.xml": (
                    f"<p:sld {P}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
                ).encode()
                for n, shapes in enumerate(slides)
            },
            "ppt/slides/_rels/slide0.xml.rels": relationships(**related),
            **(parts or {}),
        }
    )


def shape(text: str, x: int = 0, y: int = 0, kind: str = "", properties: str = "") -> str:
    mark = f'<p:ph type="{kind}"/>' if kind else ""
    return (
        f"<p:sp><p:nvSpPr><p:nvPr>{mark}</p:nvPr></p:nvSpPr><p:spPr><a:xfrm>"
        f'<a:off x="{x}" y="{y}"/></a:xfrm></p:spPr><p:txBody><a:p>{properties}<a:r><a:t>{text}'
        "</a:t></a:r></a:p></p:txBody></p:sp>"
    )


def odt_of(body: str, styles: str = "", parts: Mapping[str, bytes] | None = None) -> bytes:
    """A text document with this body and these automatic styles."""
    content = (
        f"<office:document-content {ODF}><office:automatic-styles>{styles}"
        f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body>"
        "</office:document-content>"
    )
    made = with_member(odt_sample(), "content.xml", content.encode())
    for name, part in (parts or {}).items():
        made = with_member(made, name, part)
    return made
