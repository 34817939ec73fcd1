"""Records as JSON and back, strictly: by their annotations, and nothing else than what they say.

A record is an array of its fields in order, so that a hundred thousand decisions stay small; one
field too many or too few, or of another type, is refused with its place.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import enum
import ipaddress
import types
import typing
from functools import cache
from typing import TYPE_CHECKING, Any

from phage.errors import PhageError
from phage.records.decision import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    Decoder = Callable[[Any, str], Any]

LONGEST_TEXT = 4096
"""Characters of a name or address; a reason is not sent."""
LARGEST_NUMBER = 1 << 63

_NAMES = {
    "Rate": Rate,
    "IPv4Network": ipaddress.IPv4Network,
    "IPv6Network": ipaddress.IPv6Network,
    "Network": ipaddress.IPv4Network | ipaddress.IPv6Network,
}
"""Names that records import for type checkers only."""


class MessageError(PhageError):
    """A message is not what it must be; says where."""


def encode(value: object) -> object:
    """Return a record, or whatever it is made of, as JSON knows it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(map(encode, value), key=str)
    if isinstance(value, tuple | list):
        return [encode(each) for each in value]
    if dataclasses.is_dataclass(value):
        return [encode(getattr(value, each.name)) for each in dataclasses.fields(value)]
    message = f"{type(value).__name__} cannot be sent"
    raise TypeError(message)


def decode(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401  As the kind says.
    """Return what JSON holds as a kind. Raises MessageError."""
    return decoder(kind)(value, where)


@cache
def decoder(kind: Any) -> Decoder:  # noqa: ANN401  Any annotation.
    """Return the function that decodes a kind."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _choice(kind)
    return _composed(kind)


def _composed(kind: Any) -> Decoder:  # noqa: ANN401
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and len(inner) == 2 and inner[1] is ...:
        return _many(decoder(inner[0]), tuple)
    if origin is tuple:
        return _fixed([decoder(each) for each in inner])
    if origin is frozenset:
        return _many(decoder(inner[0]), frozenset)
    if origin in (typing.Union, types.UnionType):
        return _either(inner)
    message = f"no way to decode {kind}"
    raise TypeError(message)


def _wrong(where: str, wanted: str, value: object) -> MessageError:
    return MessageError(f"{where}: must be {wanted}, not {str(value)[:60]!r}")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise _wrong(where, f"text of at most {LONGEST_TEXT} characters", value)
    if not value.isprintable():
        raise _wrong(where, "printable text", value)
    return value


def _number(value: object, where: str) -> int:
    if type(value) is not int or not -LARGEST_NUMBER <= value < LARGEST_NUMBER:
        raise _wrong(where, "a whole number of 64 bits", value)
    return value


def _fraction(value: object, where: str) -> float:
    if type(value) not in (int, float) or not abs(value) < LARGEST_NUMBER:  # type: ignore[arg-type]
        raise _wrong(where, "a number", value)
    return float(value)  # type: ignore[arg-type]


def _truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def _octets(value: object, where: str) -> bytes:
    if not isinstance(value, str):
        raise _wrong(where, "octets in base64", value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(where, "octets in base64", value) from error


def _network(value: object, where: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(_text(value, where))
    except ValueError as error:
        raise _wrong(where, "a network such as 192.0.2.0/24", value) from error


_PLAIN: dict[Any, Decoder] = {
    str: _text,
    int: _number,
    float: _fraction,
    bool: _truth,
    bytes: _octets,
    ipaddress.IPv4Network | ipaddress.IPv6Network: _network,
}


def _choice(kind: type[enum.Enum]) -> Decoder:
    choices = {each.value: each for each in kind}

    def decode_choice(value: object, where: str) -> enum.Enum:
        chosen = choices.get(value) if isinstance(value, str) else None
        if chosen is None:
            raise _wrong(where, f"one of {', '.join(map(str, choices))}", value)
        return chosen

    return decode_choice


def _many(inner: Decoder, kind: Callable[[Any], Any]) -> Decoder:
    def decode_many(value: object, where: str) -> Any:  # noqa: ANN401
        if not isinstance(value, list):
            raise _wrong(where, "a list", value)
        return kind(inner(each, where) for each in value)

    return decode_many


def _fixed(inner: list[Decoder]) -> Decoder:
    def decode_fixed(value: object, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(inner):
            raise _wrong(where, f"a list of {len(inner)}", value)
        return tuple(each(item, where) for each, item in zip(inner, value, strict=True))

    return decode_fixed


def _either(kinds: tuple[Any, ...]) -> Decoder:
    (other,) = [decoder(kind) for kind in kinds if kind is not types.NoneType]

    def decode_either(value: object, where: str) -> Any:  # noqa: ANN401
        return None if value is None else other(value, where)

    return decode_either


def _record(kind: Any) -> Decoder:  # noqa: ANN401  A dataclass.
    hints = typing.get_type_hints(kind, localns=_NAMES)
    fields = [
        (f"{kind.__name__}.{each.name}", decoder(hints[each.name]))
        for each in dataclasses.fields(kind)
    ]

    def decode_record(value: object, where: str) -> Any:  # noqa: ANN401
        if not isinstance(value, list) or len(value) != len(fields):
            raise _wrong(where, f"the {len(fields)} fields of a {kind.__name__}", value)
        every = [field(item, name) for (name, field), item in zip(fields, value, strict=True)]
        try:
            return kind(*every)
        except ValueError as error:
            message = f"{where}: must be {error}"
            raise MessageError(message) from error

    return decode_record
