"""Frozen dataclasses that cost little to define.

For each frozen class the standard library writes six functions as text and compiles them,
which takes half a millisecond: an eighth of what `tapgen templates` takes altogether,
mostly for classes of which it makes no instance. Here all classes share the functions
that compare, show and protect, and `__init__` is compiled when the first instance is
made. Else they are dataclasses: `fields`, `replace`, `asdict`, `match` and pickle work.

Uses nothing of tapgen, and every room may use it. Begin reading at `dataclass`.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # to a type checker these are dataclasses like any others
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, eq=True, order=False, kw_only=False):
        """Do what `dataclasses.dataclass` does, with less work for frozen classes."""

        def decorate(cls):
            if not frozen:
                return dataclasses.dataclass(eq=eq, order=order, kw_only=kw_only)(cls)
            return _frozen(cls, eq, order, kw_only)

        return decorate if cls is None else decorate(cls)


_COMPARISONS = {
    f"__{name}__": getattr(operator, name) for name in "lt le gt ge".split()
}


def _frozen(cls: type[Any], eq: bool, order: bool, kw_only: bool) -> type[Any]:
    # Without a docstring the standard library would write one from the signature.
    cls.__doc__ = cls.__doc__ or cls.__name__
    own = {*vars(cls)}
    dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    its_fields = dataclasses.fields(cls)
    key = _key([f.name for f in its_fields if f.compare])
    methods: dict[str, Callable[..., Any]] = {
        "__init__": _first(cls),
        "__repr__": _repr([f.name for f in its_fields if f.repr]),
    }
    if eq:
        methods |= {"__eq__": _compare(operator.eq, key), "__hash__": _hash(key)}
    if order:
        methods |= {name: _compare(by, key) for name, by in _COMPARISONS.items()}
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)
    cls.__setattr__ = _refuse_to_set  # type: ignore[assignment]
    cls.__delattr__ = _refuse_to_delete  # type: ignore[assignment]
    return cls


def _key(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that returns the values of these attributes as a tuple."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _compare(by: Callable[[Any, Any], Any], key: Callable[[Any], Any]) -> Any:
    def compare(self: Any, other: Any) -> Any:
        if other.__class__ is self.__class__:
            return by(key(self), key(other))
        return NotImplemented

    return compare


def _hash(key: Callable[[Any], Any]) -> Any:
    return lambda self: hash(key(self))


def _repr(names: list[str]) -> Any:
    def show(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({values})"

    return show


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _first(cls: Any) -> Any:
    """Return an `__init__` that puts the real one in its place when it is called."""

    def __init__(self: Any, *args: Any, **values: Any) -> None:
        real = cls.__init__ = _init(cls)
        real(self, *args, **values)

    return __init__


def _init(cls: type[Any]) -> Any:
    """Return the `__init__` of a class, compiled as the standard library does."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_MISSING": MISSING}
    parameters: list[str] = ["self"]
    by_keyword: list[str] = []
    body: list[str] = []
    for f in dataclasses.fields(cls):
        name, value = f.name, f.name
        parameter = name
        if f.default_factory is not MISSING:
            scope[f"_new_{name}"] = f.default_factory
            parameter = f"{name}=_MISSING"
            value = f"_new_{name}() if {name} is _MISSING else {name}"
        elif f.default is not MISSING:
            scope[f"_default_{name}"] = f.default
            parameter = f"{name}=_default_{name}"
        (by_keyword if f.kw_only else parameters).append(parameter)
        body.append(f"    _set(self, {name!r}, {value})\n")
    if hasattr(cls, "__post_init__"):
        body.append("    self.__post_init__()\n")
    if by_keyword:
        parameters += ["*", *by_keyword]
    exec(
        f"def __init__({', '.join(parameters)}):\n{''.join(body) or '    pass'}", scope
    )
    scope["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    return scope["__init__"]
