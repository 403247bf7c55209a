"""What all values have in common that a user holds: frozen, and safe to show."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from s2v_detect._redaction import redacted, shown


class Value(BaseModel):
    """A frozen model. Its repr shows a URL's query as `?…`."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        defer_build=True,  # at a model's first use: all of them at import would take 40 ms
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name == "image":
                yield name, shown(value)
            elif isinstance(value, str):  # the service's words among it, and a server's
                yield name, redacted(value)
            else:
                yield name, value

    __str__ = BaseModel.__repr__
