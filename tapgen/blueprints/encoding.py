"""Turn Troposphere templates into data and text, each once.

Troposphere's `to_dict` encodes the properties of an object, and encodes the result again
at every level above it. `data` gives the same in a single pass.

A template of a shipped blueprint depends on a few facts only, its shape, and most
environments have the shape of the default. A `Recipe` names the function and the facts,
so that what is equal is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

from troposphere import AWSHelperFn, BaseAWSObject, Tags, Template

from tapgen.frozen import dataclass
from tapgen.system import templates_out
from tapgen.template import evaluate

_MOST = 256
"""How many templates are kept: more than all shipped systems have together."""


@dataclass(frozen=True)
class Recipe:
    """A template that depends on a function and its arguments alone.

    The function reads nothing else, and nobody changes what it has returned.
    """

    function: Callable[..., Template]
    arguments: tuple[Hashable, ...]

    def __call__(self) -> Template:
        """Return the template; another call with an equal recipe returns the same one."""
        return _template(self)

    def data(self) -> Mapping[str, Any]:
        """Return the template as data, which is shared: do not change it."""
        return _data(self)

    def text(self) -> str:
        """Return the template as text. Raises TemplateError where it is too large."""
        return _text(self)


def recipe(function: Callable[..., Template], *arguments: Hashable) -> Recipe:
    """Return the recipe of `function(*arguments)`."""
    return Recipe(function, arguments)


@lru_cache(_MOST)
def _template(source: Recipe) -> Template:
    return source.function(*source.arguments)


@lru_cache(_MOST)
def _data(source: Recipe) -> Mapping[str, Any]:
    return templates_out.ordered(data(_template(source)))


@lru_cache(_MOST)
def _text(source: Recipe) -> str:
    text = templates_out.render(_data(source), ours=True)
    evaluate.know(text, _data(source))
    return text


def data(template: Template) -> dict[str, Any]:
    """Return the template as data, as `template.to_dict()` does.

    Raises what Troposphere raises for a resource that is not valid.
    """
    sections = {
        "Description": template.description,
        "Metadata": template.metadata,
        "Conditions": template.conditions,
        "Mappings": template.mappings,
        "Outputs": template.outputs,
        "Parameters": template.parameters,
        "AWSTemplateFormatVersion": template.version,
        "Transform": template.transform,
        "Rules": template.rules,
    }
    found = {name: plain(value) for name, value in sections.items() if value}
    return found | {"Resources": plain(template.resources)}


def plain(value: Any) -> Any:
    """Return a value of Troposphere or awacs as data, as `encode_to_dict` does."""
    kind = type(value)
    encode = _ENCODERS.get(kind)
    if encode is None:
        encode = _ENCODERS[kind] = _encoder(kind)
    return encode(value)


def _same(value: Any) -> Any:
    return value


# Most values are text, and take no call.
def _mapping(value: Mapping[Any, Any]) -> dict[Any, Any]:
    return {k: v if type(v) is str else plain(v) for k, v in value.items()}


def _list(value: Any) -> list[Any]:
    return [v if type(v) is str else plain(v) for v in value]


def _object(value: BaseAWSObject) -> Any:
    if value.do_validation:
        value._validate_props()
        value.validate()
    if value.properties:
        return _mapping(value.resource)
    return value.to_dict(validation=False)


def _function(value: AWSHelperFn) -> Any:
    return plain(value.data)


def _tags(value: Tags) -> list[Any]:
    return _list(value.tags)


def _awacs(value: Any) -> Any:
    return plain(value.JSONrepr())


def _other(value: Any) -> Any:
    return plain(value.to_dict())


_ENCODERS: dict[type, Callable[[Any], Any]] = {
    str: _same,
    int: _same,
    bool: _same,
    dict: _mapping,
    list: _list,
    tuple: _list,
    Tags: _tags,
}
"""Type → how it is encoded; further types are entered as they come."""


def _encoder(kind: type) -> Callable[[Any], Any]:
    """Return how values of a type are encoded: in the order of `encode_to_dict`."""
    method = getattr(kind, "to_dict", None)
    if method is BaseAWSObject.to_dict:
        return _object
    if method is AWSHelperFn.to_dict:
        return _function
    if method is not None:
        return _other
    if issubclass(kind, (list, tuple)):
        return _list
    if issubclass(kind, dict):
        return _mapping
    return _awacs if hasattr(kind, "JSONrepr") else _same
