"""The records that travel from spider to export (design, section 2), and their JSON form (section 5).

Every record is immutable; a step that adds something returns a copy (`document.model_copy(update=...)`).
"""

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from qalqan.clock import to_iso
from qalqan.ids import machine_id

Label = Literal["financial_pyramid", "drug_shop", "drug_graffiti"]
LABELS: tuple[Label, ...] = get_args(Label)

Site = Literal["telegram", "vk", "youtube", "instagram", "tiktok", "facebook", "classifieds", "forum", "web"]

Language = Literal["ru", "kk", "en", "other"]

ChannelStatus = Literal["public", "preview_disabled", "restricted", "empty", "missing"]

UtcTime = Annotated[AwareDatetime, PlainSerializer(to_iso, when_used="json")]


def _without_surrogates(text: Any) -> Any:
    """Crawled text may hold lone surrogates, which no UTF-8 store accepts."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else text


CrawledText = Annotated[str, BeforeValidator(_without_surrogates)]


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entity(Record):
    """Something that can be followed or matched, with its place in the document's text.

    kind: url, domain, telegram (a handle without `@`), telegram_invite (the invite's code), phone (E.164),
    card (digits only), iban, iin, bin, wallet_btc, wallet_eth, wallet_trx, email.
    start, end: offsets in characters (code points) of `Document.text`, end exclusive.
    """

    kind: str
    value: CrawledText
    start: int
    end: int


class Finding(Record):
    """What a classifier says of one label. Always one per label, flagged or not.

    spans: (start, end, weight) in characters of the text; weight is the word's part of the decision, strongest first.
    codes: rationale codes the machine suggests; people decide. threshold: from here on a text belongs in the queue;
    sure_threshold: from here on hardly a harmless text is left, where the classifier knows.
    """

    label: Label
    score: float
    threshold: float
    sure_threshold: float | None = None
    flagged: bool
    spans: tuple[tuple[int, int, float], ...] = ()
    codes: tuple[str, ...] = ()
    model: str


class Media(Record):
    """kind: photo, video, round_video, animation, sticker, voice, audio, document, location, poll, unsupported."""

    kind: str
    url: CrawledText | None = None
    title: CrawledText | None = None


class Reaction(Record):
    emoji: CrawledText
    count: int


class Forward(Record):
    name: CrawledText
    url: CrawledText | None = None


class Document(Record):
    """One post, or one page where a page holds no posts."""

    id: str
    url: CrawledText
    canonical_url: CrawledText
    site: Site
    channel: CrawledText | None = None
    post_id: str | None = None
    author: CrawledText | None = None
    published_at: UtcTime | None = None
    fetched_at: UtcTime
    title: CrawledText | None = None
    text: CrawledText = ""
    lang: Language = "other"
    views: int | None = None
    reactions: tuple[Reaction, ...] = ()
    forwarded_from: Forward | None = None
    reply_to: str | None = None
    edited: bool = False
    media: tuple[Media, ...] = ()
    links: tuple[CrawledText, ...] = ()
    entities: tuple[Entity, ...] = ()
    capture_id: str | None = None
    near_duplicate_of: str | None = None
    findings: tuple[Finding, ...] = ()

    def line(self) -> dict[str, Any]:
        """The document as the contract's JSON object (design, section 5): every field, in its order."""
        return self.model_dump(mode="json")

    @property
    def flagged_labels(self) -> tuple[Label, ...]:
        return tuple(f.label for f in self.findings if f.flagged)


def document_id(site: Site, *stable: str) -> str:
    """A post is named by its site, channel and number, a page by its site and canonical URL."""
    return machine_id("document", site, *(part.lower() for part in stable))


class Channel(Record):
    """What a channel says of itself. Counts only: never who its members are."""

    site: Site
    handle: CrawledText
    url: CrawledText
    title: CrawledText | None = None
    description: CrawledText | None = None
    subscribers: int | None = None
    posts_seen: int | None = None
    status: ChannelStatus
    checked_at: UtcTime
    capture_id: str | None = None


class Capture(Record):
    """One response as received, sealed in a WARC file.

    warc_file is relative to the evidence folder; warc_offset and warc_length are bytes of the compressed member;
    sha256 and size_bytes are of the payload after transfer decoding and before content decoding.
    """

    id: str
    url: CrawledText
    fetched_at: UtcTime
    status: int
    content_type: str | None = None
    sha256: str
    size_bytes: int
    warc_file: str
    warc_offset: int
    warc_length: int
    warc_record_id: str
    ip_address: str | None = None


def capture_id(url: str, fetched_at: datetime, sha256: str) -> str:
    return machine_id("capture", url, fetched_at.isoformat(), sha256)


class PageOfDocuments(Record):
    """What a spider read from one response, before extraction; documents in the order of the page."""

    capture: Capture
    channel: Channel | None = None
    documents: tuple[Document, ...] = ()


class ProcessedPage(Record):
    """The same page after the pipeline: documents as stored, and how many of them were new or changed."""

    documents: tuple[Document, ...]
    new: int
    changed: int
    unchanged: int
