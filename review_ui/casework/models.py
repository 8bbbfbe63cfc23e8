"""Cases, decisions, requests and packages (domain.md, sections 4 to 6).

Evidence (a material: one post as captured) is not the thing to restrict (a target). States are changed only by
the functions of this app, each of which writes to the audit chain; decisions are never edited. What must never
happen is refused by the database as well (constraints here, triggers in migration 0002).
"""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from qalqan.ids import act_id
from review_ui.casework.fall import describe_fall


class LabelChoice(models.TextChoices):
    FINANCIAL_PYRAMID = "financial_pyramid", _("Financial pyramid")
    DRUG_SHOP = "drug_shop", _("Drug shop")
    DRUG_GRAFFITI = "drug_graffiti", _("Drug graffiti")


class CaseState(models.TextChoices):
    QUEUED = "queued", _("In the queue")
    NEEDS_CAPTURE = "needs_capture", _("Back to collection")
    SECOND_REVIEW = "second_review", _("Waits for a second opinion")
    THIRD_REVIEW = "third_review", _("Opinions differ: a third person decides")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    HANDED_OVER = "handed_over", _("Handed over")
    PACKAGED = "packaged", _("In a package")


OPEN_STATES = (
    CaseState.QUEUED,
    CaseState.NEEDS_CAPTURE,
    CaseState.SECOND_REVIEW,
    CaseState.THIRD_REVIEW,
)


class Case(models.Model):
    """One shop or project as seen through one channel or site, with everything flagged there.

    `cluster_key` ("telegram:handle") names what flagged documents are grouped by; a new case with the same key is
    opened when the last one is closed ("came back"). harm is 0 to 100, the sum of `harm_parts`
    ([{"part": "model", "value": 37.6, "detail": "0.94 × 40"}, ...]). round counts how often the case began anew:
    a return to collection ends one, and nobody decides twice in the same round. search_text is folded.
    """

    title = models.CharField(max_length=300)
    cluster_key = models.CharField(max_length=300, db_index=True)
    label = models.CharField(max_length=20, choices=LabelChoice)
    state = models.CharField(max_length=20, choices=CaseState, default=CaseState.QUEUED, db_index=True)
    site = models.CharField(max_length=20)
    channel = models.CharField(max_length=200, blank=True)
    channel_facts = models.JSONField(default=dict)  # qalqan.records.Channel as JSON, as of the last intake
    languages = models.JSONField(default=list)
    scores = models.JSONField(default=dict)  # label -> highest score among the materials
    audience = models.PositiveBigIntegerField(null=True)
    harm = models.FloatField(default=0, db_index=True)
    harm_parts = models.JSONField(default=list)
    opened_at = models.DateTimeField(auto_now_add=True)
    last_published_at = models.DateTimeField(null=True)
    returned_from = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="returns")
    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="held_cases"
    )
    held_until = models.DateTimeField(null=True)
    round = models.PositiveIntegerField(default=1)
    search_text = models.TextField(default="", blank=True)

    class Meta:
        ordering = ("-harm", "id")
        constraints = (
            models.UniqueConstraint(
                fields=["cluster_key"], condition=models.Q(state__in=OPEN_STATES), name="one_open_case_per_key"
            ),
        )

    def __str__(self) -> str:
        return f"№ {self.pk} {self.title}"

    @property
    def number(self) -> int:
        return self.pk


class Material(models.Model):
    """One flagged document as it was when it was taken into the case: a snapshot, so a decision keeps its ground.

    document: the contract's JSON line. capture: qalqan.records.Capture as JSON, or {} where it is unknown.
    search_text: title, text and address, folded.
    """

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="materials")
    document_id = models.CharField(max_length=32, db_index=True)
    document = models.JSONField()
    capture = models.JSONField(default=dict)
    score = models.FloatField()
    published_at = models.DateTimeField(null=True)
    added_at = models.DateTimeField(auto_now_add=True)
    search_text = models.TextField(default="", blank=True)

    class Meta:
        ordering = ("-score", "id")
        constraints = (models.UniqueConstraint(fields=["case", "document_id"], name="material_once_per_case"),)

    def __str__(self) -> str:
        return f"{self.document_id} in № {self.case_id}"

    @property
    def is_sealed(self) -> bool:
        return bool(self.capture)


class Mark(models.Model):
    """What a case shares with others: a handle, card, wallet, phone or domain of its texts, or a near-duplicate."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="marks")
    kind = models.CharField(max_length=20)
    value = models.CharField(max_length=300)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["case", "kind", "value"], name="mark_once_per_case"),)
        indexes = (models.Index(fields=["kind", "value"]),)

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class IntakeMark(models.Model):
    """One row: up to which moment flagged documents were taken in, and when harm was last counted anew."""

    taken_until = models.DateTimeField(null=True)
    harm_counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"taken until {self.taken_until}"


class ToldState(models.Model):
    """What the store of documents was last told of a material's case (see `case_states`)."""

    material = models.OneToOneField(Material, primary_key=True, on_delete=models.CASCADE, related_name="told")
    state = models.CharField(max_length=20, choices=CaseState)

    def __str__(self) -> str:
        return f"{self.state}: {self.material_id}"


class ProtectedTarget(models.Model):
    """The operator's list of what may be restricted only with a reason of its own (registered media, banks, ...).

    address: a host name, which protects its subdomains, or an @handle; lower case.
    """

    address = models.CharField(max_length=300, unique=True)
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ("address",)

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}"


class TargetKind(models.TextChoices):
    """From the narrowest to the widest. IP addresses and whole platforms are refused by rule."""

    MESSAGE = "message", _("post")
    CHANNEL = "channel", _("channel")
    BOT = "bot", _("bot")
    PAGE = "page", _("page")
    SUBDOMAIN = "subdomain", _("subdomain")
    DOMAIN = "domain", _("domain")

    @property
    def width(self) -> int:
        """0 for the narrowest. A channel and a bot are equally wide."""
        return _WIDTHS[self.value]


_WIDTHS = {"message": 0, "channel": 1, "bot": 1, "page": 2, "subdomain": 3, "domain": 4}


class Target(models.Model):
    """What could be restricted. `address` is normalised: a URL for posts and pages, @handle, or a host name.

    facts: what is known of the things that fall with it: posts, flagged, subscribers, https.
    """

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="targets")
    kind = models.CharField(max_length=10, choices=TargetKind)
    address = models.CharField(max_length=2000)
    url = models.CharField(max_length=2000)
    platform = models.CharField(max_length=20)
    facts = models.JSONField(default=dict)
    protected = models.CharField(max_length=200, blank=True)  # the entry of the protected list that it hits

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=["case", "kind", "address"], name="target_once_per_case"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"

    @property
    def width(self) -> int:
        return TargetKind(self.kind).width

    @property
    def note(self) -> str:
        """What falls with it, in the reader's language."""
        return describe_fall(self.kind, self.facts)


class Outcome(models.TextChoices):
    CONFIRM = "confirm", _("Confirmed")
    REJECT = "reject", _("Rejected")
    RETURN = "return", _("Back to collection")
    HAND_OVER = "hand_over", _("Handed over")


class Speaker(models.TextChoices):
    OFFENDER = "offender", _("Offender")
    REPORTER = "reporter", _("Reporter")
    STATE = "state", _("State body")
    VICTIM = "victim", _("Victim")
    UNCLEAR = "unclear", _("Unclear")


class Route(models.TextChoices):
    R1 = "R1", _("authority")
    R4 = "R4", _("platform")
    R5 = "R5", _("owner")
    R6 = "R6", _("partner")


class Urgency(models.TextChoices):
    NORMAL = "normal", _("Normal, 24 h")
    URGENT = "urgent", _("Urgent, 2 h")


class Decision(models.Model):
    """What one person decided, once and for good. stage: 1 first, 2 second, 3 third opinion.

    codes: ["FP01", ...]. quotes: [{"material": id, "start": 10, "end": 30, "text": "...", "code": "FP01"}].
    protected_reason: why a target of the protected list should be restricted none the less.
    nexus: ["city", "tenge", "language", "audience"]. seen: what stood before the person
    ({"materials": [...], "models": [...], "scores": {...}}). withdrawn_at is the one column that may change, once.
    """

    id = models.UUIDField(primary_key=True, default=act_id, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="decisions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    round = models.PositiveIntegerField(default=1)
    stage = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    label = models.CharField(max_length=20, choices=LabelChoice, blank=True)
    speaker = models.CharField(max_length=10, choices=Speaker, blank=True)
    codes = models.JSONField(default=list)
    has_contact = models.BooleanField(default=False)  # a contact or a way to order is seen (formula of the drug shop)
    quotes = models.JSONField(default=list)
    target = models.ForeignKey(Target, null=True, on_delete=models.PROTECT, related_name="+")
    wider_reason = models.CharField(max_length=1000, blank=True)
    protected_reason = models.CharField(max_length=1000, blank=True)
    nexus = models.JSONField(default=list)
    route = models.CharField(max_length=2, choices=Route, blank=True)
    urgency = models.CharField(max_length=10, choices=Urgency, default=Urgency.NORMAL)
    reason = models.TextField()
    override_reason = models.TextField(blank=True)  # second reviewer only: why an exculpatory code does not hold
    seen = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("at",)
        constraints = (
            models.UniqueConstraint(
                fields=["case", "round", "user"],
                condition=models.Q(withdrawn_at=None),
                name="one_decision_per_person_and_round",
            ),
            models.UniqueConstraint(
                fields=["case", "round", "stage"],
                condition=models.Q(withdrawn_at=None),
                name="one_decision_per_stage_and_round",
            ),
            models.CheckConstraint(condition=models.Q(stage__in=[1, 2, 3]), name="stage_is_1_2_or_3"),
        )

    def __str__(self) -> str:
        return f"{self.outcome} № {self.case_id}, stage {self.stage}"


class RequestState(models.TextChoices):
    APPROVED = "approved", _("Approved")
    PACKAGED = "packaged", _("In a package")
    SUBMITTED = "submitted", _("Sent")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class Request(models.Model):
    """One target to restrict, confirmed by two different people. number: "2841-1".

    first, second: the two decisions that agree, in the order of their stages (1 and 2, 1 and 3, or 2 and 3).
    """

    uid = models.UUIDField(primary_key=True, default=act_id, editable=False)
    number = models.CharField(max_length=30, unique=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="requests")
    target = models.ForeignKey(Target, on_delete=models.PROTECT, related_name="requests")
    first = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="+")
    route = models.CharField(max_length=2, choices=Route)  # as the first of the two chose
    urgency = models.CharField(max_length=10, choices=Urgency, default=Urgency.NORMAL)  # urgent if one of them said so
    state = models.CharField(max_length=10, choices=RequestState, default=RequestState.APPROVED, db_index=True)
    package = models.ForeignKey("Package", null=True, on_delete=models.PROTECT, related_name="requests")
    approved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("approved_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["first"], condition=~models.Q(state="withdrawn"), name="first_decision_makes_one_request"
            ),
            models.UniqueConstraint(
                fields=["second"], condition=~models.Q(state="withdrawn"), name="second_decision_makes_one_request"
            ),
            models.CheckConstraint(condition=~models.Q(first=models.F("second")), name="two_decisions"),
        )

    def __str__(self) -> str:
        return self.number


class Package(models.Model):
    """Requests that leave together, numbered without gaps. Nothing changes after freezing.

    envelope: the signed manifest ({"manifest": {...}, "signature": ..., "public_key": ...}); {} before freezing.
    sequence: the place among all frozen packages, without gaps; what a reader asks "everything since" by.
    """

    number = models.PositiveIntegerField(primary_key=True)
    route = models.CharField(max_length=2, choices=Route, default=Route.R4)
    sender = models.CharField(max_length=300)
    addressee = models.CharField(max_length=300)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    frozen_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField(null=True)
    sequence = models.PositiveIntegerField(null=True, unique=True)
    envelope = models.JSONField(default=dict)

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"№ {self.number}"

    @property
    def is_frozen(self) -> bool:
        return self.frozen_at is not None


class PackageFile(models.Model):
    """One file of a frozen package, byte for byte as it was signed."""

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="files")
    path = models.CharField(max_length=100)
    content = models.BinaryField()

    class Meta:
        ordering = ("path",)
        constraints = (models.UniqueConstraint(fields=["package", "path"], name="path_once_per_package"),)

    def __str__(self) -> str:
        return f"{self.path} of № {self.package_id}"
