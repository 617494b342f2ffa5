"""The process that is the embedded AWS of one project, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapgen.emulator.server import lifecycle
from tapgen.emulator.server.lifecycle import EmulatorError, Server

if TYPE_CHECKING:
    from tapgen.emulator.cloudformation.denied_calls import Calls
    from tapgen.emulator.cloudformation.patches.parameters import Matches
    from tapgen.emulator.cloudformation.refused_updates import Refuses
    from tapgen.emulator.cloudformation.replacing_updates import Replaces
    from tapgen.emulator.cloudformation.taken_names import Named
    from tapgen.emulator.permissions.callers import IsAction
    from tapgen.emulator.persistence.persist import StateStore
    from tapgen.emulator.server.app import Embedded
    from tapgen.emulator.stacksets.actions import Engine

Shape = Callable[[str, str], Mapping[str, Any] | None]


def serve(
    port: int,
    folder: Path,
    token: str,
    shape: Shape,
    refuses: Refuses | None = None,
    named: Named | None = None,
    replaces: Replaces | None = None,
    matches: Matches | None = None,
    calls: Calls | None = None,
    is_action: IsAction | None = None,
) -> None:
    """Serve the embedded AWS on 127.0.0.1:`port` until a request or signal stops it, then exit.

    Listens on the socket handed over by `start` if there is one. `shape(type, region)`
    gives the registry schema of a resource type, None when the region lacks it;
    `refuses` knows the updates that AWS refuses (see `refused_updates.Refuses`), `named`
    the names of resources (see `taken_names.Named`), `replaces` the changes that replace
    a resource (see `replacing_updates.Replaces`), `matches` the patterns of parameters
    (see `patches.parameters.Matches`), `calls` those of handlers (see
    `denied_calls.Calls`), without which no permissions are checked, `is_action` the
    actions of IAM (see `callers.IsAction`), without which sessions are not.
    EmulatorError when the port is taken, the mode of permissions is none, or ministack
    is not the tested version.
    """
    from tapgen.emulator.cloudformation import patches, provisioning
    from tapgen.emulator.permissions import enforcing
    from tapgen.emulator.persistence import stores
    from tapgen.emulator.server import settings

    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.pop(lifecycle.TOKEN_VARIABLE, None)  # not for the functions it runs
    persist = lifecycle.wants_persistence()
    os.environ.pop(lifecycle.PERSIST_VARIABLE, None)
    permissions = os.environ.pop(lifecycle.PERMISSIONS_VARIABLE, "")
    if permissions not in ("", *enforcing.MODES):
        raise EmulatorError(
            f"{lifecycle.PERMISSIONS_VARIABLE} must be {', '.join(enforcing.MODES)}, not "
            f"{permissions}"
        )
    listener = _inherited(port) or lifecycle.listen(port)
    for name in settings.of_the_shell([*os.environ]):
        del os.environ[name]
    os.environ.update(settings.environment(port, folder))
    # The code of functions is unpacked into temporary folders.
    os.environ["TMPDIR"] = str(_scratch(folder))
    tempfile.tempdir = None
    os.chdir(folder)
    problems = [*patches.check(), *provisioning.check(), *stores.check()]
    if problems:
        raise EmulatorError(
            "the embedded AWS does not support this ministack: "
            + "; ".join(problems)
            + "; install the right version with pip install 'tapgen[local]'"
        )
    server = Server(
        url=f"http://{lifecycle.HOST}:{port}",
        port=port,
        pid=os.getpid(),
        token=token,
        log=folder / "local.log",
        folder=folder,
        persist=persist,
    )
    # ministack writes nothing, and so would all others.
    logging.getLogger("tapgen").setLevel(logging.WARNING)
    if matches:
        patches.parameters.know(matches)
    if calls:
        enforcing.ENFORCEMENT.start(permissions or enforcing.ON)
    known = shape, refuses, named, replaces, calls, is_action
    asyncio.run(_serve(listener, server, *known))


def _scratch(folder: Path) -> Path:
    """Create an empty folder for temporary files; files of a killed process go."""
    scratch = folder / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return scratch


def _leave() -> None:
    """End the process at once.

    Threads of emulated functions and wait conditions, which may wait for minutes more,
    would keep the interpreter from ending.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _serve(
    listener: socket.socket,
    server: Server,
    shape: Shape,
    refuses: Refuses | None,
    named: Named | None,
    replaces: Replaces | None,
    calls: Calls | None,
    is_action: IsAction | None,
) -> None:
    from hypercorn.asyncio import serve as hypercorn
    from hypercorn.config import Config
    from ministack.app import app as ministack

    from tapgen.emulator import resources
    from tapgen.emulator.accounts import organizations
    from tapgen.emulator.cloudformation import (
        change_sets,
        denied_calls,
        drift_aware,
        macros,
        nested,
        patches,
        property_types,
        provisioning,
        refused_updates,
        replacing_updates,
        taken_names,
        validations,
    )
    from tapgen.emulator.faults.active import Faults
    from tapgen.emulator.permissions import enforcing
    from tapgen.emulator.persistence import stores
    from tapgen.emulator.server.app import Embedded
    from tapgen.emulator.server.preload import warm_up
    from tapgen.emulator.services import clock, reach
    from tapgen.emulator.services.patches import state_machines
    from tapgen.emulator.stacksets.actions import Engine
    from tapgen.emulator.wire import connection
    from tapgen.emulator.wire.inner import Inner, Place

    faults = Faults()
    permissions = enforcing.ENFORCEMENT

    def unavailable(place: Place, service: str) -> str | None:
        fault = faults.on_internal(place, service) if faults else None
        default = f"Service {service} is unavailable in {place.region}"
        return (fault.reason or default) if fault else None

    patches.apply()
    stores.apply()
    resources.register(shape)
    change_sets.apply(shape)
    patches.template_summary.know(shape)
    validations.apply(shape)
    drift_aware.apply()  # what drifted exists, and no validation minds it
    refused_updates.apply(refuses or refused_updates.nothing)
    # In the order in which they are asked: names are compared as templates give them.
    taken_names.apply(named or taken_names.nothing)
    property_types.apply(shape)
    if calls:
        denied_calls.apply(calls)
    replacing_updates.apply(replaces or replacing_updates.unknown)
    provisioning.apply(faults)
    state_machines.know(faults.on_call)
    reach.know(lambda a, r, service: unavailable(Place(a, r), service) is None)
    nested.apply()
    macros.apply()
    connection.remember()
    started = time.monotonic()
    engine = Engine(Inner(ministack, unavailable))
    loop = asyncio.get_running_loop()
    resources.stack_sets.know(_asking(engine, loop))

    async def status() -> dict[str, Any]:
        return {
            "url": server.url,
            "port": server.port,
            "pid": server.pid,
            "uptime": time.monotonic() - started,
            "memory": _memory(),
            "persistent": server.persist,
            "clock": f"{clock.shown()}{', stands still' * clock.stands()}",
            "faults": len(faults.shown()),
            "shape_only": resources.shape_only(),
            "members": organizations.members(),
            "refused_calls": enforcing.listed(permissions.refused),
            "undecided_calls": permissions.undecided.total(),
            **engine.settings,
            **await counts(engine),
        }

    warming: list[asyncio.Task[None]] = []

    def started_up() -> None:
        warming.append(asyncio.create_task(warm_up(is_action or bool)))
        lifecycle.record(server)

    embedded = Embedded(
        *(ministack, engine, server.token, status),
        on_started=started_up,
        faults=faults,
        is_action=is_action,
    )
    store = await _restore(server.folder, embedded) if server.persist else None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, embedded.closing.set)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    # For the answer to the shutdown. It always waits in full: hypercorn counts connections
    # that their client has closed until their keep-alive is over.
    config.graceful_timeout = 0.2
    config.shutdown_timeout = 5
    # A keep-alive longer than the clients': theirs must be the side that closes.
    config.keep_alive_timeout = 75
    config.h11_max_incomplete_size = 64 * 1024
    try:
        await hypercorn(
            embedded,
            config,
            shutdown_trigger=embedded.closing.wait,
        )
    finally:
        if store is not None:
            store.close()
        await engine.reset()
        lifecycle.withdraw(server)
        shutil.rmtree(server.folder / "tmp", ignore_errors=True)
    _leave()


def _asking(
    engine: Engine, loop: asyncio.AbstractEventLoop
) -> Callable[[str, Mapping[str, Any]], Any]:
    """A function that asks the engine, for resources on threads of their own."""
    from ministack.core.responses import get_account_id, get_region

    from tapgen.emulator.resources.calls import CallError
    from tapgen.emulator.wire.inner import Place
    from tapgen.emulator.wire.query_protocol import ServiceError

    def ask(action: str, request: Mapping[str, Any]) -> Any:
        caller = Place(get_account_id(), get_region())
        work = engine.call(action, caller, dict(request))
        try:
            return asyncio.run_coroutine_threadsafe(work, loop).result()
        except ServiceError as error:
            raise CallError(
                "CloudFormation", error.code, error.message, error.status
            ) from error

    return ask


async def _restore(folder: Path, embedded: Embedded) -> StateStore:
    """Restore the saved state, and save it from now on."""
    from tapgen.emulator.persistence.persist import PersistError, StateStore
    from tapgen.emulator.services import clock
    from tapgen.emulator.wire.query_protocol import ServiceError

    engine = embedded.engine
    try:
        store = StateStore(folder / lifecycle.STATE, engine.registry)
        incomplete = store.restore()
        clock.real()  # ends what had begun by a clock that was moved
        store.save()
    except PersistError as error:
        raise EmulatorError(str(error)) from error
    embedded.before_answer, embedded.empty = store.before_answer, store.empty

    async def go_on() -> None:
        for stack_set, instance in incomplete:
            with suppress(ServiceError):  # the stack's events have the reason
                await engine.stacks.delete(instance)
        await store.save_continuously()

    store.task = asyncio.create_task(go_on())
    return store


async def counts(engine: Any) -> dict[str, int]:
    """How many stack sets, stack instances and stacks there are."""
    from ministack.services.cloudformation import _stacks

    stack_sets = engine.registry.all()
    return {
        "stack_sets": len(stack_sets),
        "stack_instances": sum(len(s.instances) for s in stack_sets),
        "stacks": sum(
            stack.get("StackStatus") != "DELETE_COMPLETE"
            for stack in _stacks.all_values()
        ),
    }


def _memory() -> int:
    """Resident memory in bytes; the peak where the present value is not known."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _inherited(port: int) -> socket.socket | None:
    """The listening socket that `start` has bound, so that nobody takes the port."""
    number = os.environ.pop(lifecycle.SOCKET_VARIABLE, None)
    if number is None:
        return None
    with suppress(OSError, ValueError):
        inherited = socket.socket(fileno=int(number))
        if inherited.getsockname() == (lifecycle.HOST, port):
            inherited.set_inheritable(False)
            return inherited
        inherited.detach()
    return None
