"""`s2v-detect doctor`: what a run would find in its way, without a request that costs anything."""

import asyncio
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.cells import set_cell_size
from rich.table import Table
from rich.text import Text

from s2v_detect import __version__
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.cli import _examining
from s2v_detect.cli._account import Asked, Whom
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._findings import Finding, exit_of_findings, name_of, of_sqlite, well
from s2v_detect.cli._finishing import stdout_descriptor
from s2v_detect.cli._probe import Probing, probe
from s2v_detect.cli._terminal import joined, stderr_console
from s2v_detect.cli._wrapping import WrappingConsole
from s2v_detect.languages import _, speaking, spoken
from s2v_detect.ledger import SQLITE_VERSION

_STYLES = {"ok": "green", "to mend": "bold red", "unknown": "yellow"}


def examine(
    asked: Asked, ledger: Path | str | None, probing: Probing | None = None, *, as_json: bool
) -> Exit:
    """Print what is found of the set-up, probe where all is well, and return the exit code."""
    stdout_descriptor()
    if probing:
        probing.refuse_unusable()
    return asyncio.run(_examine(asked, ledger, probing, as_json=as_json))


async def _examine(
    asked: Asked, ledger: Path | str | None, probing: Probing | None, *, as_json: bool
) -> Exit:
    rate = probing.rate if probing else REQUESTS_PER_S
    async with asked.whom(Path(), rate) as whom:
        with speaking("en" if as_json else spoken()):  # for programs it is the same everywhere
            findings = await findings_of(whom, asked.timeout_s, ledger)
        code = exit_of_findings(findings)
        if as_json:
            _print_json(findings, code)
        else:
            _print(findings)
        if probing is None:
            return code
        if code is not Exit.DONE:
            told = _("Nothing was probed, and nothing was paid: mend that first.")
            stderr_console().print(told)
            return code
        return await probe(asked, whom, probing)


async def findings_of(whom: Whom, timeout_s: float, ledger: Path | str | None) -> list[Finding]:
    """Return what is found of every part, in the order in which a run needs them."""
    access = _examining.Access(whom)
    key, *of_service = await _examining.service(access, timeout_s)
    return [
        well("program", _program()),
        key,
        access.address(),
        *of_service,
        await _examining.line(access),
        of_sqlite(SQLITE_VERSION),
        *([] if ledger is None else [await _examining.ledger(ledger)]),
        *_examining.extras(),
    ]


def _program() -> str:
    told = _("s2v-detect {version}, Python {python}.")
    return told.format(version=__version__, python=platform.python_version())


def _print_json(findings: Sequence[Finding], code: Exit) -> None:
    told = {
        "schema_version": 1,
        "exit_code": int(code),
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "findings": [each.as_json() for each in findings],
    }
    print(json.dumps(told, ensure_ascii=False))  # noqa: T201  # data goes to stdout


def _print(findings: Sequence[Finding]) -> None:
    """Put the findings on stdout: one line each where no terminal sets a width."""
    if not sys.stdout.isatty():
        for each in findings:
            of = f"{set_cell_size(_(each.state), 8)} {set_cell_size(name_of(each.part), 8)}"
            print(f"{of} {joined(each.found, each.do)}".rstrip())  # noqa: T201  # data
        return
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in findings:
        told = Text(each.found)
        if each.do:
            told.append(f"\n{each.do}", style="dim" if each.state == "ok" else "")
        table.add_row(
            Text(_(each.state), style=_STYLES[each.state]), Text(name_of(each.part)), told
        )
    WrappingConsole(highlight=False).print(table)
