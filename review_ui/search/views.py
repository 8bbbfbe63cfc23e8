"""The search through everything that is stored, and what comes near to one post."""

import time
from dataclasses import replace
from typing import Any

import structlog
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from qalqan.errors import StoreError
from qalqan.store import DocumentPage, Store
from qalqan.store.terms import read_query
from review_ui.accounts.models import Role
from review_ui.casework.templatetags.desk import number, plain
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.search.facets import PATIENCE_S, facets_of
from review_ui.search.filters import LONGEST_TEXT, SearchFilters
from review_ui.search.results import results_of
from review_ui.search.similar import similar_to
from review_ui.search.store import shared_store

log = structlog.get_logger()

READERS = (Role.MODERATOR, Role.AUDITOR)
PAGE_SIZE = 25


@require_GET
@needs_role(*READERS, section="search")
def search_page(request: DeskRequest) -> HttpResponse:
    """At most seven calls of the store; two where htmx only turns the page."""
    deadline = time.monotonic() + PATIENCE_S
    filters = SearchFilters.from_query(request.GET)
    cursor = request.GET.get("cursor", "")
    is_part = bool(request.htmx) and request.htmx.target == "list"
    has_facets = not (is_part and cursor)
    context: dict[str, Any] = {}
    try:
        with shared_store.reading() as store:
            context = _found(store, filters, cursor)
            if has_facets:
                context["facets"] = facets_of(store, filters, deadline)
    except StoreError as error:
        log.warning("search.store_away", reason=str(error))
        context = {"trouble": plain(str(error)), "facets": facets_of(None, filters, deadline) if has_facets else None}
    context |= {
        "filters": filters,
        "longest_text": str(LONGEST_TEXT),
        "is_part": is_part,
        "is_filtered": filters != SearchFilters(),
        "has_no_word": bool(filters.text) and not read_query(filters.text),
        "is_later_page": bool(cursor),
        "here": filters.address(),
    }
    response = render(request, "search/_list.html" if is_part else "search/search.html", context)
    if is_part and not cursor:  # the form would name its empty fields; a link knows its address
        response.headers["HX-Push-Url"] = filters.address()
    return response


def _found(store: Store, filters: SearchFilters, cursor: str) -> dict[str, Any]:
    page, is_lost = _page(store, filters, cursor)
    return {
        "rows": results_of(page.documents, filters),
        "total": number(page.total),
        "shown": gettext("%(n)s of %(total)s on this page")
        % {"n": number(len(page.documents)), "total": number(page.total)},
        "next_url": filters.address(cursor=page.next_cursor) if page.next_cursor else "",
        "is_place_lost": is_lost,
    }


def _page(store: Store, filters: SearchFilters, cursor: str) -> tuple[DocumentPage, bool]:
    """A cursor that the store no longer knows leads to the first page; the second value says so."""
    if cursor:
        try:
            return store.search(filters.query, PAGE_SIZE, cursor), False
        except StoreError as error:
            log.info("search.place_lost", reason=str(error))
    return store.search(filters.query, PAGE_SIZE), bool(cursor)


@require_GET
@needs_role(*READERS, section="search")
def like_page(request: DeskRequest, document_id: str) -> HttpResponse:
    """Four calls of the store."""
    try:
        with shared_store.reading() as store:
            post = store.get_stored([document_id]).get(document_id)
            similar = similar_to(store, post) if post else None
    except StoreError as error:
        log.warning("search.store_away", reason=str(error))
        return render(request, "search/like.html", {"trouble": plain(str(error)), "longest_text": str(LONGEST_TEXT)})
    if post is None or similar is None:
        raise Http404("no such document")
    nothing = SearchFilters()
    context = {
        "post": replace(results_of([post.document], nothing)[0], like_url=""),
        "copies": results_of(similar.copies, nothing),
        "neighbours": results_of(similar.neighbours, nothing, similar.similarities),
        "has_vector": post.vector is not None,
        "longest_text": str(LONGEST_TEXT),
    }
    return render(request, "search/like.html", context)
