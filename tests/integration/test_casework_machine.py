"""Whatever three people do in whatever order: no request of one person, and no state is skipped."""

from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("database")

USERS = ("aliya", "bolat", "dana")
ACTS = (
    "message",
    "message",
    "message",
    "channel",
    "bot",
    "reject",
    "hand_over",
    "return",
    "withdraw",
    "claim",
    "release",
    "recollect",
)

# state -> what may follow it
FOLLOWS = {
    "queued": {"second_review", "rejected", "handed_over", "needs_capture"},
    "needs_capture": {"queued", "second_review", "rejected", "handed_over"},
    "second_review": {"approved", "third_review", "needs_capture", "queued"},
    "third_review": {"approved", "rejected", "handed_over", "needs_capture", "second_review"},
    "approved": {"second_review", "third_review"},
    "rejected": {"queued", "needs_capture", "third_review"},
    "handed_over": {"queued", "needs_capture", "third_review"},
}
# Only these may be reached by taking something back.
BACK = {("approved", "second_review"), ("approved", "third_review"), ("rejected", "queued"), ("handed_over", "queued"),
        ("rejected", "third_review"), ("handed_over", "third_review"), ("second_review", "queued"),
        ("rejected", "needs_capture"), ("handed_over", "needs_capture"), ("third_review", "second_review")}  # fmt: skip

numbers = count(1000)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(acts=st.lists(st.tuples(st.sampled_from(USERS), st.sampled_from(ACTS)), min_size=1, max_size=12))
def test_no_order_of_acts_breaks_the_rules(desk: Any, acts: list[tuple[str, str]]) -> None:
    channel = f"primer_{next(numbers)}"
    case = desk.case(channel=channel)
    for name, act in acts:
        before = case.state
        perform(desk, case, channel, name, act)
        case.refresh_from_db()
        if case.state != before:
            assert case.state in FOLLOWS[before], (before, act, case.state)
            if (before, case.state) in BACK and (before, case.state) != ("needs_capture", "queued"):
                assert act == "withdraw" or (before, case.state) in {("needs_capture", "second_review")}
        check_rules(case)


def perform(desk: Any, case: Any, channel: str, name: str, act: str) -> None:
    from review_ui.casework.claims import claim, release
    from review_ui.casework.decisions import withdraw
    from review_ui.casework.intake import take_in
    from review_ui.casework.refusals import Refusal

    user = desk.people[name]
    try:
        if act in {"message", "channel", "bot"}:
            desk.decide(case, user, kind=act, quotes=[])
        elif act in {"reject", "hand_over", "return"}:
            desk.decide(case, user, outcome=act, codes=["EX01"], quotes=[])
        elif act == "withdraw":
            last = case.decisions.order_by("-at").first()
            if last is not None:
                withdraw(last, user)
        elif act == "claim":
            claim(case, user)
        elif act == "release":
            release(case, user)
        elif case.state == "needs_capture":
            desk.post(channel=channel)
            take_in(desk.store)
    except Refusal as refusal:
        assert refusal.problems


def check_rules(case: Any) -> None:
    standing = list(case.decisions.filter(round=case.round, withdrawn_at=None).order_by("stage"))
    assert [one.stage for one in standing] == list(range(1, len(standing) + 1))
    assert len({one.user_id for one in standing}) == len(standing)
    live = list(case.requests.exclude(state="withdrawn"))
    assert len(live) == (case.state == "approved")
    for request in live:
        first, second = request.first, request.second
        assert first.user_id != second.user_id
        assert first.stage < second.stage
        assert (first.outcome, second.outcome) == ("confirm", "confirm")
        assert first.target_id == second.target_id == request.target_id
        assert first.withdrawn_at is None
        assert second.withdrawn_at is None
    expected = {"queued": 0, "needs_capture": 0, "second_review": 1, "third_review": 2}
    if case.state in expected:
        assert len(standing) == expected[case.state]
