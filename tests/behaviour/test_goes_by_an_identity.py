"""An image that its user names by something else than its address is one image by that name."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.uploading import picture

from s2v_detect import (
    BadRequest,
    Checked,
    ImageSkipped,
    Ledger,
    LocalLimiter,
    Outcome,
    Skipped,
    check_all,
)
from s2v_detect.emulator import Emulator, Error, Pass


def signed(name: str, day: int) -> str:
    """An address as a store signs it anew each day."""
    return f"https://bucket.example/{name}.jpg?Expires={day}&Signature=s{day}"


def row(number: object, day: int = 1) -> dict[str, Any]:
    """A row of a table whose addresses are signed."""
    return {"id": number, "url": signed(str(number), day)}


def source_of(outcome: Outcome) -> str:
    """Where its verdict came from; it has one."""
    assert isinstance(outcome, Checked)
    return outcome.verdict.source


def reason_of(outcome: Outcome) -> str:
    """Why it was skipped, as it was."""
    assert isinstance(outcome, Skipped)
    return outcome.reason


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a ledger is to be."""
    return tmp_path / "l.db"


async def test_what_was_paid_for_is_known_under_another_address(
    emulator: Emulator, path: Path
) -> None:
    """The next day's rerun pays nothing; a whole number is its digits, as a CSV would have it."""
    identities: list[Any] = ["a", 7, "脸", "https://a.example/x", "sha256:1", "id:a", "0"]
    for day, ids in ((1, identities), (2, [str(each) for each in identities])):
        async with emulator.client(ledger=path) as client:
            stream = client.aiter_check(
                [row(each, day) for each in ids], image="url", identity="id"
            )
            outcomes = [outcome async for outcome in stream]
        source = "service" if day == 1 else "ledger"
        assert {source_of(outcome) for outcome in outcomes} == {source}
        assert {outcome.image for outcome in outcomes} == {signed(str(each), day) for each in ids}
    assert emulator.requests == len(identities)


async def test_check_goes_by_it_too(emulator: Emulator, path: Path) -> None:
    """Alone, and beside a stream that has the same image."""
    async with emulator.client(ledger=path) as client:
        first = await client.check(signed("a", 1), identity="a")
        again = await client.check(signed("a", 2), identity="a")
        [streamed] = [
            o async for o in client.aiter_check([row("a", 3)], image="url", identity="id")
        ]
    assert (first.source, again.source, source_of(streamed)) == ("service", "ledger", "ledger")
    assert emulator.requests == 1


async def test_two_at_one_time_are_one_request(emulator: Emulator) -> None:
    """Without a ledger too; another identity is another image, at the very same address."""
    async with emulator.client() as client:
        shared = await asyncio.gather(
            client.check(signed("a", 1), identity="a"), client.check(signed("a", 2), identity="a")
        )
        apart = await asyncio.gather(
            client.check(signed("b", 1), identity="b"), client.check(signed("b", 1), identity="c")
        )
    assert [verdict.source for verdict in shared] == ["service", "shared"]
    assert [verdict.source for verdict in apart] == ["service", "service"]
    assert emulator.requests == 3


async def test_an_identity_is_no_address_and_no_file(emulator: Emulator, path: Path) -> None:
    """Each has a namespace of its own, whatever an identity looks like."""
    url, content = "https://a.example/x.jpg", picture(1)
    local = path.with_name("id:face.jpg")
    local.write_bytes(content)
    async with emulator.client(ledger=path) as client:
        verdicts = [
            await client.check(url),
            await client.check(signed("a", 1), identity=url),
            await client.check(local),
            await client.check(signed("b", 1), identity="face.jpg"),
        ]
        [skipped] = [o async for o in client.aiter_check(["id:no image"])]
        verdicts.append(await client.check(signed("c", 1), identity="no image"))
    assert {verdict.source for verdict in verdicts} == {"service"}
    assert skipped.kind == "skipped"
    with Ledger(path) as ledger:
        entries = list(ledger.all_entries())
        assert len(entries) == 6
        assert ledger.entries(["id:no image"])["id:no image"].state == "skipped"
        found = ledger.entries(["no image", url, "face.jpg"], by_identity=True)
    assert [entry.state for entry in found.values()] == ["answered"] * 3


NO_IDENTITY: list[tuple[Any, str]] = [
    ("", "is empty"),
    ("  \t", "is empty"),
    ("\u200b", "is empty"),
    (None, "nothing (None)"),
    (1.5, "float"),
    (True, "bool"),
    (b"a", "bytes"),
    (["a"], "list"),
    ("\ud800", "not Unicode text"),
]


@pytest.mark.parametrize(("value", "why"), NO_IDENTITY)
async def test_an_item_without_an_identity_is_skipped_and_never_sent(
    emulator: Emulator, path: Path, value: object, why: str
) -> None:
    """By its address it would be paid for anew each time, unseen. The others go on."""
    async with emulator.client(ledger=path) as client:
        stream = client.aiter_check(
            [row(value), row("a")], image="url", identity="id", ordered=True
        )
        outcomes = [outcome async for outcome in stream]
        if value is not None:  # which is the default: to go by the address
            with pytest.raises(ImageSkipped, match="identity") as raised:
                await client.check(signed("b", 1), identity=value)  # type: ignore[arg-type]  # is asserted
            assert "a text or a whole number" in raised.value.do
    assert [outcome.kind for outcome in outcomes] == ["skipped", "checked"]
    assert why in reason_of(outcomes[0])
    assert outcomes[0].image == row(value)["url"]
    assert emulator.requests == 1
    with Ledger(path) as ledger:
        assert [entry.own_identity for entry in ledger.all_entries()] == ["a"]


async def test_a_function_that_raises_skips_its_row(emulator: Emulator) -> None:
    """A row without the key, or with what the function can't bear."""
    rows = [{"url": signed("a", 1)}, row("b")]
    async with emulator.client() as client:
        by_key = [o async for o in client.aiter_check(rows, image="url", identity="id")]
        by_function = [
            o async for o in client.aiter_check(rows, image="url", identity=lambda each: each["id"])
        ]
    for outcomes in (by_key, by_function):
        assert sorted(outcome.kind for outcome in outcomes) == ["checked", "skipped"]
        [skipped] = [outcome for outcome in outcomes if outcome.kind == "skipped"]
        assert "identity= raised KeyError" in reason_of(skipped)
        assert skipped.image == rows[0]["url"]


async def test_a_hopeless_address_is_recorded_under_its_identity(
    emulator: Emulator, path: Path
) -> None:
    """The next day the address is a good one, and it is asked for."""
    async with emulator.client(ledger=path) as client:
        with pytest.raises(ImageSkipped):
            await client.check("no address", identity="a")
    with Ledger(path) as ledger:
        [entry] = ledger.entries(["a"], by_identity=True).values()
    assert (entry.state, entry.image, entry.own_identity) == ("skipped", "no address", "a")
    async with emulator.client(ledger=path) as client:
        await client.check(signed("a", 2), identity="a")
    with Ledger(path) as ledger:
        [entry] = ledger.all_entries()
    assert (entry.state, entry.image) == ("answered", signed("a", 2))


async def test_the_latest_address_is_sent_and_shown(emulator: Emulator, path: Path) -> None:
    """Yesterday's has ended: it would not be found."""
    emulator.when("*Expires=1&*", Error(400, "InvalidParameter", "the address has ended"))
    kinds = []
    for day in (1, 2):
        async with emulator.client(ledger=path) as client:
            stream = client.aiter_check([row("a", day)], image="url", identity="id")
            kinds += [outcome.kind async for outcome in stream]
    assert kinds == ["failed", "checked"]
    assert emulator.arrivals[-1].image == signed("a", 2)
    with Ledger(path) as ledger:
        [entry] = ledger.all_entries()
        assert ledger.known(["a"], by_identity=True)["a"].check_pass
    assert (entry.image, entry.own_identity) == (signed("a", 2), "a")


async def test_one_who_joins_brings_a_newer_address(emulator: Emulator) -> None:
    """The image is in line under the older one: the newer one is asked for."""
    async with emulator.client(limiter=LocalLimiter(1, 0.5)) as client:
        await client.check("https://a.example/first.jpg")
        older = asyncio.create_task(client.check(signed("a", 1), identity="a"))
        await asyncio.sleep(0)
        newer = asyncio.create_task(client.check(signed("a", 2), identity="a"))
        assert {(await older).source, (await newer).source} == {"service", "shared"}
    assert [each.image for each in emulator.arrivals][1:] == [signed("a", 2)]


async def test_another_file_under_one_identity_is_uploaded(emulator: Emulator, path: Path) -> None:
    """What was uploaded under it before may be another content, and be there still."""
    emulator.when("*", Error(400, "InvalidParameter", "no"))
    for seed in (1, 2):
        async with emulator.client(ledger=path) as client:
            with pytest.raises(BadRequest):
                await client.check(picture(seed), identity="a")
    assert emulator.store.uploaded == 2


def test_check_all_goes_by_it(path: Path) -> None:
    """The same for code that is not async."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        account: dict[str, Any] = {
            "api_key": emulator.api_key,
            "base_url": emulator.base_url,
            "ledger": path,
        }
        for day, source in ((1, "service"), (2, "ledger")):
            [outcome] = check_all([row("a", day)], image="url", identity="id", **account)
            assert source_of(outcome) == source
        assert emulator.requests == 1


async def test_the_books_are_settled_by_it(emulator: Emulator, path: Path) -> None:
    """Requests, forgetting, and what is unknown: each is asked about by the identity."""
    async with emulator.client(ledger=path) as client:
        await client.check(signed("a", 1), identity="a")
    with Ledger(path) as ledger:
        assert len(ledger.attempts("a", by_identity=True)) == 1
        assert ledger.attempts("a") == []
        assert ledger.forget(["a"]) == 0
        assert ledger.forget(["a"], by_identity=True) == 1
        assert ledger.allow_resend(["a"], by_identity=True) == 0
        assert ledger.write_off(["a"], by_identity=True) == 0
