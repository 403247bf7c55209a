"""The script as JSON, for a test that runs in another process than the emulator.

`{"rules": [{"pattern": "*/cut-*", "answers": [{"kind": "Cut"}, {"kind": "Pass"}]}]}` adds rules
as `when` does; `kind` is an answer's class name and the rest are its fields.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from s2v_detect.emulator._script import (
    Answer,
    Cut,
    Error,
    HalfBody,
    Html,
    Pass,
    Raw,
    Reject,
    Script,
    Silent,
    Throttle,
    Trickle,
)

_KINDS: dict[str, type[Answer]] = {
    kind.__name__: kind
    for kind in (Pass, Reject, Error, Throttle, Cut, Silent, HalfBody, Trickle, Raw, Html)
}
_FIELDS = {name: TypeAdapter(kind) for name, kind in _KINDS.items()}


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pattern: str
    answers: list[dict[str, Any]] = Field(min_length=1)
    each: Literal["image", "request"] = "image"


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[_Rule] = Field(min_length=1)  # rules add up: to have none is a reset


def follow(script: Script, body: bytes) -> None:
    """Add the rules of a JSON body to the script: all of them, or none and a ValueError."""
    rules = [
        (rule, [_answer(dict(fields)) for fields in rule.answers])
        for rule in _Rules.model_validate_json(body).rules
    ]
    for rule, answers in rules:
        script.when(rule.pattern, *answers, each=rule.each)


def _answer(fields: dict[str, Any]) -> Answer:
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    unknown = fields.keys() - _KINDS[kind].__dataclass_fields__.keys()
    if unknown:
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}")
    return _FIELDS[kind].validate_python(fields)
