"""Facts of the service, each with its source. Nothing here decides, awaits or remembers.

Sources: [page] the API page of wan2.2-s2v-detect; [doc] another page or the OpenAPI text of the
vendor; [sdk] its Python SDK 2.0.2; [seen] other people's code. Gathered in November 2026.
"""

from datetime import timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Literal, NamedTuple

MODEL = "wan2.2-s2v-detect"  # [page]
API_PATH = "/api/v1"  # [page] every base URL ends in it
BASE_URL = f"https://dashscope.aliyuncs.com{API_PATH}"  # [page] Beijing, the only region
CHECK_PATH = "/services/aigc/image2video/face-detect"  # [page]

REQUESTS_PER_S = 5.0  # [page] for the account and this model: all its users, workspaces and keys
CREDENTIALS_PER_S = 100.0  # [doc] for uploads, for the account and the model
PRICE_CNY = Decimal("0.004")  # [page] for every image answered, pass or reject
BILLING_ZONE = timezone(timedelta(hours=8))  # [doc] a day of a bill is one of China Standard Time

WORKSPACE_HEADER = "X-DashScope-WorkSpace"  # [sdk]
RESOLVE_HEADER = "X-DashScope-OssResourceResolve"  # [doc] "enable", for oss:// images only
REQUEST_ID_HEADER = "x-request-id"  # [sdk] where the body has none
COST_TIME_HEADER = "req-cost-time"  # [sdk] milliseconds the service took

# [sdk] where users of the vendor's own tools have their settings already, first found first.
API_KEY_VARIABLE = "DASHSCOPE_API_KEY"
API_KEY_FILE_VARIABLE = "DASHSCOPE_API_KEY_FILE_PATH"
API_KEY_FILE = "~/.dashscope/api_key"
BASE_URL_VARIABLES = ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL")
WORKSPACE_VARIABLES = ("DASHSCOPE_WORKSPACE", "DASHSCOPE_WORKSPACE_ID")
ALLOW_HTTP_VARIABLE = "S2V_DETECT_ALLOW_HTTP"  # ours

ImageFormat = Literal["JPEG", "PNG", "BMP", "WEBP"]


class FormatFacts(NamedTuple):
    """What files of an image's format are called."""

    media_type: str
    endings: tuple[str, ...]
    """The usual one first."""


IMAGE_FORMATS: dict[str, FormatFacts] = {  # [page] those that the service takes
    "JPEG": FormatFacts("image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
    "PNG": FormatFacts("image/png", (".png",)),
    "BMP": FormatFacts("image/bmp", (".bmp", ".dib")),
    "WEBP": FormatFacts("image/webp", (".webp",)),
}
*_FIRST, _LAST = IMAGE_FORMATS
ALL_FORMATS = f"{', '.join(_FIRST)} and {_LAST}"
ANY_FORMAT = f"{', '.join(_FIRST)} or {_LAST}"
SHORTEST_PX, LONGEST_PX = 400, 7000  # [page] bounds of an image's width and height, both included
IMAGE_SCHEMES = ("http", "https", "oss")  # [page] oss:// is what the temporary store gives


class Meaning(Enum):
    """What an error code of the service comes to."""

    VERDICT = "the image was examined and does not pass"
    MISMATCH = "model and endpoint do not match"
    ACCESS = "key, model or workspace: the same for every image"
    CREDIT = "money: the same for every image"
    UNUSABLE = "the service could not fetch or open the image, or moderation refused it"
    UNREACHED = "the service could not fetch the image this time"
    THROTTLED = "over the rate"
    CAPACITY = "over the service's own capacity, dressed as a fault"
    FAULT = "a fault of the service"
    BAD_REQUEST = "a request the service does not take"


class CodeRule(NamedTuple):
    """One row of the vendor's error tables: the first row that fits an answer is its meaning."""

    meaning: Meaning
    codes: tuple[str, ...]
    """In the vendor's CamelCase; a trailing `*` stands for anything. `limit_requests` and
    `LimitRequests` are the same code: the service writes both."""
    statuses: tuple[int, ...] = ()
    """Empty: any."""
    phrases: tuple[str, ...] = ()
    """Parts of the message, lower case, one of which must be there. Empty: any message."""


_DOWNLOAD = ("download", "read image")
_FAULT_CODES = ("InternalError", "InternalError.*", "SystemError", "RequestTimeOut")
_OUT_CODES = ("ModelServiceFailed", "ModelUnavailable", "ServiceUnavailable")
_CAPACITY_CODES = ("ModelServingError",)
_FAULT_STATUSES = (*range(400), 401, 403, 404, 408, 429, 499, *range(500, 1000))
"""What a fault of the service comes with. A 400 is about its image, whatever its code is called:
[seen] the vendor's other models have `InternalError.Algo…` for an image they could not fetch."""

CODE_RULES: tuple[CodeRule, ...] = (
    # [seen] a reject in the shape of an error; a code that nobody has listed yet is one too.
    CodeRule(Meaning.VERDICT, ("InvalidFile.*", "InvalidImage*"), statuses=(200, 400)),
    CodeRule(Meaning.MISMATCH, ("InvalidParameter",), phrases=("url error, please check url",)),
    CodeRule(Meaning.UNREACHED, ("InvalidParameter.DataInspection",)),
    CodeRule(Meaning.UNREACHED, ("InvalidParameter", "BadRequest.*"), phrases=_DOWNLOAD),
    CodeRule(Meaning.UNREACHED, ("InvalidURL.Timeout",)),
    CodeRule(Meaning.UNUSABLE, ("InvalidURL", "InvalidURL.ConnectionRefused")),
    CodeRule(Meaning.UNUSABLE, ("DataInspectionFailed", "IPInfringementSuspect")),
    CodeRule(Meaning.CREDIT, ("Arrearage", "AllocationQuota.FreeTierOnly")),
    CodeRule(
        Meaning.CREDIT,
        ("CommodityNotPurchased", "PrepaidBillOverdue", "PostpaidBillOverdue"),
    ),
    # The same code is a throttle or a bill, told apart by its message alone.
    CodeRule(
        Meaning.CREDIT,
        ("Throttling.AllocationQuota", "InsufficientQuota"),
        phrases=("free allocated quota exceeded",),
    ),
    CodeRule(Meaning.THROTTLED, ("Throttling", "Throttling.*", "InsufficientQuota")),
    CodeRule(Meaning.THROTTLED, ("LimitRequests", "LimitBurstRate")),
    CodeRule(
        Meaning.ACCESS,
        ("InvalidApiKey", "NotAuthorized", "AccessDenied", "AccessDenied.*", "Model.AccessDenied"),
    ),
    CodeRule(Meaning.ACCESS, ("Workspace.AccessDenied", "Endpoint.AccessDenied")),
    CodeRule(Meaning.ACCESS, ("ModelNotFound", "WorkSpaceNotFound")),
    CodeRule(Meaning.CAPACITY, _CAPACITY_CODES, statuses=_FAULT_STATUSES),
    CodeRule(Meaning.FAULT, _FAULT_CODES + _OUT_CODES, statuses=_FAULT_STATUSES),
    CodeRule(Meaning.UNREACHED, _FAULT_CODES, statuses=(400,), phrases=_DOWNLOAD),
)

STATUS_MEANINGS: dict[int | range, Meaning] = {
    401: Meaning.ACCESS,
    403: Meaning.ACCESS,
    404: Meaning.ACCESS,
    429: Meaning.THROTTLED,
    range(500): Meaning.BAD_REQUEST,
    range(500, 1000): Meaning.FAULT,
}
"""For a code in no row, and for bodies with none. A range is for its statuses that have no row of
their own."""

MAYBE_BILLED_STATUSES = (502, 504)
"""A gateway speaks, whatever it says: the service may have answered, and billed, behind it."""

GATEWAY_STATUSES = (408, 499)
"""Of the 4xx these are a gateway's, about time: they are no refusal unless the service says so."""
