"""Documents of long ago go by whole months: at our command, or by the server's own ILM where it has that."""

from datetime import UTC, datetime

import structlog
from elasticsearch import ApiError, Elasticsearch

from qalqan.store.elasticsearch.layout import Layout, month_of_index, short_lists
from qalqan.store.keys import UNDATED, start_of_month

log = structlog.get_logger()


def drop_months_before(layout: Layout, month: str) -> int:
    """Deletes the indices of the months before, all or none, and counts their documents; `undated` stays.

    A writer that still knows such a month makes it anew.
    """
    start_of_month(month)
    old = [index for index in layout.indices() if _month(index) < month]
    if not old:
        return 0
    count = 0
    for some in short_lists(old):
        layout.client.indices.refresh(index=some)
        count += int(layout.client.count(index=some)["count"])
    layout.client.indices.update_aliases(actions=[{"remove_index": {"index": index}} for index in old])
    layout.forget_months()
    log.info("months_dropped", before=month, indices=old, documents=count)
    return count


def has_ilm(client: Elasticsearch) -> bool | None:
    """Whether the server drops indices by policy; None if these credentials may not ask."""
    try:
        client.ilm.get_status()
    except ApiError as error:
        if error.meta.status in (401, 403):
            return None
        if error.meta.status in (400, 404, 405, 410):  # no handler for such a question
            return False
        raise
    return True


def put_policy(layout: Layout, keep_months: int | None) -> bool:
    """Lets ILM drop each month `keep_months` after its end; None: nothing is dropped. Returns whether it will.

    To be called after `Layout.put_templates`. Indices that are there get the policy themselves, those to come by the
    template; `undated` never does.
    """
    if not has_ilm(layout.client):
        return False
    client, policy = layout.client, f"{layout.prefix}-documents"
    months = [index for index in layout.indices() if _month(index) != UNDATED]
    if keep_months is None:
        for some in short_lists(months):
            client.indices.put_settings(index=some, settings={"index.lifecycle.name": None})
        return False
    content = layout.read_template("retention", keep=f"{keep_months * 31}d")
    client.ilm.put_lifecycle(name=policy, policy=content["policy"])
    layout.put_index_template("documents", UNDATED)
    layout.put_index_template("documents", settings={"index.lifecycle.name": policy})
    for index in months:
        client.indices.put_settings(
            index=index,
            settings={
                "index.lifecycle.name": policy,
                # Else the age would count from the index's making, and begin anew with each reindexing.
                "index.lifecycle.origination_date": int(_end_of(_month(index)).timestamp() * 1000),
            },
        )
    return True


def _month(index: str) -> str:
    return month_of_index(index) or UNDATED


def _end_of(month: str) -> datetime:
    start = start_of_month(month)
    return datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
