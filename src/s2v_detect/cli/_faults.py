"""What stops a whole run, with what it means and what to do, for whoever reads no English.

The library's errors are English by contract, for programs and searches hold on to them. In another
language the meaning comes first, and the error's own sentence stands behind it. An error is known
by its class, and within one by the words of the library or the code of the service.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from s2v_detect import (
    AccessDenied,
    BudgetSpent,
    ConfigurationError,
    DetectError,
    LedgerError,
    NotSent,
    OutOfCredit,
    ServiceError,
)
from s2v_detect.cli._terminal import duration, sentence
from s2v_detect.languages import N_, _, spoken
from s2v_detect.report import advice_for

_CNY = re.compile(r"CNY ([\d.]+)")
_LASTED = re.compile(r"has been out for (?:(\d+) days?, )?(\d+):(\d+):(\d+)")


class OwnDo(str):
    """What to do as one command says it, in the language that is spoken."""

    __slots__ = ()


class _Row(NamedTuple):
    """A fault that is known."""

    kind: type[DetectError] | tuple[type[DetectError], ...]
    words: tuple[str, ...]
    """One of them is in what the error says, or in its code, in lower case. Empty: any."""
    meaning: str
    do: str = ""
    """Empty: what the error says to do has names that stand nowhere else."""


class Told(NamedTuple):
    """A fault in the language that is spoken."""

    meaning: str
    do: str
    said: str
    """What of the error's own sentences is to stand behind it."""


_WAY = N_("Check the base URL, the proxy and this machine's network.")
_CONSOLE = N_("Check in the console what the key may use. This request was not billed.")
_RAISED = N_("Raise --max-cost, and the same command goes on; what was answered is in the output.")
_LATER = N_(
    "The same command goes on from {again} on, or when {option} is raised; what was answered is in"
    " the output."
)
_SIGNED = N_(
    "Look at SSL_CERT_FILE: where a proxy of this network signs, it names the file of its"
    " certificate."
)
_UNREACHED = (ConfigurationError, NotSent)
"""The first where no waiting mends it."""
_ROWS: Final = (
    _Row(
        DetectError,
        ("has been out for",),
        N_("The outage has lasted for {lasted}, longer than is waited for."),
        N_("Run the same command again later: it goes on. --max-outage bounds the waiting."),
    ),
    _Row(
        AccessDenied,
        ("invalidapikey",),
        N_("The API key is wrong ({answer})."),
        N_(
            "Check that it was copied whole, is of the Beijing region and may use this model."
            " This request was not billed."
        ),
    ),
    _Row(
        AccessDenied,
        ("modelnotfound",),
        N_("The model is not there, or the account may not use it ({answer})."),
        _CONSOLE,
    ),
    _Row(AccessDenied, ("workspace",), N_("The workspace is not permitted ({answer})."), _CONSOLE),
    _Row(AccessDenied, (), N_("The key has no permission for this ({answer})."), _CONSOLE),
    _Row(
        OutOfCredit,
        ("freetier", "allocationquota", "insufficientquota"),
        N_("The free images are spent ({answer})."),
        N_("Let images be paid for beyond the free ones in the console; run again."),
    ),
    _Row(
        OutOfCredit,
        ("commoditynotpurchased",),
        N_("The service is not activated for this account ({answer})."),
        N_("Activate it in the console; run again."),
    ),
    _Row(
        OutOfCredit, (), N_("The account is overdue ({answer})."), N_("Pay what is due; run again.")
    ),
    _Row(
        BudgetSpent,
        (" a day of max_cost",),
        N_("The budget of the day is spent: one more request might pass CNY {amount}."),
        _LATER,
    ),
    _Row(
        BudgetSpent,
        (" a month of max_cost",),
        N_("The budget of the month is spent: one more request might pass CNY {amount}."),
        _LATER,
    ),
    _Row(
        BudgetSpent,
        (),
        N_("The budget is spent: one more request might pass CNY {amount}."),
        _RAISED,
    ),
    _Row(
        ConfigurationError,
        ("there is no api key",),
        N_("There is no API key."),
        N_(
            "Set DASHSCOPE_API_KEY to a key of the Beijing region, or write the key into"
            " ~/.dashscope/api_key; to try without a key, give --emulator."
        ),
    ),
    _Row(
        ConfigurationError,
        ("the api key holds",),
        N_("The API key holds characters that no key has."),
        N_("Copy it again: one line, no spaces, no quotation marks."),
    ),
    _Row(
        ConfigurationError,
        ("the api key's file", "names a file that does not exist"),
        N_("The file of the API key can't be read."),
        N_("Give a text file with the key alone, or set DASHSCOPE_API_KEY."),
    ),
    _Row(
        _UNREACHED,
        ("asks for a user and a password",),
        N_("The proxy asks for a user and a password."),
        N_("Write USER:PASSWORD@ before the host in the proxy's address."),
    ),
    _Row(
        _UNREACHED,
        ("does not pass on",),
        N_("The proxy does not pass the request on."),
        N_("Let it pass the service on, or take another proxy."),
    ),
    _Row(
        _UNREACHED,
        ("has expired", "is not valid yet"),
        N_("By this machine's clock the certificate is not valid now."),
        N_("Set the clock; where it is right, the certificate is to be renewed."),
    ),
    _Row(
        _UNREACHED,
        ("certificate",),
        N_("The certificates are not trusted, or can't be read."),
        _SIGNED,
    ),
    _Row(
        _UNREACHED,
        ("does not exist (", "can't be resolved"),
        N_("The service can't be reached: its name does not exist."),
        _WAY,
    ),
    _Row(
        _UNREACHED,
        ("refuses connections",),
        N_("The service can't be reached: the connection is refused."),
        _WAY,
    ),
    _Row(ConfigurationError, ("do not match",), N_("Model and base URL do not match.")),
    _Row(ConfigurationError, ("the base url",), N_("The base URL can't be used.")),
    _Row(ConfigurationError, ("the workspace id",), N_("The workspace id can't be used.")),
    _Row(ConfigurationError, ("proxy",), N_("The proxy can't be used as it is set.")),
    _Row(
        _UNREACHED,
        (" tls", "speaks no http", "forbids connections"),
        N_("The service can't be reached."),
        _WAY,
    ),
    _Row(NotSent, (), N_("The service can't be reached."), _WAY),
    _Row(
        ConfigurationError,
        ("libpq knows no parameter",),
        N_("The ledger's address has a parameter that libpq does not know."),
        N_("Leave that parameter out."),
    ),
    _Row(
        ConfigurationError,
        ("the ledger's place is an empty text",),
        N_("The place of the ledger is empty."),
        N_("Give a file or an address; it may come from a variable that is not set."),
    ),
    _Row(
        ConfigurationError,
        ("the ledger's place is a list of settings",),
        N_("The ledger is given as a list of settings."),
        N_("Give its address: postgresql://USER@HOST/DATABASE."),
    ),
    _Row(
        ConfigurationError,
        ("the ledger's address names a driver",),
        N_("The ledger's address names a driver."),
        N_("Leave out the + and the driver's name: postgresql://USER@HOST/DATABASE."),
    ),
    _Row(
        ConfigurationError,
        ("the ledger's place is no address",),
        N_("The ledger is neither a file nor the address of a PostgreSQL."),
        N_("Give a file, or postgresql://USER@HOST/DATABASE."),
    ),
    _Row(
        ConfigurationError,
        ("the ledger's address can't be read",),
        N_("The ledger's address can't be read."),
        N_(
            "Give postgresql://USER@HOST:5432/DATABASE; signs such as @ or / in a user or password"
            " are written as %40 or %2F."
        ),
    ),
    _Row(
        LedgerError,
        ("there is no ledger",),
        N_("The ledger is not there."),
        N_("Give the ledger of an earlier run."),
    ),
    _Row(
        LedgerError,
        ("it is no ledger",),
        N_("This file is no ledger."),
        N_("Give another name: the file was not touched."),
    ),
    _Row(
        LedgerError,
        ("disk is full", "no space left"),
        N_("The disk of the ledger is full."),
        N_("Make room, and start again: nothing is sent that can't be recorded."),
    ),
    _Row(
        LedgerError,
        ("another process holds it",),
        N_("Another process holds the ledger."),
        N_("Stop that process, and start again."),
    ),
    _Row(
        LedgerError,
        ("can't be written", "can't be opened", "denied", "read-only"),
        N_("The ledger can't be opened or written."),
        N_("Give a file that can be written, in a folder that can be written."),
    ),
    _Row(
        LedgerError,
        ("damaged",),
        N_("The ledger is damaged."),
        N_("Restore a copy; what was paid is in the vendor's bill."),
    ),
)
"""The first that fits. What fits none has the meaning of its class, and says itself what to do."""


def told_of(error: DetectError) -> str:
    """Return an error as the command says it."""
    if spoken() == "en":
        return error.in_command()
    meaning, do, said = of_fault(error)
    return _("{meaning} {do} ({said})").format(meaning=meaning, do=do, said=said)


def of_fault(error: DetectError) -> Told:
    """Return what an error means, what to do, and what else it says."""
    row = next(_fitting(error), None)
    own = error.do_in_command if isinstance(error.do_in_command, OwnDo) else ""
    if row is None:
        meaning, _do = advice_for("failed", "", type(error).__name__, spoken())
        row = _Row(type(error), (), meaning)
    facts = _facts_of(error)
    do = own or _(row.do).format(**facts)
    whole, do_of_error = error.in_command(), error.do_in_command or error.do
    said = whole.removesuffix(do_of_error).rstrip() if do else whole
    return Told(_(row.meaning).format(**facts), do, said)


def found_of(error: DetectError) -> tuple[str, str]:
    """Return what is found where an error tells of it, and what to do: two sentences."""
    do = error.do_in_command or error.do
    if spoken() == "en":
        return sentence(error.what), do
    told = of_fault(error)
    found = _("{meaning} ({what})").format(meaning=told.meaning, what=error.what)
    return found, told.do or do


def _fitting(error: DetectError) -> Iterator[_Row]:
    text = error.what
    if isinstance(error, ServiceError) and error.message:
        text = text.replace(error.message, "")  # which may say anything
    text = text.lower()
    code = error.code.replace("_", "").lower() if isinstance(error, ServiceError) else ""
    for row in _ROWS:
        if isinstance(error, row.kind) and (
            not row.words or any(word in text or word in code for word in row.words)
        ):
            yield row


def _facts_of(error: DetectError) -> dict[str, str]:
    """Return what the sentences take of an error."""
    again = error.begins_anew_at if isinstance(error, BudgetSpent) else None
    amount, lasted = _CNY.search(error.what), _LASTED.search(error.what)
    answer = f"{error.status} {error.code}" if isinstance(error, ServiceError) else ""
    return {
        "answer": answer.rstrip(),
        "amount": amount[1] if amount else "",
        "lasted": duration(_seconds(*lasted.groups("0"))) if lasted else "",
        "again": f"{again:%Y-%m-%d}" if again else "",
        "option": "--max-cost-per-day" if " a day " in error.what else "--max-cost-per-month",
    }


def _seconds(days: str, hours: str, minutes: str, seconds: str) -> float:
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60.0 + int(seconds)
