"""Slides: titles first, then by rows; bullets and numbers, also those of layouts and masters."""

from tests.documents.packages import P, pptx_of, relationships, shape

from bindery.documents import read


def test_slides_are_read_title_first_then_by_rows():
    inch = 914_400
    shapes = (
        shape("bottom", 0, 5 * inch)
        + shape("right", 3 * inch, 2 * inch)
        + shape("left", 0, 2 * inch + 9)
        + shape("Title", 0, 6 * inch, "title")
    )
    assert read(pptx_of(shapes), "x").text == "## Title\n\nleft\n\nright\n\nbottom"


def test_alternatives_bullets_and_hidden_slides():
    alternative = (
        f"<mc:AlternateContent><mc:Choice>{shape('once')}</mc:Choice>"
        f"<mc:Fallback>{shape('once')}</mc:Fallback></mc:AlternateContent>"
    )
    bullets = shape("dot", properties='<a:pPr><a:buChar char="o"/></a:pPr>') + shape(
        "two", properties='<a:pPr><a:buAutoNum type="alphaLcParenR" startAt="2"/></a:pPr>'
    )
    document = read(pptx_of(alternative, bullets), "x")
    assert document.text == "once\n\n- dot\nb) two"


INCH = 914_400


def styles(kind: str, *marks: str) -> str:
    levels = "".join(f"<a:lvl{n}pPr>{mark}</a:lvl{n}pPr>" for n, mark in enumerate(marks, 1))
    return f"<{kind}>{levels}</{kind}>"


def placeholder(
    paragraphs: str, kind: str = "", index: str = "", *, look: str = "", y: int = 0
) -> str:
    marks = f'type="{kind}" ' * bool(kind) + f'idx="{index}"' * bool(index)
    place = f'<a:xfrm><a:off x="0" y="{y}"/></a:xfrm>' * bool(y)
    return (
        f"<p:sp><p:nvSpPr><p:nvPr><p:ph {marks}/></p:nvPr></p:nvSpPr><p:spPr>{place}</p:spPr>"
        f"<p:txBody>{look}{paragraphs}</p:txBody></p:sp>"
    )


def text(words: str, properties: str = "") -> str:
    return f"<a:p>{properties}<a:r><a:t>{words}</a:t></a:r></a:p>"


NUMBERS = '<a:buAutoNum type="arabicPeriod"/>'


def test_bullets_and_places_come_from_layouts_and_masters():
    numbered = placeholder("", "body", "1", look=styles("a:lstStyle", NUMBERS), y=3 * INCH)
    layout = f"<p:sldLayout {P}><p:cSld><p:spTree>{numbered}</p:spTree></p:cSld></p:sldLayout>"
    body = styles("p:bodyStyle", '<a:buChar char="x"/>', '<a:buChar char="y"/>')
    place = placeholder("", "body", "9", y=2 * INCH) + placeholder("", "", "8", y=5 * INCH)
    master = f"<p:sldMaster {P}><p:cSld><p:spTree>{place}</p:spTree></p:cSld>{body}</p:sldMaster>"
    parts = {
        "ppt/slideLayouts/l.xml": layout.encode(),
        "ppt/slideLayouts/_rels/l.xml.rels": relationships(m="slideMaster ../slideMasters/m.xml"),
        "ppt/slideMasters/m.xml": master.encode(),
    }
    slide = (
        placeholder(text("last"), "", "7")
        + placeholder(
            text("one")
            + text("two")
            + text("none", "<a:pPr><a:buNone/></a:pPr>")
            + text("deeper", '<a:pPr lvl="1"/>'),
            "body",
            "1",
        )
        + shape("a box", y=4 * INCH)
    )
    document = read(pptx_of(slide, parts=parts, l="slideLayout ../slideLayouts/l.xml"), "x")
    assert document.text == "1. one\n2. two\n\nnone\n\n  - deeper\n\na box\n\n- last"


def test_numbers_end_with_the_list_and_groups_are_read_by_rows():
    numbered = f"<a:pPr>{NUMBERS}</a:pPr>"
    below = '<a:pPr lvl="1"><a:buAutoNum type="romanLcParenBoth"/></a:pPr>'
    paragraphs = (
        text("a", numbered)
        + text("in", below)
        + text("b", numbered)
        + text("plain")
        + text("c", numbered)
    )
    group = (
        f"<p:grpSp><p:grpSpPr><a:xfrm><a:off x='0' y='{INCH}'/></a:xfrm></p:grpSpPr>"
        f"{shape('low', 0, 3 * INCH)}{shape('high', 0, INCH)}</p:grpSp>"
    )
    document = read(pptx_of(group + placeholder(paragraphs, "", "1")), "x")
    assert document.text == "1. a\n  (i) in\n2. b\n\nplain\n\n1. c\n\nhigh\n\nlow"


def test_superscripts_of_slides_are_kept_apart():
    raised = '<a:p><a:r><a:t>10</a:t></a:r><a:r><a:rPr baseline="30000"/><a:t>6</a:t></a:r></a:p>'
    assert read(pptx_of(placeholder(raised, "subTitle", "1")), "x").text == "10^6"
