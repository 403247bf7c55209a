"""The command line: its commands, their options and help, and what a mistake in it prints."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from s2v_detect import DetectError, __version__
from s2v_detect._columns import OUTPUT_COLUMNS, as_text
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.bulk import (
    PathError,
    as_input,
    as_written,
    is_database,
    refuse_conflicts,
)
from s2v_detect.cli import _examples
from s2v_detect.cli._account import (
    AMOUNT,
    FILE,
    FILE_OR_STANDARD,
    POSITIVE,
    Account,
    Answering,
    Asked,
    EmulatorMissing,
    Sending,
)
from s2v_detect.cli._check import check_images
from s2v_detect.cli._doctor import examine
from s2v_detect.cli._estimate import estimate_run
from s2v_detect.cli._exits import Exit, codes_in_help, exit_of_fault
from s2v_detect.cli._faults import told_of
from s2v_detect.cli._finishing import refuse_unwritable, stdout_descriptor
from s2v_detect.cli._idle import Idle, idle_of_account, idle_of_doctor, idle_of_plan, refuse_idle
from s2v_detect.cli._language import language_first, unshown, usual_language
from s2v_detect.cli._ledger import ledger_app
from s2v_detect.cli._mistakes import as_told
from s2v_detect.cli._optional_values import with_values
from s2v_detect.cli._own import REPORT
from s2v_detect.cli._places import LedgerPlace, used_by
from s2v_detect.cli._plan import Plan
from s2v_detect.cli._probe import Probing
from s2v_detect.cli._report import write_page
from s2v_detect.cli._run import screen_file
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._serve import Counting, serve
from s2v_detect.cli._terminal import (
    printable,
    stderr_console,
    stdout_read_while_wanted,
)
from s2v_detect.cli._wrapping import WrappingConsole
from s2v_detect.languages import N_, Language, _, speaking, spoken, why

_CODES = codes_in_help()
_CODES_OF_CHECK = codes_in_help(has_budget=False)
_KEY = """\
The key is read from DASHSCOPE_API_KEY, else from the file that
DASHSCOPE_API_KEY_FILE_PATH names, else from ~/.dashscope/api_key."""
_RUN_COLUMNS = f"Columns of OUT, behind those of INPUT:\n{as_text(OUTPUT_COLUMNS)}"
_FLAG = Parameter(negative=(), show_default=False)
_REQUIRED = Parameter(required=True)
_LONGEST_CELL = 2**31 - 1
"""An output is read back whatever was in its input: a Parquet file's texts have any length.

`csv` has one limit for the whole process, so whoever calls the command gets the old one back.
"""


app = App(
    name="s2v-detect",
    help="Screen portraits with wan2.2-s2v-detect: five a second, no lost answer.",
    help_epilogue=f"{_KEY}\n\n{_CODES}",
    help_format="plaintext",
    version=__version__,
    version_flags=("--version", "-V"),
    result_action="return_value",
    error_formatter=as_told,
)
app.meta.end_of_options_delimiter = ""  # a -- is for the command itself


app.command(ledger_app)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    usual_limit = csv.field_size_limit(_LONGEST_CELL)
    if sys.stdout is not None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text stream here
    try:
        with speaking(usual_language()), stdout_read_while_wanted():
            return _call(app.meta, language_first(with_values(arguments)))
    except CycloptsError:
        return Exit.USAGE  # it has printed what is wrong
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    finally:
        csv.field_size_limit(usual_limit)


def _call(called: App, words: Sequence[str]) -> int:
    console = WrappingConsole(stderr=True)
    return int(called(words, exit_on_error=False, error_console=console) or 0)


@app.meta.default
def _in_language(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    lang: Annotated[Language | None, Parameter(show_default=False)] = None,
) -> int:
    """Run a command in a language: an option of every command, wherever it stands.

    Args:
        words: All that is not of the language.
        lang: The language of messages, summary and report; data stay as they are. Default: that of
            the locale.
    """
    if why_not := unshown(lang or spoken()):
        stderr_console().print(why_not, markup=False)
    with speaking("en" if why_not else lang or spoken()):
        return _answered(words)


def _answered(words: Sequence[str]) -> int:
    try:
        return _call(app, words)
    except (Unusable, EmulatorMissing, PathError) as error:
        return _refused(error, Exit.USAGE)
    except DetectError as error:
        return _refused(told_of(error), exit_of_fault(error))
    except OSError as error:  # of a file that nothing above has said more about
        name = _("A file") if error.filename is None else str(error.filename)[:200]
        told = _("{name} can't be used: {why}. Give another one.")
        return _refused(told.format(name=name, why=why(error)), Exit.USAGE)


def _refused(error: Exception | str, code: Exit) -> Exit:
    stderr_console().print(f"s2v-detect: {printable(str(error))}", style="red", markup=False)
    return code


@app.command(help_epilogue=f"{_examples.CHECK}\n\n{_CODES_OF_CHECK}")
def check(
    *images: Annotated[str, _REQUIRED],
    json: Annotated[bool, _FLAG] = False,
    account: Account = Account(),  # noqa: B008  # frozen: a shared default is safe
) -> int:
    """Check a few images and print a table.

    A rejected image is an answer: the exit code is 0.

    Args:
        images: URLs, or files of this machine. With --emulator, http://photographs.example/NAME is
            a file of this folder.
        json: Print JSON lines, with the keys of `run`'s output.
        account: Whom to ask.
    """
    refuse_idle(idle_of_account(account))
    return check_images(images, account, as_json=json)


@app.command(help_epilogue=f"{_RUN_COLUMNS}\n\n{_examples.RUN}\n\n{_CODES}")
def run(
    source: Annotated[str, Parameter(name="INPUT"), FILE_OR_STANDARD],
    /,
    *,
    out: Annotated[str, Parameter(name=("--out", "-o")), FILE_OR_STANDARD],
    sending: Sending = Sending(),  # noqa: B008  # frozen: a shared default is safe
    plan: Plan = Plan(),  # noqa: B008  # as above
    account: Account = Account(),  # noqa: B008  # as above
) -> int:
    """Screen a folder or a list of images into a file of verdicts; started again, it goes on.

    Every request is recorded in a ledger before it leaves, and every answer
    before it is told: the same command again pays for nothing it has paid for.
    In text, blank lines and lines that begin with # are passed over. A row
    that can be no image is an outcome with its line number, never the end of
    the run. Ctrl-C sends no more, waits for what was sent and writes it; a
    second one stops at once.

    Args:
        source: A folder of images, or a pattern of files in quotes; or a list: text (a URL a line),
            CSV, TSV, JSON lines, Excel or Parquet by its ending, .gz too; - is stdin; or a bucket:
            s3://bucket/prefix, aliyun-oss://bucket/prefix. --emulator:
            http://photographs.example/NAME is beside it.
        out: JSON lines, CSV, TSV, Excel or Parquet by its ending; - is stdout. Other columns of the
            input pass through.
        sending: How it is sent.
        plan: What is asked and kept.
        account: Whom to ask.
    """
    refuse_idle([*idle_of_account(account), *idle_of_plan(plan, source, out)])
    return screen_file(source, out, account, plan, sending)


@app.command(help_epilogue=_examples.ESTIMATE)
def estimate(
    source: Annotated[str, Parameter(name="INPUT"), FILE_OR_STANDARD],
    /,
    *,
    out: Annotated[str | None, Parameter(name=("--out", "-o")), FILE_OR_STANDARD] = None,
    json: Annotated[bool, _FLAG] = False,
    sending: Sending = Sending(),  # noqa: B008  # frozen: a shared default is safe
    plan: Plan = Plan(),  # noqa: B008  # as above
    account: Account = Account(),  # noqa: B008  # as above
) -> int:
    """Say what a run would ask for, cost and take. Nothing is sent, and no key is needed.

    It takes the options of `run`, and decides as `run` does: the same line with
    the other word. No output, report, summary or live page is made. What only an
    answer or a look can tell is not in it: images that are asked for again after a
    fault, and those that --preflight skips.

    Args:
        source: As for `run`.
        out: As for `run`: what its ledger knows costs nothing.
        json: Print JSON.
        sending: How it would be sent.
        plan: What would be asked and kept.
        account: Whom it would ask.
    """
    refuse_idle([*idle_of_account(account), *idle_of_plan(plan, source, out)])
    return estimate_run(source, out, account, plan, sending, as_json=json)


@app.command(help_epilogue=_examples.REPORT)
def report(
    source: Annotated[LedgerPlace, Parameter(name="SOURCE")],
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o")), FILE],
    title: str | None = None,
    rate: Annotated[float, Parameter(validator=POSITIVE)] = REQUESTS_PER_S,
) -> int:
    """Make a page of a run's output or of a ledger: one file that can be mailed.

    It shows what passed, what did not and why, the rate and the cost.
    Files of this machine are in it as thumbnails; other pictures load from
    their own addresses, which are in the page whole.

    Args:
        source: An output of `run`, or a ledger.
        out: The page; an earlier one is replaced, no other file is.
        title: What stands at its head.
        rate: The --rate of the run: the line in the chart.
    """
    read = used_by(source)
    if isinstance(source, Path) and not is_database(source):
        read = [as_input(source)]
    refuse_conflicts([*read, as_written(N_("the report"), out, REPORT)])
    refuse_unwritable("-o", out)
    return write_page(source, out, title=title, rate=rate)


@app.command(help_epilogue=f"{_examples.DOCTOR}\n\n{_CODES}")
def doctor(
    *images: str,
    ledger: LedgerPlace | None = None,
    json: Annotated[bool, _FLAG] = False,
    probe: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    max_cost: Annotated[str | None, AMOUNT] = None,
    rate: Annotated[float | None, Parameter(validator=POSITIVE)] = None,
    out: Annotated[Path | None, Parameter(name=("--out", "-o")), FILE] = None,
    asked: Asked = Asked(),  # noqa: B008  # frozen: a shared default is safe
) -> int:
    """Say what is wrong with the set-up, and what to do. Without --probe nothing is billed.

    It looks at the key, the way to the service, the clock, the line, SQLite, a
    ledger and the extras. The exit code is that which a run would end with: 4
    for key, credit and the way to the service, 2 for this machine, 6 where the
    service does not answer for now.

    --probe N asks for N of your images and pays for them, where all else is well.
    It writes a page of what the vendor does not document: how a reject looks,
    which headers come, how requests are accepted around the rate. No key,
    address or picture is on the page, so that it can be sent to us.

    Args:
        images: With --probe: URLs, files, or lists as for `run`.
        ledger: Look at this ledger too: its file, or the address of its server. A probe's requests
            are recorded there; default: OUT.ledger.
        json: Print JSON.
        probe: Make at most so many requests, each for an image of its own.
        max_cost: With --probe, needed: CNY that all probes of this page may spend, such as 0.04.
        rate: With --probe: requests a second. Default: 5; more of them may be throttled, and so may
            others of the account.
        out: With --probe: the page; an earlier one is kept under another name. Default: probe.md.
        asked: Whom to ask.
    """
    idle = idle_of_doctor(asked, probe, images, max_cost=max_cost, rate=rate, out=out)
    refuse_idle(idle)
    if probe is None:
        return examine(asked, ledger, as_json=json)
    probing = Probing(
        images, probe, max_cost, out or Path("probe.md"), rate or REQUESTS_PER_S, ledger
    )
    return examine(asked, ledger, probing, as_json=json)


@app.command(help_epilogue=_examples.EMULATOR)
def emulator(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = 8787,
    counting: Counting = "sliding",
    rate: Annotated[float | None, Parameter(validator=POSITIVE)] = None,
    folder: Path | None = None,
    answer: Answering = "look",
) -> int:
    """Serve a stand-in for the service on this machine until Ctrl-C.

    It looks at each image for real, and what it says of it is an estimate.
    The two lines on stdout, given to a shell, send its clients here. When it
    ends it says what it has counted.

    Args:
        port: Where to listen on 127.0.0.1; 0 takes a free one.
        counting: How the account's rate is counted.
        rate: Requests a second that the account may make. Default: 5.
        folder: A folder whose files are images under http://photographs.example/NAME.
        answer: Look at each image, some 20 to 40 a second, or let each pass unseen.
    """
    told = _(
        "{option} is for an emulator that counts, and --counting none lets all through. Give"
        " another, or leave {option} out."
    )
    refuse_idle([Idle("--rate", rate is not None, counting == "none", told)])
    return serve(
        answer, port=port, counting=counting, rate=rate or float(REQUESTS_PER_S), folder=folder
    )


@app.command(help_epilogue=_examples.COMPLETION)
def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print what completes this command's words in a shell.

    Args:
        shell: Which shell.
    """
    stdout_descriptor()
    print(app.generate_completion(prog_name="s2v-detect", shell=shell))  # noqa: T201  # data
    return Exit.DONE
