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
from s2v_detect.cli._terminal import counted, duration, sentence
from s2v_detect.ledger import may_lose_from_a_log

State = Literal["ok", "to mend", "unknown"]

CLOCK_AHEAD_S = 30.0
"""A clock that is off by more puts requests into another day of the budget, and of the bill."""
_ASK_ONE = "`s2v-detect check` of one image tells; it may cost what one image costs"
_WEB_FIRST = "Correct the base URL; where a network asks for a login first, log in"


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
    return to_mend(part, sentence(error.what), error.do_in_command or error.do, code, **facts)


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
        do = "Wait: a run waits for the end of an outage by itself."
        found = f"{heard.place} answers {heard.status}: a fault of the service."
        return to_mend("service", found, do, Exit.STOPPED, **facts)
    if heard.is_answer:
        return well("service", f"{heard.place} answers in {facts['ms']:,} ms.", **facts)
    found = f"{heard.place} answers {heard.status}, and not in the service's words."
    if heard.status == 404:  # noqa: PLR2004  # HTTP's own
        do = f"A gateway may not know this free request. {_ASK_ONE}."
        return unknown("service", found, do, **facts)
    if heard.status >= 500:  # noqa: PLR2004  # as above
        do = "Wait, and look at the gateway that answers there."
        return to_mend("service", found, do, Exit.STOPPED, **facts)
    return to_mend("service", found, f"{_WEB_FIRST}.", Exit.ACCOUNT, **facts)


def of_key(source: str, heard: Heard | None) -> Finding:
    """Return where a key that can be used comes from, and whether the service takes it."""
    read, facts = f"It is read from {source}", {"source": source}
    if heard is None or not (heard.is_answer or heard.is_credential):
        do = "Mend what is said of the service first."
        return unknown("key", f"{read}; nobody has said whether it is right.", do, **facts)
    if heard.is_credential:
        return well("key", f"{read}, and the service takes it.", **facts)
    if isinstance(heard.error, AccessDenied | OutOfCredit):
        found = f"{read}, and {_lower(sentence(heard.error.what))}"
        return to_mend("key", found, heard.error.do, Exit.ACCOUNT, **facts)
    why = "is busy" if isinstance(heard.error, RateLimited) else "says nothing of it"
    return unknown("key", f"{read}; the service {why}.", f"{_ASK_ONE}.", **facts)


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
        do = "Compare it with another clock where days of a budget matter."
        return unknown("clock", "The service does not tell its time.", do)
    ahead_s = (sent_at + heard_at) / 2 - (theirs + 0.5)
    facts: dict[str, Any] = {"ahead_s": round(ahead_s, 1)}
    # What the second and the way of the answer leave open is no difference.
    if abs(ahead_s) <= CLOCK_AHEAD_S + (heard_at - sent_at) / 2:
        return well("clock", "It agrees with the service's.", **facts)
    way = "ahead of" if ahead_s > 0 else "behind"
    found = f"It is {duration(abs(ahead_s))} {way} the service's."
    do = "Set this machine's clock: budgets and ledgers count days by it, and certificates fail."
    return to_mend("clock", found, do, Exit.USAGE, **facts)


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
        found = "The base URL is on this machine: no proxy and no certificate counts."
        return well("network", found, **facts)
    named = " and ".join(f"{name} ({address})" for name, address in proxies.items())
    found = f"Proxies by {named}" if named else "No proxy"
    found += f"; trusted is what {certificates}." if certificates else "; certificates of certifi."
    do = ""
    if ignored and not certificates:
        do = f"{' and '.join(ignored)}: not read here. Name the file in SSL_CERT_FILE, if needed."
    return well("network", found, do, **facts)


def of_line(where: str, processes: int, given_per_s: float | None) -> Finding:
    """Return who shares a line that can be had."""
    facts: dict[str, Any] = {"where": where, "others": processes - 1, "given_per_s": given_per_s}
    others = counted(processes - 1, "other process shares", "other processes share")
    found = f"Kept in {where}; {others} it now."
    if given_per_s is None:
        return well("line", found, **facts)
    do = "The line keeps to it. Look for others of the account whom this line does not see."
    return well("line", f"{found} The account gives {given_per_s:g} a second.", do, **facts)


def of_sqlite(version: tuple[int, ...]) -> Finding:
    """Return which SQLite keeps ledgers in files, and whether its fault matters."""
    told = ".".join(map(str, version))
    has_fault = may_lose_from_a_log(version)
    found = f"SQLite {told}."
    if has_fault:
        found = (
            f"SQLite {told} can lose what was committed to a write-ahead log; a ledger has none"
            " and is safe."
        )
    return well("SQLite", found, version=told, log_fault=has_fault)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
