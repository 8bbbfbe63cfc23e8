"""Whole pages of the demonstration in the structure of Telegram's public preview and landing pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from demo_site.content import DemoChannel, DemoPost
from demo_site.markup import plain_text, post_text_html, short_count, spaced_count
from demo_site.message import message_html

POSTS_PER_PAGE = 20
STYLE_ADDRESS = "https://telegram.org/css/telegram-web.css"


@dataclass(frozen=True)
class Page:
    """A window on a channel's posts, oldest first; the flags say whether there is more on either side."""

    posts: tuple[DemoPost, ...]
    has_earlier: bool
    has_later: bool


def page_of_posts(
    posts: Sequence[DemoPost], before: int | None = None, after: int | None = None, around: int | None = None
) -> Page:
    """The newest posts, those just below `before`, just above `after`, or about `around` (post numbers)."""
    if before is not None:
        end = sum(post.number < before for post in posts)
    elif after is not None:
        end = min(sum(post.number <= after for post in posts) + POSTS_PER_PAGE, len(posts))
    elif around is not None:
        end = min(sum(post.number <= around for post in posts) + POSTS_PER_PAGE // 2, len(posts))
    else:
        end = len(posts)
    start = max(end - POSTS_PER_PAGE, 0)
    if after is not None:
        start = max(start, sum(post.number <= after for post in posts))
    return Page(tuple(posts[start:end]), has_earlier=start > 0, has_later=end < len(posts))


def _meta(title: str, description: str, handle: str) -> str:
    title, description = escape(title), escape(description)
    return (
        f'<meta property="og:title" content="{title}">\n'
        '<meta property="og:image" content="https://telegram.org/img/t_logo.png">\n'
        '<meta property="og:site_name" content="Telegram">\n'
        f'<meta property="og:description" content="{description}">\n'
        f'<meta property="twitter:title" content="{title}">\n'
        '<meta property="twitter:site" content="@Telegram">\n'
        f'<meta property="al:ios:url" content="tg://resolve?domain={handle}">\n'
        f'<meta property="al:android:url" content="tg://resolve?domain={handle}">\n'
        '<meta name="twitter:card" content="summary">\n'
        f'<meta name="twitter:description" content="{description}">\n'
    )


def _counters(channel: DemoChannel, posts: Sequence[DemoPost]) -> str:
    counts = {
        "subscribers": channel.subscribers,
        "photos": sum(len(post.photos) for post in posts),
        "videos": sum(post.video_s is not None for post in posts),
        "files": sum(post.file is not None for post in posts),
        "links": sum("http" in post.text for post in posts),
    }
    return "".join(
        f'<div class="tgme_channel_info_counter"><span class="counter_value">{short_count(count)}</span>'
        f' <span class="counter_type">{kind.removesuffix("s") if count == 1 else kind}</span></div>'
        for kind, count in counts.items()
        if count
    )


def _photo(channel: DemoChannel) -> str:
    initials = escape("".join(word[0] for word in channel.title.split()[:2]))
    return f'<i class="tgme_page_photo_image bgcolor{len(channel.handle) % 7}" data-content="{initials}"></i>'


def _header(channel: DemoChannel, posts: Sequence[DemoPost]) -> str:
    title = f'<span dir="auto">{post_text_html(channel.title)}</span>'
    description = (
        f'<div class="tgme_channel_info_description">{post_text_html(channel.description)}</div>'
        if channel.description
        else ""
    )
    return f"""<header class="tgme_header search_collapsed">
  <div class="tgme_container">
    <div class="tgme_header_search">
      <form class="tgme_header_search_form" action="/s/{channel.handle}">
        <input class="tgme_header_search_form_input js-header_search" placeholder="Search" name="q" value="">
      </form>
    </div>
    <div class="tgme_header_right_column">
      <section class="tgme_right_column">
        <div class="tgme_channel_info">
          <div class="tgme_channel_info_header">
            {_photo(channel)}
            <div class="tgme_channel_info_header_title_wrap">
              <div class="tgme_channel_info_header_title">{title}</div>
              <div class="tgme_channel_info_header_labels"></div>
            </div>
            <div class="tgme_channel_info_header_username"><a href="https://t.me/{channel.handle}">@{channel.handle}</a></div>
          </div>
          <div class="tgme_channel_info_counters">{_counters(channel, posts)}</div>
          {description}
          <a class="tgme_channel_download_telegram" href="//telegram.org/dl">Download Telegram</a>
          <div class="tgme_footer">
            <div class="tgme_footer_column"><h5><a href="//telegram.org/faq">About</a></h5></div>
            <div class="tgme_footer_column"><h5><a href="//telegram.org/apps">Apps</a></h5></div>
          </div>
        </div>
      </section>
    </div>
    <div class="tgme_header_info">
      <a class="tgme_channel_join_telegram" href="//telegram.org/dl">Join</a>
      <a class="tgme_header_link" href="https://t.me/{channel.handle}">
        {_photo(channel)}
        <div class="tgme_header_title_wrap">
          <div class="tgme_header_title">{title}</div>
          <div class="tgme_header_labels"></div>
        </div>
        <div class="tgme_header_counter">{short_count(channel.subscribers)} subscribers</div>
      </a>
    </div>
  </div>
</header>"""


def _more(channel: DemoChannel, side: str, number: int) -> str:
    return (
        '<div class="tgme_widget_message_centered js-messages_more_wrap">'
        f'<a href="/s/{channel.handle}?{side}={number}" class="tme_messages_more js-messages_more"'
        f' data-{side}="{number}"></a></div>'
    )


def preview_page(channel: DemoChannel, posts: Sequence[DemoPost], page: Page, anchor: datetime) -> str:
    """t.me/s/<channel>: posts are all that are visible now (they are counted in the header), page those to show."""
    links, history = [], []
    if page.has_earlier:
        links.append(f'<link rel="prev" href="/s/{channel.handle}?before={page.posts[0].number}">')
        history.append(_more(channel, "before", page.posts[0].number))
    if page.has_later and page.posts:
        links.append(f'<link rel="next" href="/s/{channel.handle}?after={page.posts[-1].last_number}">')
    if page.posts:
        links.append(f'<link rel="canonical" href="/s/{channel.handle}?before={page.posts[-1].last_number + 1}">')
        history += [message_html(channel, post, anchor) for post in page.posts]
    else:
        history.append(
            '<div class="tgme_widget_message_wrap js-widget_message_wrap"><div class="tgme_widget_message_centered">'
            '<div class="tme_no_messages_found">No posts found</div></div></div>'
        )
    if page.has_later and page.posts:
        history.append(_more(channel, "after", page.posts[-1].last_number))
    return f"""<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <title>{escape(channel.title)} – Telegram</title>
    <meta name="viewport" content="width=device-width, initial-scale=1.0">
{_meta(channel.title, plain_text(channel.description), channel.handle)}
{chr(10).join(links)}
    <link href="{STYLE_ADDRESS}" rel="stylesheet" media="screen">
  </head>
  <body class="widget_frame_base tgme_webpreview emoji_image thin_box_shadow tme_mode no_transitions">
{_header(channel, posts)}
<main class="tgme_main" data-url="/{channel.handle}">
  <div class="tgme_container">
    <section class="tgme_channel_history js-message_history">
{chr(10).join(history)}
    </section>
  </div>
</main>
  </body>
</html>
"""


def post_widget_page(channel: DemoChannel, post: DemoPost, anchor: datetime) -> str:
    """t.me/<channel>/<number>?embed=1: one bubble alone."""
    return f"""<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <title>Telegram Widget</title>
    <base target="_blank">
    <link href="{STYLE_ADDRESS}" rel="stylesheet" media="screen">
  </head>
  <body class="widget_frame_base tgme_widget body_widget_post emoji_image nodark">
{message_html(channel, post, anchor)}
  </body>
</html>
"""


def _landing(handle: str, meta: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <title>Telegram: Contact @{handle}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1.0">
{meta}
    <link href="{STYLE_ADDRESS}" rel="stylesheet" media="screen">
  </head>
  <body>
    <div class="tgme_page_wrap">
      <div class="tgme_head_wrap">
        <div class="tgme_head">
          <a href="//telegram.org/" class="tgme_head_brand"><i class="tgme_logo"></i></a>
        </div>
      </div>
{body}
    </div>
    <div id="tgme_frame_cont"></div>
  </body>
</html>
"""


def channel_landing_page(channel: DemoChannel) -> str:
    """t.me/<channel>: what it says of itself; the button for the preview is there only where a preview is."""
    handle = channel.handle
    title = f'<span dir="auto">{post_text_html(channel.title)}</span>'
    description = (
        f'<div class="tgme_page_description" dir="auto">{post_text_html(channel.description)}</div>'
        if channel.description
        else ""
    )
    preview = (
        '<div class="tgme_page_action tgme_page_context_action"><div class="tgme_page_context_btn">'
        f'<a class="tgme_action_button_new" href="/s/{handle}">'
        '<span class="tgme_action_button_label">Preview channel</span></a></div></div>'
        if channel.status != "preview_disabled"
        else ""
    )
    body = f"""      <div class="tgme_page tgme_page_post">
        <div class="tgme_page_photo"><a href="tg://resolve?domain={handle}">{_photo(channel)}</a></div>
        <div class="tgme_page_title" dir="auto">{title}</div>
        <div class="tgme_page_extra">{spaced_count(channel.subscribers)} subscribers</div>
        {description}
        <div class="tgme_page_action">
          <a class="tgme_action_button_new" href="tg://resolve?domain={handle}">View in Telegram</a>
        </div>
        {preview}
        <div class="tgme_page_additional">
          If you have <strong>Telegram</strong>, you can view and join <br><strong>{title}</strong> right away.
        </div>
      </div>"""
    return _landing(handle, _meta(channel.title, plain_text(channel.description), handle), body)


def missing_landing_page(handle: str) -> str:
    """t.me/<nobody>: Telegram answers 200 and offers to contact a user of that name."""
    body = f"""      <div class="tgme_page">
        <div class="tgme_page_icon"><i class="tgme_icon_user"></i></div>
        <div class="tgme_page_description">
          If you have <strong>Telegram</strong>, you can contact
          <a class="tgme_username_link" href="tg://resolve?domain={handle}">@{handle}</a> right away.
        </div>
        <div class="tgme_page_action">
          <a class="tgme_action_button" href="tg://resolve?domain={handle}">Send Message</a>
        </div>
      </div>"""
    robots = '    <meta name="robots" content="noindex, nofollow">\n'
    return _landing(handle, robots + _meta(f"Telegram: Contact @{handle}", "", handle), body)


def post_landing_page(channel: DemoChannel, post: DemoPost) -> str:
    """t.me/<channel>/<number>: the text stands in the description, the bubble in a frame."""
    name = f"{channel.handle}/{post.number}"
    body = f"""      <div class="tgme_body_wrap">
        <div class="tgme_page tgme_page_post">
          <div class="tgme_page_widget_wrap" id="widget">
            <div class="tgme_page_widget">
              <iframe id="telegram-post-{channel.handle}-{post.number}"
                src="https://t.me/{name}?embed=1&amp;mode=tme" width="100%" height="400"></iframe>
            </div>
          </div>
        </div>
        <div class="tgme_page_widget_actions_wrap" id="widget_actions_wrap">
          <div class="tgme_page_context_btn"><a class="tgme_action_button_new" href="/s/{name}">
            <span class="tgme_action_button_label">Context</span></a></div>
          <div class="tgme_page_widget_action">
            <a class="tgme_action_button_new"
              href="tg://resolve?domain={channel.handle}&amp;post={post.number}">View In Channel</a>
          </div>
        </div>
      </div>"""
    return _landing(channel.handle, _meta(channel.title, plain_text(post.text), channel.handle), body)
