"""Whom a command asks: the account of the environment, or the emulator."""

import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from s2v_detect import (
    ConfigurationError,
    DetectClient,
    Event,
    HostLimiter,
    Ledger,
    LocalLimiter,
    Preflight,
)
from s2v_detect._service import REQUESTS_PER_S

_log = logging.getLogger("s2v_detect")

POSITIVE = Number(gt=0)

_EMULATOR_EXTRA = ("aiohttp", "skimage", "PIL", "numpy")


class EmulatorMissing(Exception):
    """The extra `emulator` is not installed."""


@Parameter(name="*")
@dataclass(frozen=True)
class Sending:
    """How the images of one run are sent, and told of."""

    _: KW_ONLY
    rate: Annotated[float, Parameter(validator=POSITIVE)] = REQUESTS_PER_S
    """Requests a second: lower where others use the account, higher where it was raised."""
    ordered: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Write in the order of the input; one slow image then holds up those after it."""
    max_in_flight: Annotated[int, Parameter(validator=Number(gte=1))] = 300
    """Images asked for and not yet written, at most."""
    quiet: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """No progress on stderr; the closing summary stays."""


@Parameter(name="*", group="Account")
@dataclass(frozen=True)
class Account:
    """The options of every command that asks the service.

    The key is none of them: a command line can be read by every user of the machine.
    """

    _: KW_ONLY
    emulator: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Ask an emulator on this machine: no key, no cost, and verdicts that are its estimates."""
    base_url: str | None = None
    """The service's address, instead of DASHSCOPE_BASE_URL."""
    workspace: str | None = None
    """The workspace's id, instead of DASHSCOPE_WORKSPACE."""
    allow_http: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Use an http address outside this network: anybody on the way can read the key."""
    timeout_s: Annotated[float, Parameter(validator=POSITIVE)] = 60.0
    """Seconds that one answer may take."""
    on_unknown: Literal["resend", "keep"] = "resend"
    """After a lost answer, which may have been billed: ask once more, or keep it as failed."""
    preflight: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Look at the first bytes of each image, and skip what the service would surely refuse."""
    send_missing: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """With --preflight: send what its server answers with 404 or 410, too."""

    @asynccontextmanager
    async def client(
        self,
        sending: Sending,
        *,
        folder: Path,
        on_event: Callable[[Event], None],
        ledger: Ledger | None = None,
        max_cost: str | None = None,
    ) -> AsyncGenerator[DetectClient]:
        """Open a client; with `--emulator` the photographs of `folder` are its web."""
        async with (
            self._asked(folder) as asked,
            DetectClient(
                asked.api_key,
                base_url=asked.base_url,
                workspace=asked.workspace,
                allow_http=asked.allow_http,
                limiter=self._line(sending.rate),
                max_in_flight=sending.max_in_flight,
                timeout_s=self.timeout_s,
                on_unknown=self.on_unknown,
                preflight=self._rules(),
                ledger=ledger,
                max_cost=max_cost,
                on_event=on_event,
            ) as client,
        ):
            yield client

    @asynccontextmanager
    async def _asked(self, folder: Path) -> AsyncGenerator["_Asked"]:
        """Have whoever is asked: the service, or an emulator that runs as long as that."""
        if not self.emulator:
            yield _Asked(None, self.base_url, self.workspace, allow_http=self.allow_http)
            return
        async with emulator_class()(folder=folder, counting="sliding") as emulator:
            yield _Asked(emulator.api_key, emulator.base_url, None, allow_http=False)

    def _line(self, rate: float) -> HostLimiter | LocalLimiter | None:
        """Return the machine's line, which an emulator of our own does not share."""
        if not self.emulator and rate == REQUESTS_PER_S:
            return None
        if not self.emulator and os.environ.get("S2V_DETECT_LINE", "").strip() != "process":
            try:
                return HostLimiter(rate)
            except ConfigurationError as error:
                _log.warning("%s The line is this process's own.", error)
        return LocalLimiter(rate)

    def _rules(self) -> Preflight | None:
        if not self.preflight:
            return None
        return Preflight(allow_private=self.emulator, skip_missing=not self.send_missing)


@dataclass(frozen=True)
class _Asked:
    """Whom a client asks. None: as the environment says."""

    api_key: str | None
    base_url: str | None
    workspace: str | None
    _: KW_ONLY
    allow_http: bool


def emulator_class() -> Any:
    """Return the class `Emulator`; `EmulatorMissing` where its extra is not installed."""
    try:
        from s2v_detect.emulator import Emulator  # noqa: PLC0415  # an extra, only when asked for
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EMULATOR_EXTRA:
            raise
        raise EmulatorMissing(
            'The emulator needs an extra: pip install "s2v-detect[cli,emulator]"'
        ) from error
    return Emulator
