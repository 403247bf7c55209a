"""Where the settings of an account come from, by name: no value is in it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from s2v_detect._service import (
    API_KEY_FILE,
    API_KEY_FILE_VARIABLE,
    API_KEY_VARIABLE,
    BASE_URL_VARIABLES,
    WORKSPACE_VARIABLES,
)
from s2v_detect.languages import _


class Sources(NamedTuple):
    """The names of variables, files and options."""

    api_key: str
    """Empty: there is none anywhere."""
    base_url: str
    """Empty: it is the public address of the service."""
    workspace: str
    """Empty: there is none."""


def sources_in(
    environ: Mapping[str, str], *, base_url: str | None = None, workspace: str | None = None
) -> Sources:
    """Return where a client takes its settings from; what an option gives goes before."""
    is_there = Path(os.path.expanduser(API_KEY_FILE)).exists()  # noqa: PTH111  # there may be no home
    key = API_KEY_FILE if is_there else ""
    if environ.get(API_KEY_FILE_VARIABLE):
        key = _("the file that {name} names").format(name=API_KEY_FILE_VARIABLE)
    return Sources(
        _first((API_KEY_VARIABLE,), environ) or key,
        "--base-url" if base_url else _first(BASE_URL_VARIABLES, environ),
        "--workspace" if workspace else _first(WORKSPACE_VARIABLES, environ),
    )


def _first(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    return next((name for name in names if environ.get(name, "").strip()), "")
