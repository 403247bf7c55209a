"""What has reached the emulator and what it charged, kept in bounded memory.

The server writes from its own thread and a test reads from another, so every access takes a lock.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Lock

from s2v_detect._service import PRICE_CNY

_KEPT_ARRIVALS = 10_000
_SECOND_S = 1.0


@dataclass(slots=True)
class Arrival:
    """One request for a check. Headers and body are not in its repr: a key may be in them."""

    at_s: float
    """By the emulator's clock, when the request had come whole."""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    image: str | None = None
    """None where the request names none."""
    status: int | None = None
    """None until it is decided; what would have come where the line is cut before the headers."""
    billed: bool = False


class Report:
    """Counts over every request, and the last 10,000 requests themselves.

    `bills` grows with the number of different images; nothing else grows with the requests.
    """

    def __init__(self, *, free_images: int = 0) -> None:
        self._lock = Lock()
        self._free_images = free_images
        self.reset()

    def reset(self) -> None:
        """Forget everything, bills and the used free images among it."""
        with self._lock:
            self._arrivals: deque[Arrival] = deque(maxlen=_KEPT_ARRIVALS)
            self._statuses: Counter[int] = Counter()
            self._bills: Counter[str] = Counter()
            self._billed = 0
            self._count = 0
            self._in_flight = 0
            self._most_in_flight = 0
            self._last_second: deque[float] = deque()
            self._busiest_second = 0

    @contextmanager
    def arrived(self, at_s: float, headers: Mapping[str, str], body: bytes) -> Iterator[Arrival]:
        """Count a request as in flight until the block ends; what comes of it is filled in."""
        arrival = Arrival(at_s, headers, body)
        with self._lock:
            arrivals = self._arrivals  # a reset meanwhile must not see the end of this one
            arrivals.append(arrival)
            self._count += 1
            self._in_flight += 1
            self._most_in_flight = max(self._most_in_flight, self._in_flight)
            self._last_second.append(at_s)
            while self._last_second[0] <= at_s - _SECOND_S:
                self._last_second.popleft()
            self._busiest_second = max(self._busiest_second, len(self._last_second))
        try:
            yield arrival
        finally:
            with self._lock:
                if arrivals is self._arrivals:
                    self._in_flight -= 1

    def decided(self, arrival: Arrival, status: int, *, billed: bool) -> None:
        """Write down what the request gets, and its bill, before any of it is sent."""
        with self._lock:
            arrival.status = status
            arrival.billed = billed
            self._statuses[status] += 1
            if billed and arrival.image is not None:
                self._billed += 1
                self._bills[arrival.image] += 1

    @property
    def arrivals(self) -> list[Arrival]:
        """The last 10,000 requests, oldest first."""
        with self._lock:
            return list(self._arrivals)

    @property
    def requests(self) -> int:
        """How many requests came, whatever they got."""
        with self._lock:
            return self._count

    @property
    def statuses(self) -> Counter[int]:
        """How many requests got which status."""
        with self._lock:
            return Counter(self._statuses)

    @property
    def bills(self) -> Counter[str]:
        """How often each image was billed: the service knows no image twice."""
        with self._lock:
            return Counter(self._bills)

    @property
    def billed(self) -> int:
        """How many images were answered and billed, the free ones among them."""
        with self._lock:
            return self._billed

    @property
    def free_used(self) -> int:
        """How many of the free images are used up: they are used first."""
        return min(self.billed, self._free_images)

    @property
    def free_used_up(self) -> bool:
        """Whether no free image is left."""
        return self.billed >= self._free_images

    @property
    def cost(self) -> Decimal:
        """CNY to pay: every billed image that was not free."""
        return max(0, self.billed - self._free_images) * PRICE_CNY

    @property
    def throttled(self) -> int:
        """How many requests got a 429."""
        return self.statuses[429]

    @property
    def in_flight(self) -> int:
        """How many requests are being answered now."""
        with self._lock:
            return self._in_flight

    @property
    def most_in_flight(self) -> int:
        """How many requests were being answered at one time, at most."""
        with self._lock:
            return self._most_in_flight

    @property
    def busiest_second(self) -> int:
        """How many requests came within any one second, at most; 429s among them."""
        with self._lock:
            return self._busiest_second

    def as_json(self, *, arrivals: int = 100) -> dict[str, object]:
        """Return the counts and the last `arrivals` requests, without headers and bodies."""
        last = self.arrivals[-arrivals:] if arrivals > 0 else []
        return {
            "requests": self.requests,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "throttled": self.throttled,
            "busiest_second": self.busiest_second,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "billed": self.billed,
            "free_used": self.free_used,
            "cost": str(self.cost),
            "bills": dict(self.bills),
            "arrivals": [
                {"at_s": one.at_s, "image": one.image, "status": one.status, "billed": one.billed}
                for one in last
            ],
        }
