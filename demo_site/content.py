"""The demonstration channels as written in `channels/*.toml`, checked while they are read."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from qalqan.errors import ConfigurationError
from qalqan.records import Label

Handle = Annotated[str, StringConstraints(pattern=r"^[a-z](_?[a-z0-9]){4,31}$", max_length=32)]
PictureName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+\.jpg$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True)]

ChannelKind = Literal["pyramid", "drug_shop", "drug_graffiti", "look_alike"]
PreviewStatus = Literal["public", "preview_disabled", "empty", "missing"]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Forwarded(Part):
    """url is absent where the first author hides who they are."""

    name: str
    url: str | None = None


class PollOption(Part):
    text: str
    percent: int = Field(ge=0, le=100)


class Poll(Part):
    question: str
    voters: int = Field(ge=0)
    options: tuple[PollOption, ...] = Field(min_length=2)


class LinkPreview(Part):
    url: str
    site: str
    title: str
    description: str


class AttachedFile(Part):
    """size is written as the preview writes it: `1.4 MB`."""

    name: str
    size: str


class DemoPost(Part):
    """labels: what a person would find, empty for harmless; never rendered.

    minutes_ago counts back from the server's anchor; appears_after_minutes counts forward, hiding the post till then.
    An album takes as many numbers as it has photos, and is known by its first.
    """

    number: int = Field(ge=1)
    minutes_ago: int | None = Field(default=None, ge=0)
    appears_after_minutes: int | None = Field(default=None, ge=1)
    text: Text = ""
    labels: tuple[Label, ...] = ()
    views: int | None = None
    reactions: dict[str, int] = {}
    author: str | None = None
    forwarded: Forwarded | None = None
    reply_to: int | None = None
    edited: bool = False
    service: bool = False
    photos: tuple[PictureName, ...] = ()
    video_s: int | None = None
    voice_s: int | None = None
    file: AttachedFile | None = None
    poll: Poll | None = None
    preview: LinkPreview | None = None
    unsupported: bool = False

    @property
    def last_number(self) -> int:
        return self.number + max(len(self.photos), 1) - 1

    @property
    def minutes_from_anchor(self) -> int:
        """Negative for the past."""
        return self.appears_after_minutes if self.appears_after_minutes is not None else -(self.minutes_ago or 0)

    @model_validator(mode="after")
    def _has_one_time_and_something_to_show(self) -> Self:
        if (self.minutes_ago is None) == (self.appears_after_minutes is None):
            raise ValueError(f"post {self.number} needs either minutes_ago or appears_after_minutes")
        if not (self.text or self.photos or self.video_s or self.voice_s or self.file or self.poll or self.unsupported):
            raise ValueError(f"post {self.number} shows nothing")
        return self


class DemoChannel(Part):
    """kind says what the channel really is, clone_of names the channel it copies. Neither is rendered."""

    handle: Handle
    title: str
    description: Text = ""
    subscribers: int = Field(default=0, ge=0)
    kind: ChannelKind
    status: PreviewStatus = "public"
    clone_of: Handle | None = None
    interval_minutes: int = Field(default=60, ge=1)
    posts: tuple[DemoPost, ...] = ()

    @model_validator(mode="after")
    def _posts_follow_one_another(self) -> Self:
        if bool(self.posts) != (self.status == "public"):
            raise ValueError(f"@{self.handle} is {self.status} and has {len(self.posts)} posts")
        for earlier, later in zip(self.posts, self.posts[1:], strict=False):
            if later.number <= earlier.last_number:
                raise ValueError(
                    f"post {later.number} must come after {earlier.last_number}, the last of what is before it"
                )
            if later.minutes_from_anchor <= earlier.minutes_from_anchor:
                raise ValueError(f"post {later.number} must be later than post {earlier.number}")
        numbers = {post.number for post in self.posts}
        for post in self.posts:
            if post.reply_to is not None and (post.reply_to not in numbers or post.reply_to >= post.number):
                raise ValueError(f"post {post.number} answers {post.reply_to}, which is not an earlier post")
        return self


def parse_channel(text: str, name: str) -> DemoChannel:
    """One channel file. `name` is for the message: ConfigurationError says what is wrong in which file."""
    try:
        return DemoChannel.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(f"demo channel {name} cannot be used: {error}") from error


@cache
def demo_channels() -> dict[str, DemoChannel]:
    """Every channel by its handle, in the order of the file names."""
    folder = files("demo_site.channels")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    channels = {}
    for name in names:
        channel = parse_channel((folder / name).read_text(encoding="utf-8"), name)
        if name != f"{channel.handle}.toml":
            raise ConfigurationError(
                f"demo channel {name} holds @{channel.handle}: name the file {channel.handle}.toml"
            )
        channels[channel.handle] = channel
    return channels
