"""Which extras are installed, purely: what the package's metadata asks of each, and what is there.

A module of its own, imported late: `packaging` is slow to import, and other commands need none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.version import InvalidVersion

from s2v_detect._version import install_line
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._findings import Finding, to_mend, well
from s2v_detect.cli._terminal import joined
from s2v_detect.languages import _, needs_extra


class Part(NamedTuple):
    """A distribution that an extra needs."""

    name: str
    needed: str
    """Which versions; empty: any."""
    version: str | None
    """None: it is not installed."""
    is_right: bool


Extras = Mapping[str, Sequence[Part]]


def extras_of(
    requirements: Iterable[str], names: Iterable[str], version_of: Callable[[str], str | None]
) -> dict[str, list[Part]]:
    """Return the parts of each extra, as the package's own metadata has them.

    `all` is the sum of others, and left out.
    """
    found: dict[str, list[Part]] = {name: [] for name in sorted(names) if name != "all"}
    for requirement in map(Requirement, requirements):
        for extra, parts in found.items():
            if _is_of(requirement, extra):
                version = version_of(requirement.name)
                needed = str(requirement.specifier)
                parts.append(Part(requirement.name, needed, version, _fits(requirement, version)))
    return found


def _fits(requirement: Requirement, version: str | None) -> bool:
    try:
        return version is not None and requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:  # of a package that somebody has built by hand
        return False


def _is_of(requirement: Requirement, extra: str) -> bool:
    """Whether this extra asks for it, on this system, and the package itself does not."""
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return False
    return marker.evaluate({"extra": extra})


def of_extras(extras: Extras) -> list[Finding]:
    """Return which extras are installed, which are not, and which are in a wrong version."""
    findings = []
    there = {name: parts for name, parts in extras.items() if all(each.version for each in parts)}
    absent = sorted(set(extras) - set(there))
    facts = {
        name: {part.name: part.version for part in parts} for name, parts in sorted(extras.items())
    }
    told = [f"{name} ({', '.join(f'{p.name} {p.version}' for p in there[name])})" for name in there]
    found = _("Installed: {names}.").format(names="; ".join(told) or _("none"))
    do = ""
    if absent:
        not_there = _("Not installed: {names}.").format(names=", ".join(absent))
        found = joined(found, not_there)
        do = _("If you need them, run: {line}").format(line=install_line(*absent))
    findings.append(well("extras", found, do, extras=facts))
    for name, parts in there.items():
        for part in parts:
            if not part.is_right:
                wrong = _("{name} {version} is installed, and {extra} needs {needed}.").format(
                    name=part.name, version=part.version, extra=name, needed=part.needed
                )
                do = needs_extra(_("The right version"), name)
                findings.append(to_mend("extras", wrong, do, Exit.USAGE))
    return findings
