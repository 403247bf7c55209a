"""The error tree: as drawn, picklable, and of two sentences."""

import pickle
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import s2v_detect
from s2v_detect import errors
from s2v_detect._redaction import sealed
from s2v_detect._service import Meaning
from s2v_detect._settings import from_env
from s2v_detect.checks import Allowance
from s2v_detect.errors import (
    BudgetSpent,
    Busy,
    ConfigurationError,
    DetectError,
    ImageSkipped,
    NotSent,
    RateLimited,
    ServiceError,
    given_up,
    not_sent,
)

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DetectError)
]


def made(kind: type[DetectError]) -> DetectError:
    """Return an error of this kind."""
    if issubclass(kind, ServiceError):
        return kind("it failed.", do="Do this.", status=400, meaning=Meaning.FAULT, code="C")
    if issubclass(kind, ImageSkipped):
        return kind("it is no URL", image="x")
    if issubclass(kind, Busy):
        return kind("busy.", do="Wait.", image="x", retry_after_s=3.0)
    return kind("it failed.", do="Do this.")


def test_the_tree_is_the_one_drawn_at_the_top() -> None:
    """Name, place and parent of every error."""
    drawn: dict[str, str] = {}
    parents = {0: "Exception"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+)  +\S", line)
        if found:
            depth = len(found[1]) // 3
            drawn[found[2]] = parents[depth]
            parents[depth + 1] = found[2]
    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_pickles_with_all_its_fields(kind: type[DetectError]) -> None:
    """A pool of processes hands them around."""
    error = made(kind)
    error.image, error.attempts, error.billed = "https://a.example/x?s=1", 3, "unknown"
    for twin in (pickle.loads(pickle.dumps(error)), error.copy()):  # noqa: S301  # our own bytes
        assert type(twin) is kind
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_says_which_image_what_happened_and_what_to_do(kind: type[DetectError]) -> None:
    """Two sentences, and the signature of the address is in neither."""
    error = made(kind)
    error.image = "https://a.example/x.jpg?Signature=secret"
    assert re.fullmatch(r"https://a\.example/x\.jpg\?…: .+\. [A-Z].+\.", str(error))


def test_a_copy_has_the_cause_and_no_traceback() -> None:
    """Each of those who share a flight raises an error of its own."""
    with pytest.raises(NotSent) as raised:
        raise NotSent("n.", do="D.") from ValueError("cause")
    twin = raised.value.copy()
    assert twin is not raised.value
    assert isinstance(twin.__cause__, ValueError)
    assert twin.__traceback__ is None


def test_an_error_of_the_service_keeps_its_words() -> None:
    """Whole, as fields; in the message they are redacted and short."""
    message = "see https://a.example/?key=1 " + "x" * 1000
    error = RateLimited(f"said {message}", do="D.", status=429, message=message)
    assert error.message == message
    assert "key=1" not in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_about_the_money(kind: type[DetectError]) -> None:
    """In its own docstring, or in that of the kind it belongs to."""
    families = [each for each in kind.__mro__ if each in KINDS and each is not DetectError]
    assert any(re.search("bill|paid", each.__doc__ or "") for each in families or [kind])


def no_key() -> DetectError:
    """A client without a key."""
    with pytest.raises(ConfigurationError) as raised:
        from_env(sealed(""), None, None, {})
    return raised.value


def plain_http() -> DetectError:
    """A base URL that anybody on the way can read."""
    with pytest.raises(ConfigurationError) as raised:
        from_env(sealed("sk-x"), "http://service.invalid", None, {})
    return raised.value


def no_workspace() -> DetectError:
    """A base URL that wants a workspace."""
    with pytest.raises(ConfigurationError) as raised:
        from_env(sealed("sk-x"), "https://{WorkspaceId}.a.example", None, {})
    return raised.value


def spent() -> DetectError:
    """A budget of nothing."""
    with pytest.raises(BudgetSpent) as raised:
        Allowance(Decimal(0), spent=0).refuse_if_spent()
    return raised.value


def outage() -> DetectError:
    """An outage that lasted for too long."""
    return given_up(not_sent("no connection"), "the service", timedelta(hours=1))


@pytest.mark.parametrize(
    ("make", "python", "command"),
    [
        (no_key, "`Emulator()` of s2v_detect.emulator", "--emulator"),
        (plain_http, "`allow_http=True`", "--allow-http"),
        (no_workspace, "`workspace=`", "--workspace"),
        (spent, "Raise max_cost", "Raise --max-cost"),
        (outage, "max_outage_s bounds", "--max-outage bounds"),
    ],
)
def test_an_error_speaks_to_whom_it_is_told(
    make: Callable[[], DetectError], python: str, command: str
) -> None:
    """The library by its arguments, the command by its options; also once it was pickled."""
    for error in (make(), pickle.loads(pickle.dumps(make())), make().copy()):  # noqa: S301  # ours
        assert python in str(error)
        assert command not in str(error)
        assert command in error.in_command()
        assert python not in error.in_command()
        assert str(error).startswith(error.what)


def test_no_other_text_of_the_library_names_an_option_of_the_command() -> None:
    """What is below the command knows it by `do_in_command` alone."""
    package = Path(s2v_detect.__file__).parent
    edges = ("cli", "bulk", "tables", "report", "emulator")
    named = [
        f"{path.name}: {line.strip()}"
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in edges
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"--[a-z]", line) and "do_in_command" not in line
    ]
    assert named == []
