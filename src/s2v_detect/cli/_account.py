"""Whom a command asks: the account of the environment, or the emulator."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from s2v_detect import DetectClient, Event, LocalLimiter, Preflight

POSITIVE = Number(gt=0)

_EMULATOR_EXTRA = ("aiohttp", "skimage", "PIL", "numpy")


class EmulatorMissing(Exception):
    """The extra `emulator` is not installed."""


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
        self, *, folder: Path, rate: float, on_event: Callable[[Event], None], **options: Any
    ) -> AsyncGenerator[DetectClient]:
        """Open a client; with `--emulator` the photographs of `folder` are its web."""
        common: dict[str, Any] = {
            "limiter": LocalLimiter(rate),
            "timeout_s": self.timeout_s,
            "on_unknown": self.on_unknown,
            "on_event": on_event,
            "preflight": self._rules(),
            **options,
        }
        if not self.emulator:
            async with DetectClient(
                base_url=self.base_url,
                workspace=self.workspace,
                allow_http=self.allow_http,
                **common,
            ) as client:
                yield client
            return
        async with (
            emulator_class()(folder=folder, counting="sliding") as emulator,
            DetectClient(emulator.api_key, base_url=emulator.base_url, **common) as client,
        ):
            yield client

    def _rules(self) -> Preflight | None:
        if not self.preflight:
            return None
        return Preflight(allow_private=self.emulator, skip_missing=not self.send_missing)


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
