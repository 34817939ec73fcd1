"""Records: values with names that never change, in little memory."""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass with slots.

    It is `dataclasses.dataclass(frozen=True, slots=True)`, but that writes six methods for each
    class, two of which keep the class without slots from being freed: 15 kB in all. Here only
    `__init__` is written, and what all have in common is shared: 6 kB. There are hundreds.
    """
    made = dataclasses.dataclass(frozen=True, slots=True, repr=False, eq=False)(cls)
    shared: dict[str, Any] = {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
    own = vars(cls)
    if "__repr__" not in own:
        shared["__repr__"] = _told
    if "__eq__" not in own:
        shared |= {"__eq__": _equals, "_compared": _reader_of(made)}
        if "__hash__" not in own:
            shared["__hash__"] = _hashed
    for name, value in shared.items():
        setattr(made, name, value)
    return made


def _reader_of(cls: Any) -> attrgetter[Any]:  # noqa: ANN401  Any dataclass.
    """Return what reads the class and the fields that are compared."""
    fields = dataclasses.fields(cls)
    return attrgetter("__class__", *(each.name for each in fields if each.compare))


def _equals(self: Any, other: Any) -> object:  # noqa: ANN401  Of any class, and anything.
    if self.__class__ is not other.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hashed(self: Any) -> int:  # noqa: ANN401
    return hash(self._compared(self))


@recursive_repr()
def _told(self: Any) -> str:  # noqa: ANN401
    shown = (
        f"{each.name}={getattr(self, each.name)!r}"
        for each in dataclasses.fields(self)
        if each.repr
    )
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_set(self: object, name: str, _value: object) -> NoReturn:
    message = f"cannot assign to field {name!r} of {type(self).__qualname__}"
    raise dataclasses.FrozenInstanceError(message)


def _refuse_delete(self: object, name: str) -> NoReturn:
    message = f"cannot delete field {name!r} of {type(self).__qualname__}"
    raise dataclasses.FrozenInstanceError(message)
