"""`s2v-detect doctor --probe`: a few paid requests, and a page of what nobody documents.

Nothing that may have been billed is asked for twice, whatever comes back: each image is one
request. A file is two where the address of an earlier upload is gone: the service bills nothing for
that, and the second counts as one of those that were allowed. The HTTP client itself refuses one
more than these (`Observer`). Every request is in a ledger before it leaves. Killed on any line, the
ledger knows what was sent; the page is written from what was seen, however the probe ends. The page
of an earlier probe was paid for too: it is kept under another name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from s2v_detect import (
    BudgetSpent,
    ConfigurationError,
    DetectClient,
    DetectError,
    RetryPolicy,
    Spend,
    __version__,
)
from s2v_detect._redaction import path_text
from s2v_detect._service import BASE_URL, PRICE_CNY
from s2v_detect._settings import Settings, from_env
from s2v_detect.bulk import Replaceable, as_written, refuse_conflicts, replacing
from s2v_detect.cli._account import Asked, Whom
from s2v_detect.cli._buckets import is_bucket
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._faults import OwnDo
from s2v_detect.cli._finishing import refuse_unwritable
from s2v_detect.cli._hidden import Hidden
from s2v_detect.cli._own import PROBE
from s2v_detect.cli._places import ledger_named_after, used_by
from s2v_detect.cli._plan import Plan
from s2v_detect.cli._probe_page import Probe, facts_of, page_of
from s2v_detect.cli._run import opened_input
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import joined, logged_on, printable, stderr_console
from s2v_detect.languages import N_, _, ngettext, why
from s2v_detect.tables import InputError
from s2v_detect.wire import Observer

_EMULATOR = "the emulator of this machine, whose answers are its own"
_WORKSPACE_HOSTS = ".maas.aliyuncs.com"

_NOTHING = Replaceable(lambda _path: False, N_("was paid for"))
"""What gives way to a page: a name that is free."""

Image = str | Path


@dataclass(frozen=True)
class Probing:
    """What its user has allowed."""

    given: Sequence[str]
    """Images as they were typed: addresses, files, lists."""
    most: int
    max_cost: str | None
    """CNY."""
    out: Path
    rate: float
    ledger: Path | str | None

    @property
    def ledger_place(self) -> Path | str:
        """Where its books are."""
        return self.ledger or Path(f"{self.out}.ledger")

    def refuse_unusable(self) -> None:
        """Raise where it may not begin, or the page could not be written: before any request."""
        if self.max_cost is None:
            told = _(
                "--probe makes paid requests, and nothing says what they may cost. Add --max-cost,"
                " such as --max-cost {cost}."
            )
            raise Unusable(told.format(cost=self.most * PRICE_CNY))
        if not self.given:
            raise Unusable(_("--probe asks for your own images. Give addresses, files or a list."))
        page = as_written(N_("the page"), self.out, PROBE)
        refuse_conflicts([*used_by(self.ledger_place), page])
        refuse_unwritable("-o", self.out)


@dataclass
class _Seen:
    """What came of it so far: of this the page is made, however the probe ends."""

    observer: Observer
    client: DetectClient | None = None
    spent_before: Decimal = Decimal(0)
    """By earlier probes of the same page, whose books count."""
    skipped: int = 0
    ended_by: str = ""

    @property
    def spend(self) -> Spend:
        """What was paid."""
        return self.client.spend if self.client else Spend()


async def images_of(given: Sequence[str], most: int) -> list[Image]:
    """Return the first images of what was typed, each once. Raises `Unusable`."""
    found: dict[Image, None] = {}
    try:
        for name in given:
            if "://" in name and not is_bucket(name):
                found[name] = None
            else:
                await _add_rows_of(name, found, most)
            if len(found) >= most:
                break
    except InputError as error:
        raise Unusable(str(error)) from error
    return list(found)[:most]


async def _add_rows_of(name: str, found: dict[Image, None], most: int) -> None:
    source = opened_input(name, Plan())
    try:
        async for rows in source.batches():
            found.update(dict.fromkeys(row.source for row in rows if not row.fault))
            if len(found) >= most:
                return
    finally:
        source.close()


async def probe(asked: Asked, whom: Whom, probing: Probing) -> Exit:
    """Ask for the images, write the page, and return the exit code. Raises what ended it early."""
    images = await images_of(probing.given, probing.most)
    if not images:
        raise Unusable(_("There is no image in what was given. Give addresses, files or a list."))
    settings = from_env(whom.api_key, whom.base_url, whom.workspace, allow_http=whom.allow_http)
    seen = _Seen(Observer(probing.most))
    console = stderr_console()
    try:
        with logged_on(console):
            await _ask(asked, settings, probing, images, seen)
    except DetectError as error:
        # Where the observer refuses one more, that is the probe's usual end; no other error is.
        if not (seen.observer.is_used_up and isinstance(error, ConfigurationError)):
            seen.ended_by = type(error).__name__
            if isinstance(error, BudgetSpent):
                error.do_in_command = OwnDo(_more_money(probing, seen))
            raise
    finally:
        if seen.observer.exchanges:  # of whatever came, also where somebody interrupts
            hidden = Hidden(_secrets(settings, images))
            _write(probing, seen, hidden, _asked_of(asked, settings.base_url))
    if not seen.observer.exchanges:
        told = _("Nothing was asked for: the ledger knows these images, or none can be sent.")
        console.print(told)
        return Exit.INCOMPLETE
    return Exit.UNKNOWN if seen.spend.unknown else Exit.DONE


async def _ask(
    asked: Asked, settings: Settings, probing: Probing, images: Sequence[Image], seen: _Seen
) -> None:
    ledger = ledger_named_after(str(probing.out), probing.ledger_place)
    with ledger:
        if ledger.exists():
            seen.spent_before = ledger.spend().cost_at_most
            if asked.emulator:
                ledger.forget_uploads()  # its store begins empty
        async with (
            seen.observer.http(settings.base_url) as http,
            DetectClient(
                settings.api_key,
                base_url=settings.base_url,
                workspace=settings.workspace,
                allow_http=True,  # `settings` were checked
                limiter=asked.line(probing.rate),
                timeout_s=asked.timeout_s,
                retry=RetryPolicy(max_attempts=1),
                on_unknown="keep",
                ledger=ledger,
                max_cost=probing.max_cost,
                max_outage_s=0.0,
                http_client=http,
            ) as client,
        ):
            try:
                async with client.aiter_check(images) as outcomes:
                    async for outcome in outcomes:
                        seen.skipped += outcome.kind == "skipped"
            finally:
                seen.client = client  # its spend is whole when it is closed


def _more_money(probing: Probing, seen: _Seen) -> str:
    """Return what to do where --max-cost has no room for one more request."""
    name = printable(str(probing.out))
    least = seen.spent_before + seen.spend.cost_at_most + PRICE_CNY
    if not seen.spent_before:
        told = _("Raise --max-cost to go on, to CNY {least} at least; what came is in {name}.")
        return told.format(least=least, name=name)
    told = _(
        "It bounds all probes of {name} together, and earlier ones have spent CNY {spent} of it."
        " Raise --max-cost to CNY {least} at least, or give another name after -o."
    )
    return told.format(name=name, spent=seen.spent_before, least=least)


def _tell_earlier(page: Path, kept: Path) -> None:
    """Say where the page of an earlier probe is now."""
    told = _("{name} of an earlier probe is kept as {kept}.")
    told = told.format(name=printable(page.name), kept=printable(kept.name))
    stderr_console().print(told, markup=False)


def _write(probing: Probing, seen: _Seen, hidden: Hidden, asked_of: str) -> None:
    """Write the page, and say where it is."""
    spend = seen.spend
    about = Probe(
        version=__version__,
        made_on=f"{datetime.now(UTC):%Y-%m-%d}",
        asked_of=asked_of,
        rate=probing.rate,
        billed=spend.billed,
        unknown=spend.unknown,
        cost=str(spend.cost),
        known=spend.known,
        skipped=seen.skipped,
        ended_by=seen.ended_by,
    )
    page = page_of(facts_of(about, seen.observer.exchanges, hidden))
    name = printable(str(probing.out))
    try:
        with replacing(probing.out, _NOTHING, _tell_earlier) as file:
            file.write(page.encode())
    except OSError as error:
        told = _(
            "{name} can't be written: {why}. What was paid is in the ledger; give another name"
            " after -o."
        )
        raise Unusable(told.format(name=name, why=why(error))) from error
    count = len(seen.observer.exchanges)
    paid = ngettext(
        "{count:,} request, {billed} billed (CNY {cost}).",
        "{count:,} requests, {billed} billed (CNY {cost}).",
        count,
    )
    if asked_of == _EMULATOR:
        paid = ngettext(
            "{count:,} request, by the emulator alone, and nothing is billed.",
            "{count:,} requests, by the emulator alone, and nothing is billed.",
            count,
        )
    paid = paid.format(count=count, billed=spend.billed, cost=spend.cost)
    told = _(
        "{name} says what came, without key, address or picture: read it, then send it to the"
        " project if you like."
    )
    stderr_console().print(joined(paid, told.format(name=name)), markup=False)


def _secrets(settings: Settings, images: Sequence[Image]) -> list[str]:
    """Return what must not be on the page."""
    told = [settings.api_key.get_secret_value(), settings.workspace or ""]
    told += [] if settings.base_url == BASE_URL else [settings.base_url]
    told += [image if isinstance(image, str) else path_text(image) for image in images]
    return [spelled for each in told for spelled in (each, unquote(each), quote(each))]


def _asked_of(asked: Asked, base_url: str) -> str:
    """Return whom was asked, in words that name nobody."""
    if asked.emulator:
        return _EMULATOR
    if base_url == BASE_URL:
        return "the public address"
    host = urlsplit(base_url).hostname or ""
    return "a workspace's address" if host.endswith(_WORKSPACE_HOSTS) else "another address"
