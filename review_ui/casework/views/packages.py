"""Packages: assembling, checks before signing, freezing, and the files of what is frozen."""

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from review_ui.accounts.models import Role
from review_ui.casework.models import Package, Request, Route, Urgency
from review_ui.casework.packages import (
    Check,
    add_approved,
    approved_requests,
    checks,
    create_package,
    download,
    freeze,
    remove_request,
    requests_of,
)
from review_ui.casework.refusals import Refusal
from review_ui.casework.templatetags.desk import LABEL_ICONS, plain, short_label
from review_ui.casework.views.access import DeskRequest, needs_role
from review_ui.casework.views.problems import messages_of

READERS = (Role.OFFICER, Role.REGULATOR, Role.AUDITOR)
PAGE_SIZE = 100


@dataclass(frozen=True)
class PackageRow:
    uid: str
    number: str
    case: int
    label: str
    icon: str
    kind: str
    address: str
    people: str
    approved_at: datetime
    is_urgent: bool


@dataclass(frozen=True)
class CheckLine:
    is_ok: bool
    text: str
    detail: str


@dataclass(frozen=True)
class FileLine:
    path: str
    title: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Step:
    title: str
    is_done: bool
    is_now: bool


@require_GET
@needs_role(*READERS, section="packages")
def packages_page(request: DeskRequest) -> HttpResponse:
    """Readers outside the house see what is frozen; officers also what is being assembled, and what waits."""
    user = request.user
    packages = Package.objects.select_related("created_by", "frozen_by").annotate(rows=Count("requests"))
    is_officer = user.has_role(Role.OFFICER)
    if not user.has_role(Role.OFFICER, Role.AUDITOR):
        packages = packages.filter(frozen_at__isnull=False)
    counted = {route: approved_requests(route).count() for route in Route.values} if is_officer else {}
    waiting = [
        {"route": route, "title": Route(route).label, "count": count} for route, count in counted.items() if count
    ]
    context = {
        "page": Paginator(packages.order_by("-number"), PAGE_SIZE).get_page(request.GET.get("page")),
        "waiting": waiting,
        "is_officer": is_officer,
    }
    return render(request, "casework/packages.html", context)


@require_POST
@needs_role(Role.OFFICER, section="packages")
def new_package(request: DeskRequest) -> HttpResponse:
    """Begins a package for a route and puts in what is approved."""
    route = request.POST.get("route")
    if route not in Route.values:
        raise Http404("no such route")
    package = create_package(request.user, route)
    add_approved(package, request.user)
    return redirect("package", number=package.number)


def _package(request: DeskRequest, number: int) -> Package:
    package = get_object_or_404(Package.objects.select_related("created_by", "frozen_by"), pk=number)
    if not package.is_frozen and not request.user.has_role(Role.OFFICER, Role.AUDITOR):
        raise Http404("not frozen yet")
    return package


@require_GET
@needs_role(*READERS, section="packages")
def package_page(request: DeskRequest, number: int) -> HttpResponse:
    return show_package(request, _package(request, number))


def show_package(request: DeskRequest, package: Package, refused: list[str] | None = None) -> HttpResponse:
    user = request.user
    is_officer = user.has_role(Role.OFFICER)
    rows = [_row(one) for one in requests_of(package)]
    context: dict[str, Any] = {
        "package": package,
        "rows": rows,
        "size_text": ngettext("%(n)s row", "%(n)s rows", len(rows)) % {"n": len(rows)},
        "refused": refused or [],
        "may_change": is_officer and not package.is_frozen,
    }
    if package.is_frozen:
        manifest = package.envelope.get("manifest", {})
        context |= {
            "files": [
                FileLine(one["path"], file_title(one["path"]), one["sha256"], one["size_bytes"])
                for one in manifest.get("files", ())
            ],
            "key_id": package.envelope.get("key_id", ""),
            "previous": manifest.get("previous_sha256"),
            "steps": steps(4),
        }
    else:
        lines = [_check_line(check) for check in checks(package, user if is_officer else None)]
        failing = [line for line in lines if not line.is_ok]
        context |= {
            "checks": lines,
            "passed": gettext("%(ok)s of %(all)s") % {"ok": len(lines) - len(failing), "all": len(lines)},
            "may_freeze": is_officer and not failing,
            "waiting": approved_requests(package.route).count() if is_officer else 0,
            "steps": steps(0 if not rows else 1 if failing else 2),
        }
    return render(request, "casework/package.html", context, status=409 if refused else 200)


def steps(now: int) -> list[Step]:
    titles = (
        gettext("Assembling"),
        gettext("Checks"),
        gettext("Freezing"),
        gettext("Signature"),
        gettext("Handing over"),
    )
    return [Step(title, index < now, index == now) for index, title in enumerate(titles)]


def _row(one: Request) -> PackageRow:
    return PackageRow(
        uid=str(one.uid),
        number=one.number,
        case=one.case_id,
        label=short_label(one.second.label),
        icon=LABEL_ICONS.get(one.second.label, "file"),
        kind=str(one.target.get_kind_display()),
        address=plain(one.target.address),
        people=gettext("%(first)s and %(second)s")
        % {"first": one.first.user.short_name, "second": one.second.user.short_name},
        approved_at=one.approved_at,
        is_urgent=Urgency.URGENT in {one.first.urgency, one.second.urgency},
    )


def _check_line(check: Check) -> CheckLine:
    titles = {
        "not_empty": gettext("There are rows in the package"),
        "size": gettext("The size of the list is within bounds"),
        "two_people": gettext("Two different people stand behind each row"),
        "protected": gettext("Protected list: no hits without a reason"),
        "formula": gettext("The formula of codes is met everywhere"),
        "capture": gettext("The sealed bytes are whole"),
        "duplicates": gettext("No target stands twice"),
        "officer": gettext("The signer decided on none of the rows"),
    }
    return CheckLine(check.ok, titles.get(check.key, check.key), check.detail)


def file_title(path: str) -> str:
    titles = {
        "requests.csv": gettext("Exchange, CSV"),
        "requests.jsonl": "JSON Lines",
        "cover.txt": gettext("Cover letter, kk and ru"),
        "manifest.json": gettext("Manifest and signature"),
    }
    return titles.get(path, path)


@require_POST
@needs_role(Role.OFFICER, section="packages")
def fill_package(request: DeskRequest, number: int) -> HttpResponse:
    """Adds every approved request of the route."""
    package = _package(request, number)
    try:
        add_approved(package, request.user)
    except Refusal as refusal:
        return show_package(request, package, messages_of(refusal.problems))
    return redirect("package", number=number)


@require_POST
@needs_role(Role.OFFICER, section="packages")
def remove_row(request: DeskRequest, number: int, uid: str) -> HttpResponse:
    """Takes one request out again, with a reason; it stays approved."""
    package = _package(request, number)
    row = get_object_or_404(Request, pk=uid)
    try:
        remove_request(package, row, request.user, request.POST.get("reason", ""))
    except Refusal as refusal:
        return show_package(request, package, messages_of(refusal.problems))
    return redirect("package", number=number)


@require_POST
@needs_role(Role.OFFICER, section="packages")
def freeze_package(request: DeskRequest, number: int) -> HttpResponse:
    package = _package(request, number)
    try:
        freeze(package, request.user)
    except Refusal as refusal:
        return show_package(request, _package(request, number), messages_of(refusal.problems))
    return redirect("package", number=number)


@require_GET
@needs_role(*READERS, section="packages")
def package_file(request: DeskRequest, number: int, path: str) -> HttpResponse:
    """One signed file, byte for byte."""
    package = _package(request, number)
    try:
        content = download(package, path, request.user)
    except KeyError as error:
        raise Http404(path) from error
    except Refusal as refusal:
        raise PermissionDenied(str(refusal)) from refusal
    return attachment(content, f"package-{number}-{path}", "application/octet-stream")


@require_GET
@needs_role(*READERS, section="packages")
def package_zip(request: DeskRequest, number: int) -> HttpResponse:
    """The whole folder, as `qalqan verify` takes it."""
    package = _package(request, number)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.files.values_list("path", flat=True)):
            # The same package always gives the same archive: the date is the day of freezing.
            frozen = package.frozen_at.timetuple()[:6] if package.frozen_at else (1980, 1, 1, 0, 0, 0)
            info = zipfile.ZipInfo(f"package-{number}/{path}", date_time=frozen)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, download(package, path, request.user))
    return attachment(out.getvalue(), f"package-{number}.zip", "application/zip")


def attachment(content: bytes, name: str, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def package_url(number: int) -> str:
    return reverse("package", kwargs={"number": number})
