"""An image without a lasting address is asked for by one that is made just before.

Such an address is kept nowhere. Such images are the objects of a private bucket: here the addresses
are made by hand, and tests/integrations lists a real bucket.
"""

import asyncio
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

from s2v_detect import (
    Checked,
    ConfigurationError,
    DetectClient,
    Event,
    ImageSkipped,
    LocalLimiter,
    Preflight,
    RetryPolicy,
    Skipped,
)
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.images import FRESH_S, SignedImage

SIGNATURE = "5f2c8d1e9a7b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d"


class Signing:
    """Makes images of one bucket, and counts the addresses that were made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.fault: ConfigurationError | None = None
        self.hangs = False

    def image(self, key: str, etag: str = "e1", *, refusal: str = "") -> SignedImage:
        """An object of the bucket."""
        name = f"s3://bucket/{key}"

        async def sign() -> str:
            await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0))
            if self.fault:
                raise self.fault
            self.made.append(key)
            return f"https://bucket.example/{key}?n={len(self.made)}&X-Amz-Signature={SIGNATURE}"

        return SignedImage(name, identity=f"{name} {etag}", sign=sign, refusal=refusal)


@pytest.fixture
def signing() -> Signing:
    """A bucket."""
    return Signing()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of the signatures: `now` is set by the test."""
    clock = SimpleNamespace(now=1e9)
    clock.time = lambda: clock.now
    monkeypatch.setattr("s2v_detect.checks._preparing.time", clock)
    return clock


def sent(emulator: Emulator) -> list[str]:
    """The addresses that arrived."""
    return [arrival.image or "" for arrival in emulator.arrivals]


async def test_the_service_is_given_an_address_and_all_else_has_the_name(
    emulator: Emulator, signing: Signing, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Outcomes, events, the ledger and the log; also where the service echoes what it was sent."""
    echoed = f"can't read https://bucket.example/x?a=1\\u0026X-Amz-Signature={SIGNATURE}"
    emulator.when("*/echo.jpg*", Error(400, "InvalidParameter", echoed))
    emulator.when("*/once.jpg*", Error(500, "InternalError", echoed), Pass())
    events: list[Event] = []
    images = [signing.image(name) for name in ("a b.jpg", "echo.jpg", "once.jpg")]
    path, retry = tmp_path / "l.db", RetryPolicy(first_wait_s=0.01)
    async with emulator.client(ledger=path, on_event=events.append, retry=retry) as client:
        outcomes = [each async for each in client.aiter_check(images)]
    assert {each.image for each in outcomes} == {str(image) for image in images}
    assert all(SIGNATURE in address for address in sent(emulator))
    kept = [each.model_dump_json() + repr(each) for each in (*outcomes, *events)]
    kept.append(path.read_bytes().decode(errors="replace"))
    assert not [text for text in kept if SIGNATURE[:16] in text]
    assert any("s3://bucket/echo.jpg e1" in text for text in kept)  # by its identity
    assert SIGNATURE[:16] not in caplog.text


async def test_a_rerun_pays_for_what_was_changed_alone(
    emulator: Emulator, signing: Signing, tmp_path: Path
) -> None:
    """The same object is known whatever signs it; no address is made for what is known."""
    for etags in (("e1", "e1"), ("e1", "e1"), ("e1", "e2")):
        async with emulator.client(ledger=tmp_path / "l.db") as client:
            images = [signing.image(f"{n}.jpg", etag) for n, etag in enumerate(etags)]
            outcomes = [each async for each in client.aiter_check(images)]
            assert all(isinstance(each, Checked) for each in outcomes)
    assert signing.made == ["0.jpg", "1.jpg", "1.jpg"]
    assert emulator.requests == 3


async def test_a_check_and_a_stream_of_one_object_are_one_request(
    emulator: Emulator, signing: Signing
) -> None:
    """As of any other image."""
    async with emulator.client() as client:
        verdicts = await asyncio.gather(
            *(client.check(signing.image("a.jpg")) for _ in range(3)),
            client.check(signing.image("a.jpg", "e2")),
        )
    assert sorted(verdict.source for verdict in verdicts) == [
        *("service", "service", "shared", "shared"),
    ]
    assert emulator.requests == 2


@pytest.mark.parametrize(("later_s", "made"), [(0, 1), (FRESH_S - 1, 1), (FRESH_S, 2), (-1, 2)])
async def test_a_retry_signs_anew_what_is_no_longer_fresh(
    emulator: Emulator, signing: Signing, clock: SimpleNamespace, later_s: float, made: int
) -> None:
    """Also where the clock was set back meanwhile."""
    emulator.when("*", Error(500, "InternalError"), Pass(), each="request")

    def watch(event: Event) -> None:
        if event.kind == "retrying":
            clock.now += later_s

    retry = RetryPolicy(first_wait_s=0.01)
    async with emulator.client(retry=retry, on_event=watch) as client:
        await client.check(signing.image("a.jpg"))
    assert len(signing.made) == made
    assert len(set(sent(emulator))) == made


async def test_what_waited_long_in_line_is_signed_anew_when_its_turn_has_come(
    emulator: Emulator, signing: Signing, clock: SimpleNamespace
) -> None:
    """A line, or an outage, may hold an image for longer than an address lives."""

    def watch(event: Event) -> None:
        if event.kind == "turn":
            clock.now += FRESH_S

    async with emulator.client(on_event=watch) as client:
        await client.check(signing.image("a.jpg"))
    [address] = sent(emulator)
    assert "n=2&" in address


async def test_credentials_that_are_slow_to_renew_do_not_stop_the_line(
    emulator: Emulator, signing: Signing, clock: SimpleNamespace
) -> None:
    """When a turn has come, the address at hand is sent: it lives for a while yet."""

    def watch(event: Event) -> None:
        if event.kind == "turn":
            clock.now += FRESH_S
            signing.hangs = True

    async with emulator.client(on_event=watch) as client:
        await client.check(signing.image("a.jpg"))
    [address] = sent(emulator)
    assert "n=1&" in address


async def test_an_image_that_is_not_to_be_asked_for_is_skipped_with_its_reason(
    emulator: Emulator, signing: Signing
) -> None:
    """No address is made for it."""
    async with emulator.client() as client:
        image = signing.image("a.jpg", refusal="it is empty")
        with pytest.raises(ImageSkipped, match="it is empty"):
            await client.check(image)
        [outcome] = [each async for each in client.aiter_check([image])]
        assert isinstance(outcome, Skipped)
        assert (outcome.reason, outcome.image) == ("it is empty", "s3://bucket/a.jpg")
        assert client.spend.skipped == 2
    assert not signing.made


async def test_credentials_that_ended_end_the_run_and_bill_nothing(
    emulator: Emulator, signing: Signing, tmp_path: Path
) -> None:
    """Before the line, and when the turn has come: the turn goes to the next, the books know."""
    signing.fault = ConfigurationError("no address could be signed.", do="Renew them.")
    async with emulator.client(ledger=tmp_path / "l.db") as client:
        with pytest.raises(ConfigurationError, match=r"s3://bucket/a\.jpg: no address"):
            async for _ in client.aiter_check([signing.image("a.jpg")]):
                pass
        assert client.spend.cost_at_most == 0
    signing.fault = None
    async with emulator.client(ledger=tmp_path / "l.db") as client:
        assert (await client.check(signing.image("a.jpg"))).source == "service"


async def test_a_signature_that_fails_in_its_turn_gives_the_turn_back(
    emulator: Emulator, signing: Signing, clock: SimpleNamespace, tmp_path: Path
) -> None:
    """The next image of the line goes at once, and what was not sent is not in doubt."""

    def watch(event: Event) -> None:
        if event.kind == "turn" and event.image == "s3://bucket/a.jpg":
            clock.now += FRESH_S
            signing.fault = ConfigurationError("no address could be signed.", do="Renew them.")

    limiter = LocalLimiter(rate=1, per_s=30)  # a turn that is lost is seen
    path = tmp_path / "l.db"
    async with emulator.client(limiter=limiter, ledger=path, on_event=watch) as client:
        with pytest.raises(ConfigurationError):
            await client.check(signing.image("a.jpg"))
        await client.check("https://images.example/1.jpg", give_up_after_s=10)
        assert client.spend.cost_at_most == client.spend.cost
    assert len(sent(emulator)) == 1


async def test_an_address_of_this_network_is_not_sent_to_the_service(emulator: Emulator) -> None:
    """As of any other image: a MinIO of one's own can't be reached from there."""

    async def sign() -> str:
        return f"http://127.0.0.1:9/b/a.jpg?X-Amz-Signature={SIGNATURE}"

    image = SignedImage("s3://b/a.jpg", identity="i", sign=sign)
    key, url = emulator.api_key, emulator.base_url
    async with DetectClient(key, base_url=url, preflight=Preflight()) as client:
        with pytest.raises(ImageSkipped, match=r"^s3://b/a\.jpg: .*127\.0\.0\.1") as caught:
            await client.check(image)
    assert SIGNATURE not in str(caught.value)
    assert not emulator.requests


def test_an_error_with_such_an_image_pickles(signing: Signing) -> None:
    """What signs stays here: the image is its name there."""
    error = ImageSkipped("no", image=signing.image("a.jpg"))
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert twin.image == "s3://bucket/a.jpg"
    assert type(twin.image) is str
