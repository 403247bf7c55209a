"""Where a client's key, address and workspace come from, and the check that they can be used.

The only place of the library that reads the environment, but for where the machine's lines are
(`limiters`) and the proxies and certificates that httpx reads (`wire/_environment.py` tells what is
wrong with those). The names are those that users of the vendor's own tools have set already. A key
is never in a message: not even a part of it. Nor is it in a variable of a frame that raises: what
gathers errors gathers those too. So no function here raises while it holds the text of the key, or
an environment that does.
"""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, cast, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from s2v_detect._redaction import seal, sealed
from s2v_detect._service import (
    ALLOW_HTTP_VARIABLE,
    API_KEY_FILE,
    API_KEY_FILE_VARIABLE,
    API_KEY_VARIABLE,
    API_PATH,
    BASE_URL,
    BASE_URL_VARIABLES,
    MODEL,
    WORKSPACE_VARIABLES,
)
from s2v_detect.errors import ConfigurationError
from s2v_detect.images import is_local
from s2v_detect.ledger import AnyLedger
from s2v_detect.options import OnUnknown, Preflight, RetryPolicy, is_number

P = ParamSpec("P")

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_WORKSPACE_IN_HOST = "{WorkspaceId}"
_YES = ("1", "true", "yes")
_API_PATH = re.compile(rf"(/[^/]+)*{API_PATH}")
_NO_API_PATH = re.compile(r"(?i)(/compatible-mode(/.*)?|(/api)?/v\d+(/.*)?|/api|/services/.*)$")
"""What stands where `/api/v1` should: another version or interface, the path of a whole request."""
_SHOWN_CHARACTERS = 200

_WHOLE = ("max_time_s", "max_time", "deadline", "max_duration", "total_timeout")
_MEANT = {
    "api_key": ("key", "token", "secret", "dashscope_api_key"),
    "base_url": ("url", "endpoint", "host", "base_http_api_url"),
    "limiter=HostLimiter(5)": ("rate", "qps", "rps", "rate_limit", "requests_per_second"),
    "retry=RetryPolicy(max_attempts=3)": (
        "retries",
        "max_retries",
        "attempts",
        "max_attempts",
        "retry_policy",
    ),
    "timeout_s": ("timeout", "read_timeout", "request_timeout"),
    "max_in_flight": (
        *("concurrency", "max_concurrency", "max_concurrent", "parallel", "semaphore"),
        *("workers", "max_workers", "num_workers", "n_jobs", "threads", "batch_size"),
    ),
    "ledger": ("db", "database", "cache", "checkpoint"),
    "max_cost": ("budget", "cost", "max_spend", "max_price"),
    "max_cost=Budget(per_day=2)": ("per_day", "per_month", "max_cost_per_day", "daily_budget"),
    "http_client": ("client", "session", "transport", "proxy", "proxies", "verify", "headers"),
    "on_event": ("callback", "on_progress", "progress", "on_result", "hook"),
    "image": ("column", "field", "getter", "url_key", "image_key", "image_url"),
    "identity": ("id", "id_key", "key_by"),
    "ordered": ("order", "sort", "preserve_order"),
    "give_up_after_s": _WHOLE,
    "max_time_s": _WHOLE,
}
"""By which words other clients call what is an argument here, and what is given for it."""
_MEANT_ELSE = {
    "retry=RetryPolicy(give_up_after_s=20)": ("give_up_after_s",),
    "asyncio.timeout(…) around it": _WHOLE,
}
"""What is given where nothing else is: an awaited call is bounded from outside."""


class Settings(NamedTuple):
    """What every request of a client needs, checked."""

    api_key: SecretStr
    base_url: str
    workspace: str | None


def from_env(
    api_key: str | SecretStr | None,
    base_url: str | None,
    workspace: str | None,
    environ: Mapping[str, str] | None = None,
    *,
    allow_http: bool = False,
) -> Settings:
    """Return what was given, completed from the environment; `ConfigurationError` if unusable."""
    # `environ` is None but in tests: a frame that raises must not hold the environment's key.
    _refuse_no_text(base_url=base_url, workspace=workspace)
    if not isinstance(allow_http, bool):  # the text "false" would allow it
        raise ConfigurationError(
            f"allow_http is {allow_http!r}.", do="Give True or False; False is the default."
        )
    workspace = workspace or _first(WORKSPACE_VARIABLES, environ)
    if workspace and not _LABEL.fullmatch(workspace):
        raise ConfigurationError(
            "the workspace id is no single label of letters, digits and hyphens.",
            do="Copy it from the console's list of workspaces.",
        )
    url = (base_url or _first(BASE_URL_VARIABLES, environ) or BASE_URL).strip()
    allow_http = allow_http or _first((ALLOW_HTTP_VARIABLE,), environ) in _YES
    given = sealed(api_key)
    key = given if given is not None else _key_from(environ)
    return Settings(
        _checked_key(key if key is not None else _key_in_file(_key_file(environ))),
        _checked_url(url, workspace, allow_http=allow_http),
        workspace or None,
    )


def _refuse_no_text(**given: object) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            kind = type(value).__name__
            raise ConfigurationError(
                f"{name} is of type {kind}.", do="Give a str, or leave it out."
            )


def refuse_nonsense(
    model: object,
    timeout_s: object,
    max_in_flight: object,
    on_unknown: object,
    preflight: object,
) -> None:
    """Raise `ConfigurationError` for an argument that means nothing, whatever its type."""
    if not isinstance(model, str) or not model:
        raise ConfigurationError("the model has no name.", do=f"Leave it out for {MODEL}.")
    if not is_number(timeout_s) or not 0 < timeout_s < math.inf:
        raise ConfigurationError(
            f"timeout_s is {timeout_s!r}.", do="Give the seconds that one answer may take."
        )
    if not is_number(max_in_flight) or type(max_in_flight) is float or max_in_flight < 1:
        raise ConfigurationError(
            f"max_in_flight is {max_in_flight!r}.", do="Give 1 or more; 300 is the default."
        )
    if on_unknown not in get_args(OnUnknown):
        raise ConfigurationError(f"on_unknown is {on_unknown!r}.", do='Give "resend" or "keep".')
    if preflight is not None and not isinstance(preflight, Preflight):
        raise ConfigurationError(
            f"preflight is {preflight!r}.", do="Give Preflight(), or leave it out."
        )


def refuse_strangers(*, retry: object, ledger: object, on_event: object) -> None:
    """Raise `ConfigurationError` for an object that is not of the kind that its argument takes."""
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(
            f"retry is {retry!r}.", do="Give RetryPolicy(max_attempts=3), say, or leave it out."
        )
    if ledger is not None and not isinstance(ledger, AnyLedger | str | os.PathLike):
        raise ConfigurationError(
            f"ledger is of type {type(ledger).__name__}.",
            do="Give a `Ledger`, or the path of its file; or a `PostgresLedger`, or its address.",
        )
    if on_event is not None and (not callable(on_event) or iscoroutinefunction(on_event)):
        raise ConfigurationError(
            f"on_event is {on_event!r}, which can't be called with an event.",
            do="Give a plain function: a coroutine would never be awaited.",
        )


def keyed(init: Callable[P, None]) -> Callable[P, None]:
    """Return a client's `__init__` that gets its key sealed, and refuses what it has not.

    Around it, for Python's own error about an argument says nothing of what was meant.
    """
    known = ("api_key", *(init.__kwdefaults__ or ()))

    @wraps(init)
    def keyed_init(self: Any, *args: Any, **options: Any) -> None:
        args = tuple(map(sealed, args))  # at once: frames and their variables travel
        seal(options)
        refuse_unknown("DetectClient", options, known)
        init(self, *args, **options)

    return cast("Callable[P, None]", keyed_init)


def refuse_unknown(of: str, given: dict[str, Any], known: Sequence[str]) -> None:
    """Raise `TypeError` for an argument that `of` does not have; say which one is meant.

    What was given is removed then: it may be a key under a wrong name.
    """
    name = next((name for name in given if name not in known), None)
    if name is None:
        return
    given.clear()
    meant = {word: give for give, words in _MEANT_ELSE.items() for word in words}
    meant |= {
        word: give
        for give, words in _MEANT.items()
        for word in words
        if give.partition("=")[0] in known
    }
    meant |= {each: each for each in known}
    near = get_close_matches(name.casefold(), meant, n=1)
    do = f"Give {meant[near[0]]}, if that is meant" if near else f"It has {', '.join(known)}"
    raise TypeError(f"{of} has no argument {name!r}. {do}.")


def _first(names: tuple[str, ...], environ: Mapping[str, str] | None) -> str | None:
    variables = os.environ if environ is None else environ
    found = (variables.get(name, "").strip() for name in names)
    return next((value for value in found if value), None)


def _key_from(environ: Mapping[str, str] | None) -> SecretStr | None:
    return sealed(_first((API_KEY_VARIABLE,), environ))


def _key_file(environ: Mapping[str, str] | None) -> str | None:
    return (os.environ if environ is None else environ).get(API_KEY_FILE_VARIABLE) or None


def _key_in_file(named: str | None) -> SecretStr:
    # Not Path.expanduser: that raises where nobody knows the user's home, as in a container.
    path = Path(named or os.path.expanduser(API_KEY_FILE))  # noqa: PTH111  # as above
    try:
        key = _text_of(path)
    except FileNotFoundError:
        if not named:
            return SecretStr("")
        raise ConfigurationError(
            f"{API_KEY_FILE_VARIABLE} names a file that does not exist.",
            do="Correct it, or set DASHSCOPE_API_KEY.",
        ) from None
    except OSError as error:
        raise _unreadable(type(error).__name__) from error
    if key is None:
        raise _unreadable("UnicodeDecodeError")
    return key


def _text_of(path: Path) -> SecretStr | None:
    """Return a file's text, or None where it is none: that error would hold the file's bytes."""
    content = path.read_bytes()
    try:
        return SecretStr(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None


def _unreadable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the API key's file can't be read ({why}).",
        do="Make it a readable text file with the key alone, or set DASHSCOPE_API_KEY.",
    )


def _checked_key(given: SecretStr) -> SecretStr:
    fault = _fault_of_key(given.get_secret_value())
    if fault is not None:
        raise fault
    return SecretStr(given.get_secret_value().strip())


def _fault_of_key(given: object) -> ConfigurationError | None:
    if not isinstance(given, str):
        return ConfigurationError("the API key is no text.", do="Give it as a str or a SecretStr.")
    key = given.strip()
    if not key:
        do = f"Set {API_KEY_VARIABLE} to a key of the Beijing region, or write the key into"
        fault = ConfigurationError(
            "there is no API key.",
            do=f"{do} {API_KEY_FILE}, or give `api_key`. To try without a key, start an"
            " `Emulator()` of s2v_detect.emulator.",
        )
        fault.do_in_command = f"{do} {API_KEY_FILE}. To try without a key, give --emulator."
        return fault
    if not key.isascii() or not key.isprintable() or " " in key:
        return ConfigurationError(
            "the API key holds characters that no key has.",
            do="Copy it again: one line, no spaces, no quotation marks.",
        )
    return None


def _checked_url(url: str, workspace: str | None, *, allow_http: bool) -> str:
    if _WORKSPACE_IN_HOST in url:
        if not workspace:
            fault = _bad_url("names {WorkspaceId}, and no workspace is set", "Give `workspace=`.")
            fault.do_in_command = "Give --workspace."
            raise fault
        url = url.replace(_WORKSPACE_IN_HOST, workspace)
    parts = _parts(url)
    if parts is None:
        raise _bad_url("can't be read", f"Give one such as {BASE_URL}.")
    is_usable = parts.scheme in ("http", "https") and parts.hostname
    if not is_usable or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _bad_url("is no http or https URL", f"Give one such as {BASE_URL}.")
    if "?" in url or "#" in url or "@" in parts.netloc:
        raise _bad_url("has a query, a fragment or a user in it", f"Give one such as {BASE_URL}.")
    url = _completed(url, parts)
    if parts.scheme == "http" and not allow_http and not is_local(url):
        why = "is an http address outside this network: anybody on the way can read the key"
        do = "Give an https address; or allow it with {} or " + f"{ALLOW_HTTP_VARIABLE}=1."
        fault = _bad_url(why, do.format("`allow_http=True`"))
        fault.do_in_command = do.format("--allow-http")
        raise fault
    return url


def _completed(url: str, parts: SplitResult) -> str:
    """Return the base URL of a host alone, or as it was given; another path is refused by name.

    A request to it would be refused as one of a key that may not use the model: with a 404.
    """
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if not path:
        return origin + API_PATH
    if _API_PATH.fullmatch(path):
        return url.rstrip("/")
    start = _NO_API_PATH.sub("", re.sub("/+", "/", path))
    raise _bad_url(
        f"{origin}{path[:_SHOWN_CHARACTERS]} does not end in {API_PATH}",
        f"Give {origin}{start[:_SHOWN_CHARACTERS]}{API_PATH}, if that is the service.",
    )


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None where it has none: that error would show a password."""
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return None
    return parts if has_port else None


def _bad_url(what: str, do: str) -> ConfigurationError:
    return ConfigurationError(f"the base URL {what}.", do=do)
