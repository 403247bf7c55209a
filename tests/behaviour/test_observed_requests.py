"""What watches the requests from beside sees when they leave, and holds their number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect import ConfigurationError, Ledger, RetryPolicy
from s2v_detect.emulator import Emulator, Error
from s2v_detect.wire import Observer

Urls = Callable[[int], list[str]]
OFTEN = RetryPolicy(max_attempts=5, first_wait_s=0.01, longest_wait_s=0.01)


async def test_no_more_requests_leave_than_are_allowed(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """Whatever the retries want: the next is not sent, and the books say so."""
    emulator.when("*", Error(500, "InternalError"))
    observer, [url] = Observer(2), urls(1)
    async with (
        observer.http(emulator.base_url) as http,
        emulator.client(http_client=http, retry=OFTEN, ledger=tmp_path / "l.db") as client,
    ):
        with pytest.raises(ConfigurationError, match="as many requests"):
            await client.check(url)
    assert emulator.requests == len(observer.exchanges) == 2
    assert observer.is_used_up
    with Ledger(tmp_path / "l.db") as books:
        outcomes = [attempt.outcome for attempt in books.attempts(url)]
        assert outcomes == ["free", "free", "not sent"]


async def test_a_request_is_seen_from_its_leaving_to_its_end(
    emulator: Emulator, urls: Urls
) -> None:
    """An upload's own requests are none of those; what the client reads is not changed."""
    observer = Observer(9)
    async with (
        observer.http(emulator.base_url) as http,
        emulator.client(http_client=http) as client,
    ):
        verdicts = [await client.check(url) for url in urls(2)]
        verdicts.append(await client.check(_photograph()))
    assert all(verdict.check_pass for verdict in verdicts)
    assert not observer.is_used_up
    seen = observer.exchanges
    assert [each.status for each in seen] == [200, 200, 200]
    for each, verdict in zip(seen, verdicts, strict=True):
        assert each.left_s is not None
        assert each.answered_s is not None
        assert each.ended_s is not None
        assert each.left_s <= each.answered_s <= each.ended_s
        assert str(verdict.request_id).encode() in each.body
        assert "x-request-id" in each.headers


def _photograph() -> Path:
    return Path(__file__).parents[2] / "examples" / "photographs" / "portrait.jpg"
