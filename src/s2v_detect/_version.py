"""Which release this is, and how its extras are installed."""

import json
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
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
    return f"{what} needs an extra. Install it: {install_line(*extras)}"


def missing_beside(what: str, package: str) -> str:
    """Return the sentences that say how to get a package which is in none of the extras.

    Example:
        >>> missing_beside("The fixture", "pytest").partition(":")[0]
        'The fixture needs pytest. Install it'
    """
    return f"{what} needs {package}. Install it: {_installer()} {package}"


def install_line(*extras: str) -> str:
    """Return the line of a shell that installs extras of this package."""
    return f"{_installer()} {requirement(_source(), *extras)}"


def _installer() -> str:
    return "pip install" if find_spec("pip") else "uv pip install"  # uv makes environments without


def requirement(source: Mapping[str, Any], *extras: str) -> str:
    """Return what stands behind `pip install`: this package, from a source, with these extras.

    Example:
        >>> requirement({}, "cli"), requirement({"url": "file:///srv/s2v-detect"}, "cli", "s3")
        ('"s2v-detect[cli]"', '"/srv/s2v-detect[cli,s3]"')
    """
    address, with_extras = _without_user(str(source.get("url") or "")), f"[{','.join(extras)}]"
    if not address:
        return f'"{_NAME}{with_extras}"'
    if not address.startswith("file:"):
        if from_vcs := source.get("vcs_info"):
            revision = from_vcs.get("requested_revision") or from_vcs["commit_id"]
            address = f"{from_vcs['vcs']}+{address}@{revision}"
        within = f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
        return f'"{_NAME}{with_extras} @ {address}{within}"'
    place = Path(url2pathname(urlsplit(address).path))
    if "archive_info" in source and not place.exists():
        place = Path("PATH", "TO", place.name)  # a wheel that lies elsewhere by now
    editable = "-e " if source.get("dir_info", {}).get("editable") else ""
    return f'{editable}"{place}{with_extras}"'


def _without_user(address: str) -> str:
    """Return an address without a name and a password, which an installer should not have noted."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _source() -> dict[str, Any]:
    """Return what the installer noted (PEP 610): where this is from, or nothing for an index."""
    # 10 ms, a fifth of what importing this package may take.
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415

    with suppress(PackageNotFoundError, ValueError):  # run from its source, or a note that is none
        return dict(json.loads(distribution(_NAME).read_text("direct_url.json") or "{}"))
    return {}
