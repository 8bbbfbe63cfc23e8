"""From hostile bytes to a tree, and from a tree to the text a reader would see."""

import re
from functools import cache

import lxml.html
from lxml import etree
from lxml.cssselect import CSSSelector
from lxml.html import HtmlElement
from w3lib.encoding import html_to_unicode

from qalqan.errors import ParseError

_BLOCKS = frozenset(
    {"article", "blockquote", "dd", "div", "dl", "dt", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ol", "p"}
    | {"pre", "section", "table", "tr", "ul"}
)
_UNSEEN = frozenset({"script", "style", "template", "noscript", "svg"})
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def decode_html(body: bytes, content_type: str | None) -> str:
    """The text in the encoding that header, BOM or meta declares, else UTF-8, else windows-1251; never fails."""
    return html_to_unicode(content_type, body, default_encoding="utf-8", auto_detect_fun=_guess_encoding)[1]


def _guess_encoding(body: bytes) -> str:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        # A page that is cut in the middle of a character is still UTF-8.
        return "utf-8" if error.start >= len(body) - 3 else "cp1251"
    return "utf-8"


def parse_html(body: bytes, content_type: str | None) -> HtmlElement:
    """The tree. Raises ParseError where the bytes hold no element at all."""
    text = _NOT_TEXT.sub("", decode_html(body, content_type)).encode("utf-8", "replace")
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        tree = lxml.html.document_fromstring(text, parser=parser)
    except etree.ParserError as error:
        raise ParseError(f"not an HTML page: {len(body)} bytes without any element") from error
    return tree


def is_complete(body: bytes) -> bool:
    """Whether the page reached its end: the closing tag of the document is there."""
    return b"</html>" in body[-2000:].lower()


@cache
def _compiled(selector: str) -> CSSSelector:
    return CSSSelector(selector, translator="html")


def select(element: HtmlElement, selector: str) -> list[HtmlElement]:
    """All descendants that match, in the order of the page."""
    found: list[HtmlElement] = _compiled(selector)(element)
    return found


def first(element: HtmlElement, selector: str) -> HtmlElement | None:
    found = select(element, selector)
    return found[0] if found else None


def meta(tree: HtmlElement, name: str) -> str | None:
    """The content of the first `<meta property=…>` or `<meta name=…>`."""
    found = tree.xpath("//meta[@property=$name or @name=$name]/@content", name=name)
    return str(found[0]) if found else None


def read_text(element: HtmlElement) -> str:
    """The visible text: `<br>` and blocks break lines, other white space of the source is one space.

    Non-breaking and zero-width characters stay: people hide words with them, and offsets count them.
    """
    parts: list[str] = []
    skipped = 0
    for event, node in etree.iterwalk(element, events=("start", "end")):
        starts = event == "start"
        if node.tag in _UNSEEN:
            skipped += 1 if starts else -1
        elif not skipped and node.tag == "br" and starts:
            parts.append("\x00")
        elif not skipped and node.tag in _BLOCKS and node is not element:
            parts.append("\x01")
        if skipped == 0:
            piece = node.text if starts else (node.tail if node is not element else None)
            if piece and not (starts and node.tag in _UNSEEN):
                parts.append(re.sub(r"[ \t\r\n]+", " ", piece))
    # Runs of spaces first: the patterns below would take quadratic time on them.
    text = re.sub(" {2,}", " ", "".join(parts))
    text = re.sub(" ?\x01[ \x01]*", "\x01", text)
    text = re.sub("\x00\x01", "\x00", text)  # a break at the end of a block shows as one
    text = text.strip(" \x01").replace("\x01", "\n").replace("\x00", "\n")
    return re.sub(" ?\n ?", "\n", text).strip(" \n")


def element_text(element: HtmlElement, selector: str) -> str | None:
    """The visible text of the first match; None where it is absent or empty."""
    found = first(element, selector)
    return (read_text(found) or None) if found is not None else None


def background_url(element: HtmlElement | None) -> str | None:
    """The address in an inline `background-image:url('…')`, web addresses only."""
    if element is None:
        return None
    found = re.search(r"background-image:\s*url\(\s*['\"]?(https?://[^'\")]+)", element.get("style") or "")
    return found[1] if found else None
