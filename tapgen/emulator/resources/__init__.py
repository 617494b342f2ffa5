"""CloudFormation resource types that ministack lacks or supports only in part.

`kinds` says what a resource type consists of, `calls` calls services as a handler, one
module for each service has its types; `corrections` completes ministack's own handlers,
`shapes` and `patterns` make resources of all other types, with nothing behind. May use
`cloudformation/` and `services/`. Begin reading at `kinds`.
"""

from __future__ import annotations

from functools import partial

from tapgen.emulator.cloudformation import patches
from tapgen.emulator.cloudformation.patches import resource_types
from tapgen.emulator.resources import (
    audit,
    borders,
    clusters,
    corrections,
    database,
    dns,
    gateway,
    global_tables,
    identity,
    instance_profiles,
    keys,
    machines,
    monitoring,
    network,
    operating,
    protected,
    servers,
    shapes,
    singles,
    stack_sets,
    storage,
)
from tapgen.emulator.resources.kinds import Kind, Shape, install
from tapgen.emulator.resources.shapes import SHAPE_ONLY_ALLOWED, shape_only

__all__ = ["SHAPE_ONLY_ALLOWED", "register", "shape_only", "stack_sets"]


def register(shape: Shape) -> None:
    """Register every kind of ours with ministack, and apply the patches.

    `shape(type, region)` returns the registry schema of a type in a region, None when
    the region lacks it: such types are refused. A type without a handler becomes shape
    only (see `shape_only`). A second call changes only `shape`.
    """
    patches.apply()
    servers.prepare()
    for kind in all_kinds():
        install(kind, shape)
    corrections.correct(shape, servers.corrections())
    protected.guard()
    shapes.remember_real()
    patches.property_attributes.know(partial(shapes.attributes, shape))
    resource_types.refuse_types(lambda types: shapes.unknown(types, shape))


def all_kinds() -> list[Kind]:
    """Every kind of ours, by service."""
    modules = (
        *(identity, stack_sets),
        *(
            network,
            borders,
            machines,
            keys,
            storage,
            database,
            global_tables,
            dns,
            monitoring,
            audit,
        ),
        *(gateway, servers, clusters, operating, instance_profiles, singles),
    )
    return [kind for module in modules for kind in module.kinds()]
