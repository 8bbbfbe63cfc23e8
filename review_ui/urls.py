"""Addresses of the site."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path

from review_ui.audit import views as audit
from review_ui.casework.views import case, decision, errors, evidence, packages, pause, queue, second
from review_ui.search import views as search
from review_ui.sources import views as sources


def not_offered(request: HttpRequest) -> HttpResponse:
    """What django-allauth brings and we do not use: accounts and passwords are the administrator's."""
    raise Http404("not offered")


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns = [
    path("", queue.home, name="home"),
    path("healthz", alive, name="healthz"),
    path("queue/", queue.queue_page, name="queue"),
    path("queue/next/", decision.next_case, name="next-case"),
    path("second/", queue.second_page, name="second"),
    path("search/", search.search_page, name="search"),
    path("search/like/<str:document_id>/", search.like_page, name="search-like"),
    path("pause/", pause.pause_page, name="pause"),
    path("cases/<int:number>/", case.case_page, name="case"),
    path("cases/<int:number>/materials/<int:material_id>/", case.material_part, name="case-material"),
    path("cases/<int:number>/claim/", decision.claim_case, name="case-claim"),
    path("cases/<int:number>/skip/", decision.skip_case, name="case-skip"),
    path("cases/<int:number>/check/", decision.check_case, name="case-check"),
    path("cases/<int:number>/decide/", decision.decide_case, name="case-decide"),
    path("cases/<int:number>/opinions/", second.opinions_page, name="case-opinions"),
    path("cases/<int:number>/audit/", audit.case_audit, name="case-audit"),
    path("cases/<int:number>/evidence/<int:material_id>/", evidence.evidence_page, name="evidence"),
    path("cases/<int:number>/evidence/<int:material_id>/bytes/", evidence.evidence_bytes, name="evidence-bytes"),
    path("decisions/<uuid:decision_id>/undo/", decision.undo_decision, name="decision-undo"),
    path("packages/", packages.packages_page, name="packages"),
    path("packages/new/", packages.new_package, name="package-new"),
    path("packages/<int:number>/", packages.package_page, name="package"),
    path("packages/<int:number>/fill/", packages.fill_package, name="package-fill"),
    path("packages/<int:number>/rows/<uuid:uid>/remove/", packages.remove_row, name="package-remove"),
    path("packages/<int:number>/freeze/", packages.freeze_package, name="package-freeze"),
    path("packages/<int:number>/files/<str:path>", packages.package_file, name="package-file"),
    path("packages/<int:number>/package.zip", packages.package_zip, name="package-zip"),
    path("sources/", sources.sources_page, name="sources"),
    path("sources/add/", sources.add_source, name="source-add"),
    path("sources/<int:source_id>/change/", sources.change_source, name="source-change"),
    path("sources/<int:source_id>/visit/", sources.visit_now, name="source-visit"),
    re_path(r"^accounts/(?:signup|email|confirm-email|password/reset|password/set|login/code)", not_offered),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]

handler403 = errors.not_allowed
handler404 = errors.gone
handler500 = errors.failed
