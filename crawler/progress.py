"""How far a channel has been read: the newest post known, and the holes that are still to be fetched.

Pages are read newest first. After each stored page the state says exactly what is missing, so a visit that is killed
anywhere is resumed without losing or repeating a page.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Gap:
    """Posts with `until < number < before` are not fetched yet.

    until 0 is the channel's history before the first visit: how deep it is read is the operator's choice
    (`max_pages`, of which `pages` are spent). Any other gap was opened by a failure and is always closed.
    """

    before: int
    until: int
    pages: int


@dataclass(frozen=True, slots=True)
class ChannelState:
    """newest: the highest post number known. gaps: newest first."""

    newest: int | None = None
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class PageSpan:
    """What a stored page covered: its lowest and highest post, and the number to page on from (None: history ends).

    is_cut: posts between `last` and the page's upper end were lost.
    """

    first: int
    last: int
    before: int | None
    is_cut: bool = False


def after_newest(state: ChannelState, page: PageSpan) -> ChannelState:
    """The state once the newest page is stored; opens a gap where the page does not reach what is known."""
    gaps = state.gaps
    reaches = state.newest is not None and page.first <= state.newest
    if page.before is not None and not reaches:
        gaps = (Gap(page.before, state.newest or 0, 1), *gaps)
    return ChannelState(page.last, gaps)


def after_older(state: ChannelState, gap: Gap, page: PageSpan | None) -> ChannelState:
    """The state once a page inside `gap` is stored; None: there is nothing older. Unknown gaps change nothing."""
    if gap not in state.gaps:
        return state
    left: list[Gap] = []
    if page is not None:
        if page.is_cut and page.last + 1 < gap.before:
            left.append(replace(gap, until=max(page.last, gap.until)))
        if page.before is not None and page.first - 1 > gap.until:
            left.append(Gap(min(page.before, page.first), gap.until, gap.pages + 1))
    at = state.gaps.index(gap)
    return replace(state, gaps=(*state.gaps[:at], *left, *state.gaps[at + 1 :]))


def next_gap(state: ChannelState, max_pages: int) -> Gap | None:
    """The gap to fetch from next. History deeper than `max_pages` is left alone."""
    return next((gap for gap in state.gaps if gap.until > 0 or gap.pages < max_pages), None)
