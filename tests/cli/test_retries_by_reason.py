"""`--retry-failed`, alone or by reason: what failed in an earlier run is asked for again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import ConfigurationError, DetectError, Ledger, errors
from s2v_detect.bulk import FAILURES, Run, Tally
from s2v_detect.emulator import Cut, Emulator, Error, Pass

Command = Callable[..., Any]
RUN = ("run", "in.txt", "-o", "out.jsonl", "--rate", "500", "--quiet", "--on-unknown", "keep")


def url(name: str) -> str:
    """An address."""
    return f"http://a.example/{name}.jpg"


@pytest.fixture
def failed(called: Command, emulator: Emulator, tmp_path: Path) -> Emulator:
    """A run after which one image failed as unusable, two as bad requests, one in doubt."""
    emulator.when(url("unusable"), Error(400, "InvalidParameter.DataInspection"))
    emulator.when(url("bad*"), Error(400, "NoSuchCode"))
    emulator.when(url("lost"), Cut())
    names = ("good", "unusable", "bad", "bad2", "lost")
    (tmp_path / "in.txt").write_text("".join(f"{url(name)}\n" for name in names))
    assert called(*RUN).returncode == 5
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {row["image"]: row["error"] for row in rows if row["error"]} == {
        url("unusable"): "ImageUnusable",
        url("bad"): "BadRequest",
        url("bad2"): "BadRequest",
        url("lost"): "OutcomeUnknown",
    }
    emulator.when("*", Pass())
    emulator.reset()
    return emulator


BOTH = "ImageUnusable,BadRequest"
ASKED = [
    ((), 0),
    (("--retry-failed",), 3),
    (("--retry-failed=all",), 3),
    (("--retry-failed=BadRequest",), 2),
    (("--retry-failed=ImageUnusable",), 1),
    ((f"--retry-failed={BOTH}",), 3),
    (("--retry-failed=BadRequest, NotSent ",), 2),
    (("--retry-failed=NotSent",), 0),
    (("--retry-failed=RateLimited,NotSent",), 0),
    (("--fresh",), 3),
    (("--fresh", "--retry-failed=BadRequest"), 3),
]


def test_what_failed_is_asked_again_by_its_reason(called: Command, failed: Emulator) -> None:
    """Alone it is all of them; what is in doubt stays so with `--on-unknown keep`.

    `estimate` decides as `run` does. Then it is done; the option may stand before the input, for
    alone it takes no next word.
    """
    _, *rest = RUN
    told = []
    for words, _ in ASKED:
        done = called("estimate", *words, *rest, "--json")
        told.append((words, json.loads(done.stdout)["asked"]))
    assert told == ASKED
    called("run", "--retry-failed=BadRequest", *rest)
    assert sorted(failed.report.bills) == [url("bad"), url("bad2")]
    called("run", "--retry-failed", *rest)
    assert sorted(failed.report.bills) == [url("bad"), url("bad2"), url("unusable")]


@pytest.mark.parametrize(
    "value",
    ["", "RateLimit", "ratelimited", "RateLimited,Busy", "ImageSkipped", "all,NotSent", ","],
)
def test_a_reason_that_there_is_not_is_exit_2(
    called: Command, emulator: Emulator, tmp_path: Path, value: str
) -> None:
    """With the reasons that there are."""
    (tmp_path / "in.txt").write_text(url("a"))
    done = called(*RUN, f"--retry-failed={value}")
    assert done.returncode == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    for name in FAILURES:
        assert name in said
    assert emulator.requests == 0


def test_the_reasons_are_the_errors_by_which_an_image_fails() -> None:
    """Every class but those that end a run, refuse before, or skip."""
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, DetectError)
    }
    others = {
        *("DetectError", "ServiceError"),
        *("AccessDenied", "OutOfCredit", "BudgetSpent", "ConfigurationError", "LedgerError"),
        *("ImageSkipped", "Busy"),
    }
    assert set(FAILURES) == set(kinds) - others


async def test_a_run_of_the_library_takes_reasons_too(emulator: Emulator, tmp_path: Path) -> None:
    """By the names of the classes; one that there is not is told."""
    with (
        Ledger(tmp_path / "l.db") as ledger,
        pytest.raises(ConfigurationError, match="RateLimited, ServiceUnavailable"),
    ):
        Run(emulator.client(), object(), Tally(), ledger=ledger, retry_failed=["Slow"])  # type: ignore[arg-type]  # it is refused before
