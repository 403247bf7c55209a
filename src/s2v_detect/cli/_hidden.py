"""What may stand on a page that is sent to others: what is the service's own, purely.

`Hidden` knows the key, the addresses and the files of whom the page is of. A name or a value that
holds a part of one is not told, whoever said it. The names that the vendor documents tell nothing
of anybody, and are told whatever an address holds.
"""

import re
from collections.abc import Iterable

from s2v_detect._redaction import without_secrets
from s2v_detect._service import CODE_RULES, IMAGE_FORMATS, IMAGE_SCHEMES

NOT_TOLD = "(not told)"

_SHORTEST_PIECE, _SHORTEST_PART = 4, 6
_PIECE = re.compile(r"[^\W_]+")
_OF_ANY_ADDRESS = frozenset(
    (*IMAGE_SCHEMES, *(end[1:] for each in IMAGE_FORMATS.values() for end in each.endings))
)
_FIELDS = frozenset(
    (
        *("output", "check_pass", "humanoid", "code", "message", "msg", "usage", "image_count"),
        *("request_id", "error", "type", "status_code"),
    )
)
"""Of answers, as the vendor documents them: they tell nothing of anybody."""
_FIELD = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")
_HEADER = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MOST_DIGITS = 2  # of a header's name: more of them may be somebody's number
_CODES = frozenset(code for rule in CODE_RULES for code in rule.codes if "*" not in code)
_KINDS = ("InvalidFile.", "InvalidImage", "InternalError.", "InvalidParameter.", "Throttling.")
_CODE = re.compile(r"[A-Za-z][A-Za-z_]*(?:[.][A-Za-z_]+)*")
_LONGEST = 40
_VALUE = re.compile(r"""[A-Za-z0-9 .,;:=/%"+*()_-]{0,80}""")
_NAMES_SOMEBODY = re.compile(r"[0-9A-Fa-f]{12}|[A-Za-z][\w-]*\.[\w-]+\.[\w-]|\d+\.\d+\.\d+\.\d")
"""A long number, the name of a host, an address of the network."""
_HEADERS = frozenset(
    ("date", "content-length", "set-cookie", "x-request-id", "req-arrive-time", "location")
)
"""Names that tell nothing; their values would."""
_TOLD = frozenset(
    (
        *("retry-after", "retry-after-ms", "x-should-retry", "req-cost-time"),
        *("x-envoy-upstream-service-time", "server", "vary", "connection", "keep-alive"),
        *("content-type", "content-encoding", "transfer-encoding", "cache-control"),
        *("x-emulator", "strict-transport-security"),
    )
)
"""Headers whose values are the service's own."""
_OF_THE_RATE = ("x-ratelimit-", "x-rate-limit-", "ratelimit", "x-dashscope-ratelimit")


class Hidden:
    """What must not be on the page: the key, the addresses, the files, in all their parts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._whole = [text.lower() for text in secrets if text]
        self._pieces = {
            piece
            for text in self._whole
            for piece in _PIECE.findall(text)
            if len(piece) >= _SHORTEST_PIECE and piece not in _OF_ANY_ADDRESS
        }

    def holds(self, text: str) -> bool:
        """Whether a text tells a part of one of them, or what looks like anybody's secret."""
        lower = text.lower()
        if any(piece in lower for piece in self._pieces) or without_secrets(text) != text:
            return True
        parts = {lower[at : at + _SHORTEST_PART] for at in range(len(lower) - _SHORTEST_PART + 1)}
        return any(part in secret for part in parts for secret in self._whole)

    def field(self, name: str) -> str:
        """Return the name of a field, where it is one that may be told."""
        if name in _FIELDS:
            return name
        return name if _FIELD.fullmatch(name) and not self.holds(name) else NOT_TOLD

    def header(self, name: str) -> str:
        """Return the name of a header, as above."""
        if name in _TOLD or name in _HEADERS:
            return name
        digits = sum(character.isdigit() for character in name)
        is_name = _HEADER.fullmatch(name) and digits <= _MOST_DIGITS
        return name if is_name and not self.holds(name) else NOT_TOLD

    def code(self, text: str) -> str:
        """Return a code of the service, as above; of a kind that is known at least the kind."""
        if not text or text in _CODES:
            return text
        kind = next((kind for kind in _KINDS if text.startswith(kind)), "")
        rest = text[len(kind) :]
        is_code = _CODE.fullmatch(rest) and len(rest) <= _LONGEST and not self.holds(rest)
        return text if is_code else f"{kind}{NOT_TOLD}"

    def has_value(self, name: str) -> bool:
        """Whether the value of a header may be told, where it is plain."""
        return name in _TOLD or name.startswith(_OF_THE_RATE)

    def value(self, text: str) -> str:
        """Return the value of a header that may be told."""
        is_plain = _VALUE.fullmatch(text) and not _NAMES_SOMEBODY.search(text)
        return text if is_plain and not self.holds(text) else NOT_TOLD
