"""One request and one answer: what goes to the service and to its store, and what comes back.

`_answers` (pure: an image into the request, an answer into a verdict or one error), `_store` (pure:
credentials and the form of an upload), `_unpacking` (pure: a packed body in bounded pieces),
`_departure` (when the bytes leave, and whether they did), `_http` (the HTTP client of an
environment), `_endpoint` (the only caller of the service), `_observing` (the requests of another,
watched from beside). Why nobody was reached: `_setup` (pure: the faults that no waiting mends, by
their causes), `_environment` (pure: proxies and certificates as the environment names them),
`_reach` (whom a request was connected to, and who has answered yet). It knows no retry, no ledger
and no user: whoever calls decides what follows.
"""

from s2v_detect.wire._answers import (
    Answer,
    decode,
    images_billed,
    is_answer,
    service_ms,
    standing_headers,
)
from s2v_detect.wire._departure import LONGEST_AFTERTIME_S, Departure
from s2v_detect.wire._endpoint import Endpoint
from s2v_detect.wire._environment import NOT_READ, proxies_in
from s2v_detect.wire._observing import Exchange, Observer
from s2v_detect.wire._reach import Route
from s2v_detect.wire._setup import CERTIFICATES
from s2v_detect.wire._store import (
    LIFETIME_S,
    MARGIN_S,
    UPLOADS_PATH,
    Credential,
    Form,
    credential_in,
    credential_query,
    form_for,
    is_expired,
    is_taken,
    key_in,
    refused,
)
from s2v_detect.wire._unpacking import CODINGS, Damaged, Unpacker, coding_of

__all__ = [
    "CERTIFICATES",
    "CODINGS",
    "LIFETIME_S",
    "LONGEST_AFTERTIME_S",
    "MARGIN_S",
    "NOT_READ",
    "UPLOADS_PATH",
    "Answer",
    "Credential",
    "Damaged",
    "Departure",
    "Endpoint",
    "Exchange",
    "Form",
    "Observer",
    "Route",
    "Unpacker",
    "coding_of",
    "credential_in",
    "credential_query",
    "decode",
    "form_for",
    "images_billed",
    "is_answer",
    "is_expired",
    "is_taken",
    "key_in",
    "proxies_in",
    "refused",
    "service_ms",
    "standing_headers",
]
