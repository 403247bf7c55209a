"""What the emulator answers: answers as values, and rules that say which image gets which.

An answer knows what goes onto the socket (a `Reply`) and touches no socket itself.
"""

import json
import math
import random
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from hashlib import blake2b
from typing import Literal, NamedTuple

Latency = float | tuple[float, float]
"""Seconds, or a range from which each request draws its own."""

RejectShape = Literal["200", "400"]
"""A reject as the page shows it (billed), or as others have seen it: a code at top level, free."""

Point = Literal["request", "headers", "half body"]
"""How far an exchange gets before it breaks."""

_JSON = "application/json"


class Reply(NamedTuple):
    """One answer as it goes onto the socket."""

    status: int
    content: bytes
    billed: bool = False
    content_type: str = _JSON
    headers: Mapping[str, str] = {}
    breaks_after: Point | None = None
    """None: the answer is whole."""
    then: Literal["close", "reset", "silence"] = "close"
    """What happens to the socket where the answer breaks."""
    over_s: float = 0.0
    """Seconds over which the content trickles out."""


@dataclass(frozen=True, kw_only=True)
class Answer(ABC):
    """What one request gets. `latency_s` comes before it; None is the emulator's own latency."""

    latency_s: Latency | None = None

    @abstractmethod
    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return what goes onto the socket."""


def _json(status: int, body: Mapping[str, object], *, billed: bool) -> Reply:
    return Reply(status, json.dumps(body).encode(), billed)


def _verdict(request_id: str, output: Mapping[str, object], *, usage: bool = True) -> Reply:
    body: dict[str, object] = {"output": output}
    if usage:
        body["usage"] = {"image_count": 1}
    return _json(200, body | {"request_id": request_id}, billed=True)


@dataclass(frozen=True)
class Pass(Answer):
    """The image passes; billed. `usage=False` leaves out what tells the client of the bill."""

    usage: bool = True

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:  # noqa: ARG002  # no reject
        """Return the page's own answer."""
        return _verdict(request_id, {"check_pass": True, "humanoid": True}, usage=self.usage)


@dataclass(frozen=True)
class Reject(Answer):
    """The image is rejected: billed in the shape "200", free in the shape "400".

    `shape=None` is the emulator's own shape. The page says nothing of `humanoid` in a reject.
    """

    code: str = ""
    message: str = ""
    shape: RejectShape | None = None
    humanoid: bool | None = None

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return the reject in its shape."""
        if (self.shape or reject_shape) == "400":
            code = self.code or "InvalidFile.Content"  # without a code it would be no reject
            return Error(400, code, self.message).reply(request_id, reject_shape)
        output: dict[str, object] = {"check_pass": False}
        if self.humanoid is not None:
            output["humanoid"] = self.humanoid
        return _verdict(request_id, output | {"code": self.code, "message": self.message})


@dataclass(frozen=True)
class Error(Answer):
    """An error in the service's words. `Error(*row)` does for each row of `CODES`."""

    status: int
    code: str
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:  # noqa: ARG002  # no reject
        """Return the error's three keys as JSON."""
        body = {"code": self.code, "message": self.message, "request_id": request_id}
        return _json(self.status, body, billed=self.billed)._replace(headers=self.headers)


@dataclass(frozen=True)
class Throttle(Answer):
    """A 429, with or without a `Retry-After`."""

    retry_after_s: float | None = None
    code: str = "Throttling.RateQuota"
    message: str = "Requests rate limit exceeded, please try again later."

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return the 429; `Retry-After` is in whole seconds, `retry-after-ms` says the rest."""
        headers = {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_after_s))
            if self.retry_after_s % 1:
                headers["retry-after-ms"] = str(round(self.retry_after_s * 1000))
        return Error(429, self.code, self.message, headers).reply(request_id, reject_shape)


@dataclass(frozen=True)
class Cut(Answer):
    """The line is cut: after the whole request was read, after the headers, or in the body.

    The answer that breaks off is a pass. `reset=True` cuts with a TCP reset, not a tidy end.
    """

    billed: bool = True
    after: Point = "request"
    reset: bool = False

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return a pass that breaks."""
        whole = Pass().reply(request_id, reject_shape)
        then: Literal["reset", "close"] = "reset" if self.reset else "close"
        return whole._replace(billed=self.billed, breaks_after=self.after, then=then)


@dataclass(frozen=True)
class Silent(Answer):
    """Nothing more comes, and the socket stays open until the client or the emulator closes it."""

    billed: bool = True
    after: Point = "request"

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return a pass that stops."""
        whole = Pass().reply(request_id, reject_shape)
        return whole._replace(billed=self.billed, breaks_after=self.after, then="silence")


@dataclass(frozen=True)
class HalfBody(Answer):
    """A whole HTTP answer with half of its JSON in it."""

    billed: bool = True

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return a 200 that says it is JSON and is not."""
        whole = Pass().reply(request_id, reject_shape)
        half = whole.content[: len(whole.content) // 2]
        return whole._replace(billed=self.billed, content=half)


@dataclass(frozen=True)
class Trickle(Answer):
    """A pass that comes drop by drop: whole after `over_s` seconds, never silent for long."""

    over_s: float = 10.0
    billed: bool = True

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return a pass that takes its time."""
        whole = Pass().reply(request_id, reject_shape)
        return whole._replace(billed=self.billed, over_s=self.over_s)


@dataclass(frozen=True)
class Raw(Answer):
    """Any body at all: XML of the object store, an empty body, keys that are missing."""

    status: int = 200
    content: str | bytes = ""
    content_type: str = _JSON
    billed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:  # noqa: ARG002  # all given
        """Return the body as it was given."""
        content = self.content.encode() if isinstance(self.content, str) else self.content
        return Reply(self.status, content, self.billed, self.content_type, self.headers)


@dataclass(frozen=True)
class Html(Answer):
    """A gateway's HTML page where an answer should be."""

    status: int = 200
    billed: bool = False

    def reply(self, request_id: str, reject_shape: RejectShape) -> Reply:
        """Return the page."""
        page = f"<html><head><title>{self.status}</title></head><body>gateway</body></html>"
        return Raw(self.status, page, "text/html", self.billed).reply(request_id, reject_shape)


Step = Answer | Callable[[str], Answer]
"""An answer, or what makes one from the image's URL."""


class _Rule:
    def __init__(self, pattern: str, steps: tuple[Step, ...], *, per_image: bool) -> None:
        self.pattern = pattern
        self.fits = re.compile(translate(pattern)).match
        self._steps = steps
        self._per_image = per_image
        self._taken: Counter[str] = Counter()

    def next(self, image: str) -> Step:
        last = len(self._steps) - 1
        if last == 0:
            return self._steps[0]  # nothing to remember about however many images
        key = image if self._per_image else ""
        step = self._steps[min(self._taken[key], last)]
        self._taken[key] += 1
        return step


class Script:
    """Rules by URL pattern; the newest that fits decides, and `otherwise` where none does.

    Example:
        >>> script = Script(otherwise=Pass())
        >>> script.when("*/cut-*", Cut(), Pass())
        >>> [type(script.answer("http://a.example/cut-1")).__name__ for _ in range(3)]
        ['Cut', 'Pass', 'Pass']
    """

    def __init__(self, otherwise: Step | None = None) -> None:
        if otherwise is not None:
            _refuse_no_answer(otherwise)
        self.otherwise = otherwise
        self._rules: tuple[_Rule, ...] = ()  # replaced, never changed: another thread may read it

    def when(self, pattern: str, *steps: Step, each: Literal["image", "request"] = "image") -> None:
        """Give images whose URL fits `pattern` these answers, one after another; the last stays.

        The pattern is of the shell's kind (`*`, `?`, `[…]`). With `each="image"` every image goes
        through the answers by itself; with `each="request"` requests take them as they come.
        A rule of the same pattern is replaced.
        """
        if not steps:
            raise ValueError(f"no answer is given for {pattern!r}")
        if each not in ("image", "request"):
            raise ValueError(f'each must be "image" or "request", not {each!r}')
        for step in steps:
            _refuse_no_answer(step)
        rule = _Rule(pattern, steps, per_image=each == "image")
        self._rules = (rule, *(old for old in self._rules if old.pattern != pattern))

    def answer(self, image: str, content: str = "") -> Answer | None:
        """Return the next answer for the image, or None where nothing is said about it.

        `content` is the hash of an uploaded one, which has another address each time.
        """
        names = (image, content) if content else (image,)
        rule = next((rule for rule in self._rules if any(map(rule.fits, names))), None)
        step = rule.next(names[-1]) if rule else self.otherwise
        return step if step is None or isinstance(step, Answer) else step(image)

    def clear(self) -> None:
        """Forget every rule; `otherwise` stays."""
        self._rules = ()


def _refuse_no_answer(step: object) -> None:
    """Raise `TypeError` for what is no `Step`: at once, not when a request comes."""
    if isinstance(step, type) and issubclass(step, Answer):
        raise TypeError(f"{step.__name__} is a class, and no answer. Give {step.__name__}(…).")
    if not isinstance(step, Answer) and not callable(step):
        raise TypeError(
            f"{step!r} is no answer. Give Pass(), Reject(…) or another one of s2v_detect.emulator,"
            " or a function of the image's address."
        )


_MIXED_REJECTS = ("NoHuman", "MultiHuman", "FacePose", "FullBody", "Resolution")


def mix(
    seed: int = 0, *, rejects: float = 0.2, unusable: float = 0.02, latency_s: Latency | None = None
) -> Callable[[str], Answer]:
    """Return a step that passes, rejects or fails an image by its URL, the same way every time.

    `rejects` and `unusable` are shares of 1.

    Example:
        >>> step = mix(seed=7)
        >>> step("http://a.example/1.jpg") == step("http://a.example/1.jpg")
        True
    """

    def step(image: str) -> Answer:
        digest = blake2b(f"{seed} {image}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest) / 2**64
        if share < rejects:
            code = _MIXED_REJECTS[digest[-1] % len(_MIXED_REJECTS)]
            return Reject(f"InvalidFile.{code}", "As the mix would have it.", latency_s=latency_s)
        if share < rejects + unusable:
            return Error(400, "InvalidURL", "The image cannot be fetched.", latency_s=latency_s)
        return Pass(latency_s=latency_s)

    return step


def drawn_s(latency_s: Latency, chance: random.Random) -> float:
    """Return the latency of one request in seconds."""
    return latency_s if isinstance(latency_s, int | float) else chance.uniform(*latency_s)
