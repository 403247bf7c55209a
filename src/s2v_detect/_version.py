"""Which release this is, and how its extras are installed."""

import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

VERSION = "0.1.0"
"""Where both the build and the User-Agent read it."""
_NAME = "s2v-detect"


def missing(what: str, *extras: str) -> str:
    """Return the sentences that say how to get the extras that something needs.

    They name what this very package was installed from, so that the line works as it stands: a
    clone, a wheel or a repository for as long as the package is on no index, and the package's name
    for whoever has it from one. A name that is on no index installs nothing, or somebody else's
    package.

    Example:
        >>> missing("Parquet", "cli", "parquet").partition(":")[0]
        'Parquet needs an extra. Install it'
    """
    return f"{what} needs an extra. Install it: pip install {requirement(_source(), *extras)}"


def requirement(source: Mapping[str, Any], *extras: str) -> str:
    """Return what stands behind `pip install`: this package, from a source, with these extras.

    Example:
        >>> requirement({}, "cli"), requirement({"url": "file:///work/s2v-detect"}, "cli", "s3")
        ('"s2v-detect[cli]"', '"/work/s2v-detect[cli,s3]"')
    """
    address, with_extras = str(source.get("url") or ""), f"[{','.join(extras)}]"
    if not address:
        return f'"{_NAME}{with_extras}"'
    if not address.startswith("file:"):
        system = f"{source['vcs_info']['vcs']}+" if "vcs_info" in source else ""
        return f'"{_NAME}{with_extras} @ {system}{address}"'
    place = Path(url2pathname(urlsplit(address).path))
    if "archive_info" in source and not place.exists():
        place = Path(place.name)  # a wheel that lies elsewhere by now
    editable = "-e " if source.get("dir_info", {}).get("editable") else ""
    return f'{editable}"{place}{with_extras}"'


def _source() -> dict[str, Any]:
    """Return what the installer noted (PEP 610): where this is from, or nothing for an index."""
    with suppress(PackageNotFoundError):  # run from its source
        return dict(json.loads(distribution(_NAME).read_text("direct_url.json") or "{}"))
    return {}
