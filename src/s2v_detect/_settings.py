"""Where a client's key, address and workspace come from, and the check that they can be used.

The only place of the library that reads the environment. The names are those that users of the
vendor's own tools have set already. A key is never in a message: not even a part of it.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, get_args
from urllib.parse import urlsplit

from s2v_detect._retrying import OnUnknown
from s2v_detect._rules import Preflight
from s2v_detect._service import (
    API_KEY_FILE,
    API_KEY_FILE_VARIABLE,
    API_KEY_VARIABLE,
    BASE_URL,
    BASE_URL_VARIABLES,
    CHECK_PATH,
    MODEL,
    WORKSPACE_VARIABLES,
)
from s2v_detect.errors import ConfigurationError

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_WORKSPACE_IN_HOST = "{WorkspaceId}"


class Settings(NamedTuple):
    """What every request of a client needs, checked."""

    api_key: str
    base_url: str
    workspace: str | None

    def __repr__(self) -> str:
        return f"Settings(api_key=…, base_url={self.base_url!r}, workspace={self.workspace!r})"


def from_env(
    api_key: str | None,
    base_url: str | None,
    workspace: str | None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return what was given, completed from the environment; `ConfigurationError` if unusable."""
    workspace = workspace or _first(environ, WORKSPACE_VARIABLES)
    if workspace and not _LABEL.fullmatch(workspace):
        raise ConfigurationError(
            "the workspace id is no single label of letters, digits and hyphens.",
            do="Copy it from the console's list of workspaces.",
        )
    url = base_url or _first(environ, BASE_URL_VARIABLES) or BASE_URL
    return Settings(
        _checked_key(api_key if api_key is not None else _key_from(environ)),
        _checked_url(url.strip(), workspace),
        workspace or None,
    )


def refuse_nonsense(
    model: str,
    timeout_s: float,
    max_in_flight: int,
    on_unknown: OnUnknown,
    preflight: Preflight | None,
) -> None:
    """Raise `ConfigurationError` for an argument that means nothing."""
    if not model:
        raise ConfigurationError("the model has no name.", do=f"Leave it out for {MODEL}.")
    if not 0 < timeout_s < math.inf:
        raise ConfigurationError(
            f"timeout_s is {timeout_s}.", do="Give the seconds that one answer may take."
        )
    if max_in_flight < 1:
        raise ConfigurationError(
            f"max_in_flight is {max_in_flight}.", do="Give 1 or more; 300 is the default."
        )
    if on_unknown not in get_args(OnUnknown):
        raise ConfigurationError(f"on_unknown is {on_unknown!r}.", do='Give "resend" or "keep".')
    if preflight is not None and not isinstance(preflight, Preflight):
        raise ConfigurationError(
            f"preflight is {preflight!r}.", do="Give Preflight(), or leave it out."
        )


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name].strip() for name in names if environ.get(name, "").strip()), None)


def _key_from(environ: Mapping[str, str]) -> str:
    if environ.get(API_KEY_VARIABLE, "").strip():
        return environ[API_KEY_VARIABLE]
    named = environ.get(API_KEY_FILE_VARIABLE)
    # Not Path.expanduser: that raises where nobody knows the user's home, as in a container.
    path = Path(named or os.path.expanduser(API_KEY_FILE))  # noqa: PTH111  # as above
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        if not named:
            return ""
        raise ConfigurationError(
            f"{API_KEY_FILE_VARIABLE} names a file that does not exist.",
            do="Correct it, or set DASHSCOPE_API_KEY.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the API key's file can't be read ({type(error).__name__}).",
            do="Make it a readable text file with the key alone, or set DASHSCOPE_API_KEY.",
        ) from error


def _checked_key(api_key: str) -> str:
    key = api_key.strip()
    if not key:
        raise ConfigurationError(
            "there is no API key.",
            do="Set DASHSCOPE_API_KEY or give `api_key=`; a key of the Beijing region is needed.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "the API key holds characters that no key has.",
            do="Copy it again: one line, no spaces, no quotation marks.",
        )
    return key


def _checked_url(url: str, workspace: str | None) -> str:
    if _WORKSPACE_IN_HOST in url:
        if not workspace:
            raise _bad_url("names {WorkspaceId}, and no workspace is set", "Give `workspace=`.")
        url = url.replace(_WORKSPACE_IN_HOST, workspace)
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise _bad_url("can't be read", f"It looks like {BASE_URL}.") from error
    if not is_usable or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise _bad_url("is no http or https URL", f"It looks like {BASE_URL}.")
    if "?" in url or "#" in url or "@" in parts.netloc:
        raise _bad_url("has a query, a fragment or a user in it", f"It looks like {BASE_URL}.")
    if "compatible-mode" in parts.path or parts.path.rstrip("/").endswith(CHECK_PATH):
        raise _bad_url("is that of another interface", f"It ends in /api/v1, as {BASE_URL} does.")
    return url.rstrip("/")


def _bad_url(what: str, do: str) -> ConfigurationError:
    return ConfigurationError(f"the base URL {what}.", do=do)
