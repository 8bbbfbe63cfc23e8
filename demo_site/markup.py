"""The text of a post as Telegram's preview writes it: links, mentions, hashtags, bold, code and emoji."""

import re
from html import escape
from urllib.parse import quote

_PICTOGRAM = "[\u231a-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]"
_EMOJI = (
    "[\U0001f1e6-\U0001f1ff]{2}"
    "|[0-9#*]\ufe0f\u20e3"
    f"|{_PICTOGRAM}[\ufe0f\U0001f3fb-\U0001f3ff]*(?:\u200d{_PICTOGRAM}[\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
_TOKEN = re.compile(
    r"\[(?P<shown>[^\]\n]+)\]\((?P<target>[^)\s]+)\)"
    r"|\*\*(?P<bold>.+?)\*\*"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?P<url>(?:https?://|\bt\.me/)[^\s<>()]*[^\s<>().,!?:;»])"
    r"|(?P<domain>\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.example\b(?:/[^\s<>()]*[^\s<>().,!?:;»])?)"
    r"|(?<![\w@.])@(?P<mention>[A-Za-z][A-Za-z0-9_]{3,31})"
    r"|(?<![\w#])#(?P<hashtag>[^\W\d]\w*)"
    f"|(?P<emoji>{_EMOJI})",
    re.DOTALL,
)


def emoji_html(emoji: str) -> str:
    code = emoji.removesuffix("\ufe0f").encode().hex().upper()
    style = f"background-image:url('//telegram.org/img/emoji/40/{code}.png')"
    return f'<i class="emoji" style="{style}"><b>{escape(emoji)}</b></i>'


def _escape_lines(text: str) -> str:
    return escape(text).replace("\n", "<br/>")


def _token_html(token: re.Match[str]) -> str:
    kind = token.lastgroup
    value = token.group(kind) if kind else ""
    match kind:
        case "target":
            confirm = "return confirm('Open this link?\\n\\n'+this.href);"
            shown = post_text_html(token["shown"])
            return f'<a href="{escape(value)}" target="_blank" rel="noopener" onclick="{escape(confirm)}">{shown}</a>'
        case "bold":
            return f"<b>{post_text_html(value)}</b>"
        case "code":
            return f"<code>{escape(value)}</code>"
        case "url":
            address = value if value.startswith("http") else f"https://{value}"
            return f'<a href="{escape(address)}" target="_blank" rel="noopener">{escape(value)}</a>'
        case "domain":
            return f'<a href="http://{escape(value)}" target="_blank" rel="noopener">{escape(value)}</a>'
        case "mention":
            return f'<a href="https://t.me/{value}" target="_blank">@{value}</a>'
        case "hashtag":
            return f'<a href="?q={quote("#" + value)}">#{value}</a>'
        case _:
            return emoji_html(value)


def post_text_html(text: str) -> str:
    """`[shown](address)`, `**bold**`, backticks for code; addresses, @handles, #tags and emoji find themselves."""
    parts = []
    position = 0
    for token in _TOKEN.finditer(text):
        parts += [_escape_lines(text[position : token.start()]), _token_html(token)]
        position = token.end()
    return "".join([*parts, _escape_lines(text[position:])])


def plain_text(text: str) -> str:
    """The words alone, as a reply's excerpt or a page's description shows them."""
    text = re.sub(r"\[([^\]\n]+)\]\([^)\s]+\)", r"\1", text)
    return text.replace("**", "").replace("`", "")


def short_count(count: int) -> str:
    """`950`, `1.2K`, `10.8K`, `7.81K`, `1.05M`: three figures at most, cut rather than rounded."""
    if count < 1000:
        return str(count)
    unit, size = ("M", 1_000_000) if count >= 1_000_000 else ("K", 1000)
    whole = count // size
    decimals = 3 - len(str(whole))
    fraction = f"{count % size * 10**decimals // size:0{decimals}d}".rstrip("0") if decimals > 0 else ""
    return f"{whole}.{fraction}{unit}" if fraction else f"{whole}{unit}"


def spaced_count(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def clock_time(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d}"
