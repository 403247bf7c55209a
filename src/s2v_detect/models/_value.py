"""What all values are: frozen pydantic models, with a repr without secrets, built at first use."""

from collections.abc import Iterable
from functools import cache
from inspect import Signature
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict

from s2v_detect._redaction import redacted, shown


class _Signature:
    """What `help` and a notebook show as arguments: the fields, also before the first use."""

    def __get__(self, made: object, kind: type[BaseModel]) -> Signature:
        if made is not None:
            raise AttributeError("__signature__")
        kind.model_rebuild()  # pydantic puts its own in this place
        return cast("Signature", vars(kind)["__signature__"].__get__(None, kind))


class Value(BaseModel):
    """A frozen model. Its repr shows a URL's query as `?…`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        defer_build=True,  # at a model's first use: all of them at import would take 40 ms
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        if not cls.__pydantic_complete__:  # each its own: that of a parent may be built
            type.__setattr__(cls, "__signature__", _Signature())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name == "image":
                yield name, shown(value)
            elif isinstance(value, str):  # the service's words among it, and a server's
                yield name, redacted(value)
            else:
                yield name, value

    __str__ = BaseModel.__repr__

    @classmethod
    def trusted(cls, fields: dict[str, Any]) -> Self:
        """Return one of fields that are right. Nobody looks at them: in a third of the time."""
        made = cls.__new__(cls)
        put = object.__setattr__  # as pydantic's own `model_construct`, which takes 13 µs for it
        put(made, "__dict__", _defaults(cls) | fields)
        put(made, "__pydantic_fields_set__", set(fields))
        put(made, "__pydantic_extra__", None)
        put(made, "__pydantic_private__", None)
        return made


@cache
def _defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Return all fields in their order; what has no default is there to be replaced."""
    return {name: field.get_default() for name, field in kind.model_fields.items()}
