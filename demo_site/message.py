"""One post as a bubble of Telegram's preview: the same elements and class names, nothing of its scripts."""

from base64 import b64encode
from datetime import datetime, timedelta
from html import escape

from demo_site.content import DemoChannel, DemoPost, Poll
from demo_site.markup import clock_time, emoji_html, plain_text, post_text_html, short_count

PICTURE_ADDRESS = "https://t.me/file/"


def published_at(post: DemoPost, anchor: datetime) -> datetime:
    return anchor + timedelta(minutes=post.minutes_from_anchor)


def _background(picture: str) -> str:
    return f"background-image:url('{PICTURE_ADDRESS}{picture}')"


def _not_supported(address: str, label: str) -> str:
    return (
        '<div class="message_media_not_supported_wrap"><div class="message_media_not_supported">'
        f'<div class="message_media_not_supported_label">{label}</div>'
        f'<a href="{address}" class="message_media_view_in_telegram">VIEW IN TELEGRAM</a></div></div>'
    )


def _text(post: DemoPost) -> str:
    if not post.text:
        return ""
    return f'<div class="tgme_widget_message_text js-message_text" dir="auto">{post_text_html(post.text)}</div>'


def _photo(post: DemoPost, address: str) -> str:
    return (
        f'<a class="tgme_widget_message_photo_wrap" href="{address}" style="width:800px;{_background(post.photos[0])}">'
        '<div class="tgme_widget_message_photo" style="padding-top:75%"></div></a>'
    )


def _album(channel: DemoChannel, post: DemoPost) -> str:
    rows = (len(post.photos) + 1) // 2
    tiles = "".join(
        '<a class="tgme_widget_message_photo_wrap grouped_media_wrap blured js-message_photo"'
        f' style="left:{position % 2 * 227}px;top:{position // 2 * 171}px;width:226px;height:170px;'
        f'{_background(picture)}"'
        f' data-ratio="1.33" href="https://t.me/{channel.handle}/{post.number + position}?single">'
        '<div class="grouped_media_helper"><div class="tgme_widget_message_photo grouped_media"></div></div></a>'
        for position, picture in enumerate(post.photos)
    )
    return (
        '<div class="tgme_widget_message_grouped_wrap js-message_grouped_wrap" data-margin-w="2" data-margin-h="2"'
        ' style="width:453px;"><div class="tgme_widget_message_grouped js-message_grouped">'
        '<div class="tgme_widget_message_grouped_layer js-message_grouped_layer"'
        f' style="width:453px;height:{rows * 171}px">{tiles}</div></div></div>'
    )


def _video(post: DemoPost, address: str) -> str:
    return (
        f'<a class="tgme_widget_message_video_player not_supported js-message_video_player" href="{address}">'
        f'<i class="tgme_widget_message_video_thumb" style="{_background("video.jpg")}"></i>'
        '<div class="tgme_widget_message_video_wrap" style="width:480px;padding-top:56.25%"></div>'
        '<div class="message_video_play js-message_video_play"></div>'
        '<time class="message_video_duration js-message_video_duration">'
        f"{clock_time(post.video_s or 0)}</time>"
        '<div class="message_media_not_supported_wrap"><div class="message_media_not_supported">'
        '<div class="message_media_not_supported_label">Media is too big</div>'
        '<span class="message_media_view_in_telegram">VIEW IN TELEGRAM</span></div></div></a>'
    )


def _voice(post: DemoPost, address: str) -> str:
    return (
        f'<a class="tgme_widget_message_voice_player js-message_voice_player" href="{address}">'
        f'<audio class="tgme_widget_message_voice js-message_voice" width="100%" height="100%"></audio>'
        '<div class="tgme_widget_message_voice_wrap">'
        '<div class="tgme_widget_message_voice_duration js-message_voice_duration">'
        f"{clock_time(post.voice_s or 0)}</div></div></a>"
    )


def _file(post: DemoPost, address: str) -> str:
    if post.file is None:
        return ""
    return (
        f'<a class="tgme_widget_message_document_wrap" href="{address}">'
        '<div class="tgme_widget_message_document_icon accent_bg"></div>'
        '<div class="tgme_widget_message_document">'
        f'<div class="tgme_widget_message_document_title accent_color" dir="auto">{escape(post.file.name)}</div>'
        f'<div class="tgme_widget_message_document_extra" dir="auto">{escape(post.file.size)}</div></div></a>'
    )


def _poll(poll: Poll) -> str:
    options = "".join(
        '<div class="tgme_widget_message_poll_option">'
        f'<div class="tgme_widget_message_poll_option_percent">{option.percent}%</div>'
        '<div class="tgme_widget_message_poll_option_value">'
        f'<div class="tgme_widget_message_poll_option_text" dir="auto">{post_text_html(option.text)}</div>'
        f'<div class="tgme_widget_message_poll_option_bar" style="width:{option.percent}%"></div></div></div>'
        for option in poll.options
    )
    return (
        '<div class="tgme_widget_message_poll js-poll">'
        f'<div class="tgme_widget_message_poll_question" dir="auto">{post_text_html(poll.question)}</div>'
        '<div class="tgme_widget_message_poll_type">Anonymous Poll</div>'
        f'<div class="tgme_widget_message_poll_options">{options}</div></div>'
    )


def _link_preview(post: DemoPost) -> str:
    if post.preview is None:
        return ""
    return (
        f'<a class="tgme_widget_message_link_preview" href="{escape(post.preview.url)}">'
        f'<div class="link_preview_site_name accent_color" dir="auto">{escape(post.preview.site)}</div>'
        f'<div class="link_preview_title" dir="auto">{escape(post.preview.title)}</div>'
        f'<div class="link_preview_description" dir="auto">{escape(post.preview.description)}</div></a>'
    )


def _forwarded(post: DemoPost) -> str:
    if post.forwarded is None:
        return ""
    name = escape(post.forwarded.name)
    if post.forwarded.url:
        name = (
            '<a class="tgme_widget_message_forwarded_from_name"'
            f' href="{escape(post.forwarded.url)}" dir="auto">{name}</a>'
        )
    else:
        name = f'<span class="tgme_widget_message_forwarded_from_name" dir="auto">{name}</span>'
    return f'<div class="tgme_widget_message_forwarded_from accent_color">Forwarded from&nbsp;{name}</div>'


def _reply(channel: DemoChannel, post: DemoPost) -> str:
    if post.reply_to is None:
        return ""
    answered = next(earlier for earlier in channel.posts if earlier.number == post.reply_to)
    if answered.text:
        excerpt, kind = plain_text(answered.text).replace("\n", " ")[:90], "tgme_widget_message_text"
    else:
        excerpt, kind = "Photo", "tgme_widget_message_metatext"
    return (
        f'<a class="tgme_widget_message_reply" href="https://t.me/{channel.handle}/{post.reply_to}">'
        '<div class="tgme_widget_message_author accent_color">'
        f'<span class="tgme_widget_message_author_name" dir="auto">{post_text_html(channel.title)}</span></div>'
        f'<div class="{kind} js-message_reply_text" dir="auto">{escape(excerpt)}</div></a>'
    )


def _media_and_text(channel: DemoChannel, post: DemoPost, address: str) -> str:
    """Photos share their box with the text below them; every other thing stands before it."""
    if post.photos:
        photos = _album(channel, post) if len(post.photos) > 1 else _photo(post, address)
        fallback = _not_supported(address, "Please open Telegram to view this post")
        return (
            f'<div class="media_supported_cont">{photos}{_text(post)}</div>'
            f'<div class="media_not_supported_cont">{fallback}</div>'
        )
    parts = [
        _video(post, address) if post.video_s else "",
        _voice(post, address) if post.voice_s else "",
        _file(post, address),
        _poll(post.poll) if post.poll else "",
        _not_supported(address, "This media is not supported in your browser") if post.unsupported else "",
        _text(post),
    ]
    return "".join(parts)


def _reactions(post: DemoPost) -> str:
    if not post.reactions:
        return ""
    shown = "".join(
        f'<span class="tgme_reaction">{emoji_html(emoji)}{short_count(count)}</span>'
        for emoji, count in post.reactions.items()
    )
    return f'<div class="tgme_widget_message_reactions js-message_reactions">{shown}</div>'


def _footer(post: DemoPost, address: str, moment: datetime) -> str:
    voters = (
        f'<span class="tgme_widget_message_voters">{short_count(post.poll.voters)}</span>'
        '<span class="copyonly"> voters</span>'
        if post.poll
        else ""
    )
    views = (
        f'<span class="tgme_widget_message_views">{short_count(post.views)}</span><span class="copyonly"> views</span>'
        if post.views is not None
        else ""
    )
    author = (
        f'<span class="tgme_widget_message_from_author" dir="auto">{escape(post.author)}</span>,&nbsp;'
        if post.author
        else ""
    )
    edited = "edited &nbsp;" if post.edited else ""
    return (
        f'<div class="tgme_widget_message_footer compact js-message_footer">{voters}'
        f'<div class="tgme_widget_message_info short js-message_info">{views}'
        f'<span class="tgme_widget_message_meta">{author}{edited}'
        f'<a class="tgme_widget_message_date" href="{address}">'
        f'<time datetime="{moment.isoformat(timespec="seconds")}" class="time">{moment:%H:%M}</time></a></span>'
        "</div></div>"
    )


def message_html(channel: DemoChannel, post: DemoPost, anchor: datetime) -> str:
    """The `tgme_widget_message_wrap` of one post. anchor must be in UTC, as the preview's times are."""
    name = f"{channel.handle}/{post.number}"
    address = f"https://t.me/{name}"
    service = " service_message" if post.service else ""
    return (
        '<div class="tgme_widget_message_wrap js-widget_message_wrap">'
        f'<div class="tgme_widget_message text_not_supported_wrap{service} js-widget_message"'
        f' data-post="{name}" data-view="{b64encode(name.encode()).decode()}">\n'
        f'<div class="tgme_widget_message_user"><a href="https://t.me/{channel.handle}">'
        f'<i class="tgme_widget_message_user_photo bgcolor{len(channel.handle) % 7}"'
        f' data-content="{escape(channel.title[0])}"></i></a></div>\n'
        '<div class="tgme_widget_message_bubble">\n'
        '<div class="tgme_widget_message_author accent_color">'
        f'<a class="tgme_widget_message_owner_name" href="https://t.me/{channel.handle}">'
        f'<span dir="auto">{post_text_html(channel.title)}</span></a></div>\n'
        f"{_forwarded(post)}{_reply(channel, post)}"
        f"{_media_and_text(channel, post, address)}{_link_preview(post)}\n"
        f"{_reactions(post)}{_footer(post, address, published_at(post, anchor))}\n"
        "</div>\n</div></div>"
    )
