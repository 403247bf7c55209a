"""The script as JSON, for a test that runs in another process than the emulator.

`{"rules": [{"pattern": "*/cut-*", "answers": [{"kind": "Cut"}, {"kind": "Pass"}]}]}` adds rules
as `when` does; `kind` is an answer's class name and the rest are its fields.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

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
_LONGEST = 80
"""Characters of a value, to know it by."""
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
    """Add the rules of a JSON body to the script: all of them, or none and a ValueError.

    The error says which field of which rule is wrong, and what there may be.
    """
    try:
        told = _Rules.model_validate_json(body).rules
    except ValidationError as error:
        raise ValueError(_words_of(error.errors())) from error
    rules = [
        (
            rule,
            [
                _answer(f"rules[{number}].answers[{place}]", dict(fields))
                for place, fields in enumerate(rule.answers)
            ],
        )
        for number, rule in enumerate(told)
    ]
    for rule, answers in rules:
        script.when(rule.pattern, *answers, each=rule.each)


def _answer(place: str, fields: dict[str, Any]) -> Answer:
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"{place}.kind is {_shown(kind)}. Give one of {', '.join(_KINDS)}.")
    there = _KINDS[kind].__dataclass_fields__
    if unknown := [name for name in fields if name not in there]:
        raise ValueError(_no_field(f"{place}, {kind},", unknown[0], there))
    try:
        return _FIELDS[kind].validate_python(fields)
    except ValidationError as error:
        # A field that may be of several kinds has an error for each of them.
        name = error.errors()[0]["loc"][0]
        of_field = [each | {"loc": (name,)} for each in error.errors() if each["loc"][0] == name]
        raise ValueError(f"{place}, {kind}: {_words_of(of_field)}") from error


_MAY_BE = {
    "bool": "true or false",
    "dict": "an object",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "an object",
    "string": "a text",
    "tuple": "two numbers",
}
"""What is wanted, by how pydantic's names of errors begin."""


def _words_of(errors: Sequence[Any]) -> str:
    """Return what is wrong with the first field of these errors, and what it may be."""
    first = errors[0]
    kind, place = first["type"], _place(first["loc"])
    if kind == "json_invalid":
        return f'The script is no JSON ({first["ctx"]["error"]}). Give {{"rules": […]}}.'
    if kind == "missing":
        return f"{place} is missing."
    if kind == "extra_forbidden":
        *of, name = first["loc"]
        return _no_field(_place(of), str(name), (_Rule if of else _Rules).model_fields)
    if kind == "too_short":
        return f"{place} is empty. Give one at least."
    wanted = [_wanted(each) for each in errors if each["loc"] == first["loc"]]
    may_be = " or ".join(dict.fromkeys(filter(None, wanted)))
    return f"{place} is {_shown(first['input'])}. Give {may_be}."


def _wanted(error: Any) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", '"')
    return _MAY_BE.get(error["type"].partition("_")[0], "")


def _no_field(of: str, name: str, there: Iterable[str]) -> str:
    return f"{of} has no {name}. Give {', '.join(there)}."


def _place(location: Iterable[int | str]) -> str:
    """Return where a field is.

    Example:
        >>> _place(("rules", 0, "each")), _place(())
        ('rules[0].each', 'The script')
    """
    parts = (f"[{each}]" if isinstance(each, int) else f".{each}" for each in location)
    return "".join(parts).removeprefix(".") or "The script"


def _shown(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
