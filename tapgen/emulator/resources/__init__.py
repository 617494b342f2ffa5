"""CloudFormation resource types that ministack lacks or makes only in part."""

from __future__ import annotations

from tapgen.emulator.cloudformation import patches
from tapgen.emulator.cloudformation.patches import resource_types
from tapgen.emulator.resources import (
    audit,
    clusters,
    corrections,
    database,
    dns,
    gateway,
    global_tables,
    instance_profiles,
    keys,
    monitoring,
    network,
    operating,
    servers,
    shapes,
    storage,
)
from tapgen.emulator.resources.kinds import Kind, Shape, install
from tapgen.emulator.resources.shapes import SHAPE_ONLY_ALLOWED, shape_only

__all__ = ["SHAPE_ONLY_ALLOWED", "register", "shape_only"]


def register(shape: Shape) -> None:
    """Tells ministack of every kind of ours; needs the patches to be applied.

    `shape(type, region)` gives the registry schema of a type in a region, None when the
    region lacks it: such types are refused. A type that nobody makes is kept as shape
    only (see `shape_only`). Doing it again changes nothing but `shape`.
    """
    patches.apply()
    servers.prepare()
    for kind in all_kinds():
        install(kind, shape)
    corrections.correct(shape, servers.corrections())
    shapes.remember_real()
    resource_types.refuse_types(lambda types: shapes.unknown(types, shape))


def all_kinds() -> list[Kind]:
    """Every kind of ours, by service."""
    modules = (
        *(network, keys, storage, database, global_tables, dns, monitoring, audit),
        *(gateway, servers, clusters, operating, instance_profiles),
    )
    return [kind for module in modules for kind in module.kinds()]
