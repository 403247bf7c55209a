"""What the doctor finds, purely: each part of a set-up is well, to mend or unknown; and what to do.

A finding is a value, and every function here makes one from values. The exit code is that which a
run would end with, as far as can be told without a paid request:

* 4 (ACCOUNT): the key, the credit, or the way to the service. A run would check nothing.
* 2 (USAGE): this machine: the line, the ledger, the clock, an extra.
* 6 (STOPPED): the service does not answer for now.

What is unknown is no fault. No text here holds a key, a password, or the query of an address.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

from s2v_detect import AccessDenied, DetectError, OutOfCredit, RateLimited, ServiceUnavailable
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._faults import found_of
from s2v_detect.cli._terminal import duration, joined
from s2v_detect.languages import N_, _, ngettext, pgettext
from s2v_detect.ledger import may_lose_from_a_log

State = Literal["ok", "to mend", "unknown"]

CLOCK_AHEAD_S = 30.0
"""A clock that is off by more puts requests into another day of the budget, and of the bill."""
_ASK_ONE = N_("`s2v-detect check` of one image tells; it may cost what one image costs.")
_PARTS = (
    *(N_("program"), N_("key"), N_("address"), N_("network"), N_("service"), N_("clock")),
    *(N_("SQLite"), N_("ledger"), N_("extras")),
)
_STATES = (N_("ok"), N_("to mend"), N_("unknown"))


@dataclass(frozen=True)
class Finding:
    """One part of a set-up."""

    part: str
    state: State
    found: str
    """A sentence."""
    do: str = ""
    """A sentence; empty where there is nothing to do."""
    exit: Exit = Exit.DONE
    """The exit code that it comes to, where it is to mend."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for machines."""

    def as_json(self) -> dict[str, Any]:
        """Return it as a line of JSON has it."""
        told = {"part": self.part, "state": self.state.replace(" ", "_"), "found": self.found}
        return {**told, "do": self.do, "facts": dict(self.facts)}


def name_of(part: str) -> str:
    """Return what a part is called, in the language that is spoken."""
    return pgettext("of requests", "line") if part == "line" else _(part)


def well(part: str, found: str, do: str = "", **facts: Any) -> Finding:
    """Return a finding that is well."""
    return Finding(part, "ok", found, do, facts=facts)


def to_mend(part: str, found: str, do: str, code: Exit, **facts: Any) -> Finding:
    """Return a fault and what to do."""
    return Finding(part, "to mend", found, do, code, facts)


def unknown(part: str, found: str, do: str, **facts: Any) -> Finding:
    """Return what can't be told."""
    return Finding(part, "unknown", found, do, facts=facts)


def of_error(part: str, error: DetectError, code: Exit, **facts: Any) -> Finding:
    """Return a fault in the words of its error."""
    found, do = found_of(error)
    return to_mend(part, found, do, code, **facts)


def exit_of_findings(findings: Iterable[Finding]) -> Exit:
    """Return the first exit code that fits, in the order of all commands."""
    codes = {each.exit for each in findings}
    return next(code for code in Exit if code in codes or code is Exit.DONE)


class Heard(NamedTuple):
    """What the service said to a request that costs nothing."""

    status: int
    is_credential: bool
    """Whether that was what was asked for: so the key is taken."""
    is_answer: bool
    """Whether the service itself spoke, and no page of somebody else."""
    error: DetectError | None
    """What an answer of that kind comes to."""
    place: str
    """What was connected to, in words."""
    took_s: float


def of_service(heard: Heard) -> Finding:
    """Return whether the service answers."""
    facts: dict[str, Any] = {
        "status": heard.status,
        "ms": round(heard.took_s * 1000),
        "connected_to": heard.place,
    }
    if isinstance(heard.error, ServiceUnavailable):
        do = _("Wait: a run waits for the end of an outage by itself.")
        found = _("{place} answers {status}: a fault of the service.")
        found = found.format(place=heard.place, status=heard.status)
        return to_mend("service", found, do, Exit.STOPPED, **facts)
    if heard.is_answer:
        found = _("{place} answers in {ms:,} ms.").format(place=heard.place, ms=facts["ms"])
        return well("service", found, **facts)
    found = _("{place} answers {status}, and not in the service's words.")
    found = found.format(place=heard.place, status=heard.status)
    if heard.status == 404:  # noqa: PLR2004  # HTTP's own
        do = joined(_("A gateway may not know this free request."), _(_ASK_ONE))
        return unknown("service", found, do, **facts)
    if heard.status >= 500:  # noqa: PLR2004  # as above
        do = _("Wait, and look at the gateway that answers there.")
        return to_mend("service", found, do, Exit.STOPPED, **facts)
    do = _("Correct the base URL; where a network asks for a login first, log in.")
    return to_mend("service", found, do, Exit.ACCOUNT, **facts)


def of_key(source: str, heard: Heard | None) -> Finding:
    """Return where a key that can be used comes from, and whether the service takes it."""
    facts = {"source": source}
    if heard is None or not (heard.is_answer or heard.is_credential):
        do = _("Mend what is said of the service first.")
        found = _("It is read from {source}; nobody has said whether it is right.")
        return unknown("key", found.format(source=source), do, **facts)
    if heard.is_credential:
        found = _("It is read from {source}, and the service takes it.")
        return well("key", found.format(source=source), **facts)
    if isinstance(heard.error, AccessDenied | OutOfCredit):
        what, do = found_of(heard.error)
        found = _("It is read from {source}, and {what}").format(source=source, what=_lower(what))
        return to_mend("key", found, do, Exit.ACCOUNT, **facts)
    found = _("It is read from {source}; the service says nothing of it.")
    if isinstance(heard.error, RateLimited):
        found = _("It is read from {source}; the service is busy.")
    return unknown("key", found.format(source=source), _(_ASK_ONE), **facts)


def of_clock(date: str, sent_at: float, heard_at: float) -> Finding:
    """Return how far this machine's clock is from the service's, which tells whole seconds.

    Args:
        date: the answer's header of that name.
        sent_at: when the request was sent, in POSIX seconds of this machine.
        heard_at: when its answer was here.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        do = _("Compare it with another clock where days of a budget matter.")
        return unknown("clock", _("The service does not tell its time."), do)
    ahead_s = (sent_at + heard_at) / 2 - (theirs + 0.5)
    facts: dict[str, Any] = {"ahead_s": round(ahead_s, 1)}
    # What the second and the way of the answer leave open is no difference.
    if abs(ahead_s) <= CLOCK_AHEAD_S + (heard_at - sent_at) / 2:
        return well("clock", _("It agrees with the service's."), **facts)
    found = _("It is {time} behind the service's.")
    if ahead_s > 0:
        found = _("It is {time} ahead of the service's.")
    do = _("Set this machine's clock: budgets and ledgers count days by it, and certificates fail.")
    return to_mend("clock", found.format(time=duration(abs(ahead_s))), do, Exit.USAGE, **facts)


def of_network(
    proxies: Mapping[str, str], certificates: str, ignored: Sequence[str], *, is_here: bool
) -> Finding:
    """Return which settings of the network are in force.

    Args:
        proxies: the variables that name them, with their addresses.
        certificates: the variable that names whom to trust, and its value; empty: none does.
        ignored: variables that other tools read.
        is_here: whether the service is on this machine, where none of them counts.
    """
    facts: dict[str, Any] = {
        "proxies": dict(proxies),
        "certificates": certificates,
        "not_read": list(ignored),
    }
    if is_here:
        found = _("The base URL is on this machine: no proxy and no certificate counts.")
        return well("network", found, **facts)
    named = _(" and ").join(f"{name} ({address})" for name, address in proxies.items())
    found = _("No proxy; certificates of certifi.")
    if named and certificates:
        found = _("Proxies by {proxies}; trusted is what {certificates}.")
    elif certificates:
        found = _("No proxy; trusted is what {certificates}.")
    elif named:
        found = _("Proxies by {proxies}; certificates of certifi.")
    found = found.format(proxies=named, certificates=certificates)
    do = ""
    if ignored and not certificates:
        do = _("{names}: not read here. Name the file in SSL_CERT_FILE, if needed.")
        do = do.format(names=_(" and ").join(ignored))
    return well("network", found, do, **facts)


def of_line(where: str, processes: int, given_per_s: float | None) -> Finding:
    """Return who shares a line that can be had."""
    others = processes - 1
    facts: dict[str, Any] = {"where": where, "others": others, "given_per_s": given_per_s}
    found = ngettext(
        "Kept in {where}; {count:,} other process shares it now.",
        "Kept in {where}; {count:,} other processes share it now.",
        others,
    )
    if not others:
        found = _("Kept in {where}; no other process shares it now.")
    found = found.format(where=where, count=others)
    if given_per_s is None:
        return well("line", found, **facts)
    gives = _("The account gives {rate:g} a second.").format(rate=given_per_s)
    do = _("The line keeps to it. Look for others of the account whom this line does not see.")
    return well("line", joined(found, gives), do, **facts)


def of_sqlite(version: tuple[int, ...]) -> Finding:
    """Return which SQLite keeps ledgers in files, and whether its fault matters."""
    told = ".".join(map(str, version))
    has_fault = may_lose_from_a_log(version)
    found = _("SQLite {version}.")
    if has_fault:
        found = _(
            "Ledgers are safe: SQLite {version} can lose what was committed to a write-ahead log,"
            " and a ledger has none."
        )
    return well("SQLite", found.format(version=told), version=told, log_fault=has_fault)


def _lower(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]  # API
