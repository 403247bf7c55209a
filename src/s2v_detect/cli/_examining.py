"""Each part of a set-up, looked at by the code that a run uses for it: a finding each.

The service is asked once, for what uploads begin with: a request that is never billed.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from s2v_detect import (
    ConfigurationError,
    DetectError,
    HostLimiter,
    __version__,
)
from s2v_detect._service import BASE_URL, MODEL
from s2v_detect._settings import Settings, from_env
from s2v_detect._waiting import in_thread
from s2v_detect.bulk import try_replacing
from s2v_detect.cli._account import Whom
from s2v_detect.cli._exits import Exit, exit_of_fault
from s2v_detect.cli._findings import (
    Finding,
    Heard,
    of_clock,
    of_error,
    of_key,
    of_line,
    of_network,
    of_service,
    to_mend,
    unknown,
    well,
)
from s2v_detect.cli._sources import Sources, sources_in
from s2v_detect.cli._terminal import joined, printable
from s2v_detect.languages import N_, _, needs_extra, why
from s2v_detect.ledger import ledger_at
from s2v_detect.limiters import (
    LINE_VARIABLE,
    AskedRedisLimiter,
    account_name,
    state_folder,
    wanted_line,
)
from s2v_detect.wire import (
    CERTIFICATES,
    NOT_READ,
    UPLOADS_PATH,
    Answer,
    Endpoint,
    Route,
    credential_in,
    credential_query,
    decode,
    is_answer,
    proxies_in,
    standing_headers,
)

if TYPE_CHECKING:
    from s2v_detect.cli._extras import Part

_NO_KEY = "sk-none"
"""Stands for a key that there is not: whether the service answers is told without one."""
_ANY_WORKSPACE = "any"
_FOLDER_DO = N_(
    "Set S2V_DETECT_STATE_DIR to a folder on a local disk that can be written; until then each"
    " process paces alone, and together they pass the rate."
)


class Access:
    """The key and the address of whom a command would ask, each by itself, and where it is from."""

    def __init__(self, whom: Whom) -> None:
        self.is_emulator = whom.api_key is not None
        self.sources: Sources = sources_in(
            os.environ, base_url=whom.base_url, workspace=whom.workspace
        )
        self.key_fault = _fault(partial(from_env, whom.api_key, BASE_URL, _ANY_WORKSPACE))
        where = partial(from_env, base_url=whom.base_url, workspace=whom.workspace)
        where = partial(where, allow_http=whom.allow_http)
        self.address_fault = _fault(partial(where, _NO_KEY))
        key = _NO_KEY if self.key_fault else whom.api_key
        self.settings: Settings | None = None if self.address_fault else where(key)

    @property
    def has_key(self) -> bool:
        """Whether there is a key that could be one."""
        return self.key_fault is None

    def address(self) -> Finding:
        """Return which address is asked, and why."""
        if self.settings is None:
            assert self.address_fault is not None  # noqa: S101  # one or the other
            return of_error("address", self.address_fault, exit_of_fault(self.address_fault))
        url = self.settings.base_url
        source = _("an emulator of its own") if self.is_emulator else self.sources.base_url
        found = _("{url}, from {source}.") if source else _("{url}, the public one.")
        found = found.format(url=url, source=source)
        facts = {"base_url": url, "source": source, "workspace": self.settings.workspace or ""}
        if self.settings.workspace:
            workspace = _("The workspace is from {source}.")
            found = joined(found, workspace.format(source=self.sources.workspace))
        return well("address", printable(found), **facts)

    def key(self, heard: Heard | None) -> Finding:
        """Return where the key comes from, and whether the service takes it."""
        if self.key_fault is not None:
            code = exit_of_fault(self.key_fault)
            return of_error("key", self.key_fault, code, source=self.sources.api_key)
        source = _("the emulator itself") if self.is_emulator else self.sources.api_key
        return of_key(source, heard)


def _fault(work: Callable[[], object]) -> DetectError | None:
    try:
        work()
    except ConfigurationError as error:
        return error
    return None


async def service(access: Access, timeout_s: float) -> list[Finding]:
    """Return what is found of key, network, service and clock, from one free request."""
    if access.settings is None:
        what = _("It was not asked: there is no address.")
        return [access.key(None), unknown("service", what, _("Mend the address first."))]
    endpoint = Endpoint(
        access.settings.base_url,
        MODEL,
        standing_headers(access.settings.workspace, f"s2v-detect/{__version__}"),
        api_key=access.settings.api_key,
        timeout_s=timeout_s,
        http_client=None,
    )
    try:
        endpoint.open()
    except ConfigurationError as error:  # a proxy or a certificate that is none
        what = _("It was not asked: the network can't be used as it is set.")
        not_asked = unknown("service", what, _("Mend the network first."))
        return [access.key(None), of_error("network", error, exit_of_fault(error)), not_asked]
    try:
        return await _heard(access, endpoint)
    finally:
        await endpoint.close()


async def _heard(access: Access, endpoint: Endpoint) -> list[Finding]:
    route, sent_at = Route(), time.time()
    network = _network(os.environ, is_here=not endpoint.reads_environment)
    path = f"{UPLOADS_PATH}?{credential_query(MODEL)}"
    try:
        answer = await endpoint.get(path, route, unless="not reached")
    except DetectError as error:
        if not (access.sources.base_url or access.is_emulator):  # the public address is right
            error.do = error.do.replace("Correct the base URL", "Check this machine's network")
        not_reached = of_error("service", error, exit_of_fault(error))
        return [access.key(None), network, not_reached]
    heard_at = time.time()
    heard = Heard(
        answer.status,
        credential_in(answer.body) is not None,
        is_answer(answer),
        _meant(answer),
        _by_way_of(endpoint.place(Route()), endpoint.place(route)),
        heard_at - sent_at,
    )
    clock = of_clock(answer.headers.get("date", ""), sent_at, heard_at)
    return [access.key(heard), network, of_service(heard), clock]


def _by_way_of(target: str, place: str) -> str:
    if place == target:
        return target
    return _("{target}, by {place},").format(target=target, place=place)


def _meant(answer: Answer) -> DetectError | None:
    try:
        decode(answer)
    except DetectError as error:
        return error
    return None


def _network(environ: Mapping[str, str], *, is_here: bool) -> Finding:
    named = next((name for name in CERTIFICATES if environ.get(name)), "")
    ignored = [name for name in NOT_READ if environ.get(name)]
    certificates = ""
    if named:
        certificates = _("{name} names ({path})")
        certificates = certificates.format(name=named, path=printable(environ[named]))
    return of_network(proxies_in(environ), certificates, ignored, is_here=is_here)


async def line(access: Access) -> Finding:
    """Return where requests wait, and who else waits there."""
    if access.is_emulator:
        return well("line", _("An emulator of its own shares none."))
    try:
        where = wanted_line()
        if where == "process":
            found = _("Each process has its own, as {name} says: together they pass 5/s.")
            do = _("Unset it where several processes use this account.")
            return well("line", found.format(name=LINE_VARIABLE), do)
        if where == "machine":
            return _machine_line(access)
        return await _redis_line(access, where)
    except ConfigurationError as error:
        return of_error("line", error, exit_of_fault(error))


def _machine_line(access: Access) -> Finding:
    if sys.platform == "win32":
        found = _("This system has no line of a machine: each process paces alone.")
        do = _("Set {name} to a Redis where several processes go.").format(name=LINE_VARIABLE)
        return well("line", found, do)
    try:
        folder = state_folder(None)
    except OSError as error:
        reason = f"{error.filename}: {why(error)}" if error.filename else str(error)
        found = _("It can't be kept, {why}.").format(why=printable(reason))
        return to_mend("line", found, _(_FOLDER_DO), Exit.USAGE)
    if access.settings is None or not access.has_key:
        found = _("It would be kept in {name}.").format(name=printable(str(folder)))
        return well("line", found, _("Whose line it is, key and address tell."))
    try:
        sharing = HostLimiter(name=account_name(*_account(access.settings))).sharing()
    except ConfigurationError as error:
        return to_mend("line", printable(error.what), _(_FOLDER_DO), Exit.USAGE)
    return of_line(printable(str(folder)), sharing.processes, sharing.given_per_s)


async def _redis_line(access: Access, url: str) -> Finding:
    place = printable(url)
    name = account_name(*_account(access.settings)) if access.settings else "doctor"
    limiter = AskedRedisLimiter(url, name=name)
    await limiter.ask()
    if limiter.lost:
        found = _("{place} can't be used: {why}.")
        found = found.format(place=place, why=printable(limiter.lost))
        do = _("Start it, or correct {name}; until then each process paces alone.")
        return to_mend("line", found, do.format(name=LINE_VARIABLE), Exit.USAGE)
    sharing = limiter.sharing()
    return of_line(place, sharing.processes, sharing.given_per_s)


def _account(settings: Settings) -> tuple[str, str, SecretStr]:
    return settings.base_url, MODEL, settings.api_key


async def ledger(place: Path | str) -> Finding:
    """Return whether runs can begin on a ledger; one that is not there is not made."""
    try:
        return await in_thread(partial(_ledger, place))
    except ConfigurationError as error:  # no psycopg, which knows where a password is in an address
        return of_error("ledger", error, exit_of_fault(error))
    except DetectError as error:
        place = printable(ledger_at(place).where)
        return of_error("ledger", error, exit_of_fault(error), place=place)


def _ledger(place: Path | str) -> Finding:
    with ledger_at(place) as books:
        where = printable(books.where)
        if not books.exists():
            if isinstance(place, Path):
                return _ledger_to_be(place)
            found = _("There is none at {where} yet; the first run makes it.")
            return well("ledger", found.format(where=where))
        books.refuse_unusable()
        found = _("{where} is sound, and can be written.").format(where=where)
        return well("ledger", found, place=where)


def _ledger_to_be(place: Path) -> Finding:
    where = printable(str(place))
    try:
        try_replacing(place)
    except (OSError, ValueError) as error:
        found = _("There is no {where}, and none can be made: {why}.")
        found = found.format(where=where, why=printable(why(error)))
        return to_mend("ledger", found, _("Give a folder that can be written."), Exit.USAGE)
    found = _("There is no {where} yet; the first run makes it.").format(where=where)
    return well("ledger", found, place=where)


def extras() -> Sequence[Finding]:
    """Return which extras are installed, and in which versions."""
    try:
        from s2v_detect.cli._extras import of_extras  # noqa: PLC0415  # see there

        return of_extras(_installed())
    except ModuleNotFoundError as error:
        if isinstance(error, metadata.PackageNotFoundError):
            do = _("Install the package; a folder of sources alone tells nothing of them.")
            return [unknown("extras", _("This s2v-detect is not installed as a package."), do)]
        found = _("{name} is not installed, which the extra cli needs.").format(name=error.name)
        return [to_mend("extras", found, needs_extra(_("The doctor"), "cli"), Exit.USAGE)]


@cache  # what is installed stays so while a process lives, and reading all of it takes a while
def _installed() -> Mapping[str, Sequence["Part"]]:
    from s2v_detect.cli._extras import extras_of  # noqa: PLC0415  # as above

    about = metadata.metadata("s2v-detect")
    needed = metadata.requires("s2v-detect") or []
    return extras_of(needed, about.get_all("Provides-Extra") or [], _version_of)


def _version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
