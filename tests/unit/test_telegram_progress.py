"""What is known of a channel: nothing is lost and nothing fetched twice, wherever a visit is cut off."""

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.progress import ChannelState, Gap, PageSpan, after_newest, after_older, next_gap


def test_first_visit_leaves_the_history_open() -> None:
    state = after_newest(ChannelState(), PageSpan(40, 43, 40))
    assert state == ChannelState(43, (Gap(40, 0, 1),))
    assert next_gap(state, max_pages=1) is None
    assert next_gap(state, max_pages=2) == Gap(40, 0, 1)


def test_whole_channel_on_one_page() -> None:
    assert after_newest(ChannelState(), PageSpan(1, 9, None)) == ChannelState(9)


def test_second_visit_stops_at_what_is_known() -> None:
    known = ChannelState(43)
    assert after_newest(known, PageSpan(40, 45, 40)) == ChannelState(45)
    assert after_newest(known, PageSpan(60, 63, 60)) == ChannelState(63, (Gap(60, 43, 1),))


def test_older_pages_close_the_gap() -> None:
    gap = Gap(60, 43, 1)
    state = ChannelState(63, (gap, Gap(20, 0, 5)))
    assert after_older(state, gap, PageSpan(50, 53, 50)) == ChannelState(63, (Gap(50, 43, 2), Gap(20, 0, 5)))
    assert after_older(state, gap, PageSpan(40, 53, 40)) == ChannelState(63, (Gap(20, 0, 5),))
    assert after_older(state, gap, PageSpan(44, 53, 44)) == ChannelState(63, (Gap(20, 0, 5),))
    assert after_older(state, gap, None) == ChannelState(63, (Gap(20, 0, 5),))
    assert after_older(state, Gap(7, 0, 1), None) == state


def test_cut_page_leaves_a_gap_of_its_own() -> None:
    gap = Gap(60, 0, 1)
    state = after_older(ChannelState(63, (gap,)), gap, PageSpan(50, 52, 50, is_cut=True))
    assert state == ChannelState(63, (Gap(60, 52, 1), Gap(50, 0, 2)))
    assert next_gap(state, max_pages=1) == Gap(60, 52, 1)


def page_of(posts: list[int], before: int | None, size: int) -> tuple[list[int], PageSpan | None]:
    """What a channel with these posts shows."""
    older = [p for p in posts if before is None or p < before]
    shown = older[-size:]
    if not shown:
        return [], None
    return shown, PageSpan(shown[0], shown[-1], shown[0] if len(older) > size else None)


@settings(max_examples=300)
@given(st.data())
def test_nothing_is_lost_wherever_visits_stop(data: st.DataObject) -> None:
    """Visits of a growing channel are killed after any number of pages; one whole visit then completes everything."""
    size = data.draw(st.integers(1, 4), "posts per page")
    posts: list[int] = []
    fetched: list[int] = []
    state = ChannelState()
    for round_number in range(data.draw(st.integers(1, 4), "visits")):
        grown = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=8), f"new posts {round_number}")
        for step in grown:
            posts.append((posts[-1] if posts else 0) + step)
        pages_left = data.draw(st.integers(1, 5), f"killed after {round_number}")
        state, found = visit(posts, state, size, pages_left, max_pages=99)
        fetched += found
    state, found = visit(posts, state, size, pages_left=999, max_pages=999)
    fetched += found
    assert set(fetched) == set(posts)
    assert state == ChannelState(posts[-1])


def visit(
    posts: list[int], state: ChannelState, size: int, pages_left: int, max_pages: int
) -> tuple[ChannelState, list[int]]:
    fetched, span = page_of(posts, None, size)
    assert span is not None
    state = after_newest(state, span)
    for _ in range(pages_left - 1):
        gap = next_gap(state, max_pages)
        if gap is None:
            break
        shown, span = page_of(posts, gap.before, size)
        fetched += shown
        state = after_older(state, gap, span)
    return state, fetched
