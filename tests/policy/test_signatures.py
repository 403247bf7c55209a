"""What `help`, a notebook and an editor show of the values."""

import inspect
from typing import Any

import pytest
from pydantic import BaseModel

import s2v_detect

VALUES = [
    value
    for value in map(vars(s2v_detect).get, s2v_detect.__all__)
    if isinstance(value, type) and issubclass(value, BaseModel)
]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_the_signature_of_a_value_is_its_fields(kind: type[BaseModel]) -> None:
    """Also before its first use: a model is built then, and its signature was `**data`."""
    arguments = inspect.signature(kind).parameters
    by_name = [name for name, each in arguments.items() if each.kind is each.KEYWORD_ONLY]
    assert by_name == [name for name, field in kind.model_fields.items() if field.init is not False]


def test_it_is_so_before_the_first_use() -> None:
    """Of a value that nobody has made yet."""
    s2v_detect.Spend()

    class Fresh(s2v_detect.Spend):
        count: int = 0

    class Built(s2v_detect.Spend, defer_build=False):
        count: int = 0

    for kind in (Fresh, Built):
        shown = str(inspect.signature(kind))
        assert "count: int = 0" in shown
        assert "data" not in shown


def test_an_instance_has_none() -> None:
    """It can't be called."""
    made: Any = s2v_detect.Spend()
    assert not hasattr(made, "__signature__")
