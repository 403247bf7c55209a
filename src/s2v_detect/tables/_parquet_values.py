"""The values of a column of Parquet: what Python has no type for is a text, in its cell alone.

That are times of nanoseconds, years beyond 9999, zones that this machine does not know, and text
that is no UTF-8. It needs the extra `parquet`.
"""

from typing import Any

from s2v_detect.tables._names import distinct
from s2v_detect.tables._parquet_reading import DAMAGED, pa

__all__ = ["DAMAGED", "values_of"]

_NO_VALUE = (pa.ArrowException, ValueError, OverflowError, TypeError, KeyError)
"""What pyarrow raises for a value that Python has no type for."""


def values_of(column: Any) -> list[Any]:
    """Return the values of a column."""
    try:
        # Nanoseconds have a type of pandas where pandas is there, and none where it is not.
        kind = column.type
        if getattr(kind, "unit", "") == "ns":
            column = column.cast(_in_microseconds(kind))
        elif _has_nanoseconds(kind):
            return [_value(scalar) for scalar in column]
        found: list[Any] = column.to_pylist()
    except _NO_VALUE:
        return [_value(scalar) for scalar in column]
    return found


def _has_nanoseconds(kind: Any) -> bool:
    if getattr(kind, "unit", "") == "ns":
        return True
    if pa.types.is_dictionary(kind):
        return _has_nanoseconds(kind.value_type)
    return any(_has_nanoseconds(kind.field(place).type) for place in range(kind.num_fields))


def _in_microseconds(kind: Any) -> Any:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if pa.types.is_time(kind) else pa.duration("us")


def _value(scalar: Any) -> Any:
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(kind):
        return _value(scalar.value)
    return _nested(scalar, kind) if pa.types.is_nested(kind) else _plain(scalar, kind)


def _nested(scalar: Any, kind: Any) -> Any:
    if not pa.types.is_struct(kind):
        return [_value(item) for item in scalar.values]
    names = distinct([kind.field(place).name for place in range(kind.num_fields)])
    return {name: _value(scalar[place]) for place, name in enumerate(names)}


def _plain(scalar: Any, kind: Any) -> Any:
    try:
        if getattr(kind, "unit", "") == "ns":
            scalar = scalar.cast(_in_microseconds(kind))
        return scalar.as_py()
    except _NO_VALUE:
        return _text(scalar, kind)


def _text(scalar: Any, kind: Any) -> str:
    if pa.types.is_duration(kind):
        return f"{scalar.value} {kind.unit}"
    if hasattr(scalar, "as_buffer"):
        return bytes(scalar.as_buffer().to_pybytes()).decode(errors="backslashreplace")
    try:
        return str(scalar.cast(pa.string()).as_py())
    except _NO_VALUE:  # a zone that is not known here: the same moment as UTC has it
        return str(scalar.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.string()).as_py())
