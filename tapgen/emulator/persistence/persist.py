"""Save all state of the embedded AWS on disk, so that it survives a stop and a kill.

What an answer says must still hold after a kill. Before a request is answered, each
record that it accessed is compared with the one on disk, and written where it differs.
Stores track which records are accessed (see `tracked`), so the cost of a call depends
on what it accesses, not on how much there is. Changes of background work are written
once a second.

The state is one SQLite file with a row for each record. It has all changes of a request
or none.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from tapgen import __version__
from tapgen.emulator.cloudformation import private_names
from tapgen.emulator.persistence.interrupted import end_operations, end_stacks
from tapgen.emulator.stacksets.model import Instance, Registry, StackSet
from tapgen.emulator.state import records, tracked
from tapgen.emulator.state.records import RecordError
from tapgen.emulator.state.tracked import Tracked

logger = logging.getLogger("tapgen.persist")

FILE = "state.db"
FORMAT = "2"
_SERVICES = "ministack.services."
_STACKS = "cloudformation:_stacks"
_BUCKETS = "s3:_buckets"
_OBJECTS = "s3:_buckets/objects"
_ACTIVE, _DELETED = "engine:active", "engine:deleted"
_OPERATIONS = "engine:operations"
_PLAIN = "plain"

# Records that services have in plain variables. The other variables are caches,
# connections and work in progress.
PLAIN: Mapping[str, tuple[str, ...]] = {
    "apigateway_v1": ("_quota_state",),
    "cloudformation.wait_conditions": ("_handles",),
    "cloudfront": ("_vpc_origin_etags_issued",),
    "codebuild": ("_stopped_builds",),
    "cognito": (
        "_auth_codes",
        "_authorization_codes",
        "_pending_new_password",
        "_pending_user_auth",
        "_refresh_tokens",
        "_revoked_tokens",
        "_totp_session_secrets",
    ),
    "dynamodb": ("_stream_seq_counter",),
    "ec2": ("_default_initialized_scopes",),
    "eventbridge": ("_rule_last_fired",),
    "firehose": ("_dest_counter",),
    "iot": ("_retained",),
    "kinesis": ("_sequence_counter",),
    "location": ("_sequence",),
    "scheduler": ("_schedule_last_fired",),
    "sts": ("_sessions",),
}

Key = tuple[str, Any]
"""The store of a record, and its name there."""


class PersistError(OSError):
    """The state cannot be read or written; the message says what to do."""


class _Named(Tracked):
    """Stack sets: iterating over all of them changes none, so it marks none dirty."""

    def values(self) -> Any:
        return dict.values(self)

    def items(self) -> Any:
        return dict.items(self)


class StateStore:
    """The saved state of this process; to be used in its event loop's thread only.

    PersistError when the file cannot be used.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.path = folder / FILE
        self._sources: dict[str, Tracked] = {}
        self._modules = 0
        # What is on disk: the row of a record, and its stamp.
        self._rows: dict[Key, tuple[int, int]] = {}
        self._bodies: dict[Key, bytes] = {}
        self._changed: list[tuple[Key, bytes | None, int]] = []
        self._working: set[Any] = set()  # stacks
        self._operating: set[Any] = set()  # stack sets
        self._final: set[Any] = set()  # operations
        self._unsaved: set[str] = set()
        self.task: asyncio.Task[None] | None = None
        """Saves the changes of background work."""
        self._registry = registry
        registry._active = self._sources[_ACTIVE] = _Named(registry._active)
        registry._deleted = self._sources[_DELETED] = _Named(registry._deleted)
        try:
            self._file = _opened(self.path)
            self._check_versions()
        except PersistError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> PersistError:
        return PersistError(
            f"the state in {self.path} cannot be used ({error}): delete it with "
            "tapgen local reset"
        )

    def _check_versions(self) -> None:
        found = dict(self._file.execute("SELECT name, value FROM about"))
        ours = {
            "tapgen": __version__,
            "ministack": version("ministack"),
            "format": FORMAT,
        }
        if not found:
            with self._file:
                self._file.executemany("INSERT INTO about VALUES (?, ?)", ours.items())
        elif found != ours:
            wrote = ", ".join(f"{name} {value}" for name, value in found.items())
            this = ", ".join(f"{name} {value}" for name, value in ours.items())
            raise PersistError(
                f"the state in {self.path.parent} was saved by another version "
                f"({wrote}; this is {this}): delete it with tapgen local reset, or use "
                "that version again"
            )

    # Reading

    def restore(self) -> list[tuple[StackSet, Instance]]:
        """Load what is on disk; return the instances whose stack is incomplete.

        PersistError when it is damaged.
        """
        modules: dict[str, ModuleType] = {}
        try:
            rows = self._file.execute("SELECT id, store, key, value FROM entries")
            for row, store, name, value in rows:
                key = (store, records.load(name))
                content = records.load(value)
                body = content.get("body") if store == _OBJECTS else None
                self._rows[key] = (row, records.stamp(content, value, body))
                if body is not None:
                    self._bodies[key] = body
                self._take(modules, *key, content)
        except (sqlite3.Error, RecordError, LookupError, AttributeError) as error:
            raise self._unusable(error) from error
        self._join_operations()
        for source in self._sources.values():
            source.dirty.clear()
        for module in modules.values():
            # Starts background work; the records are there already.
            getattr(module, "load_persisted_state", lambda data: None)({})
        stacks = self._sources.get(_STACKS, Tracked())
        end_stacks(stacks)
        return end_operations(self._registry, stacks)

    def _take(
        self, modules: dict[str, ModuleType], store: str, name: Any, content: Any
    ) -> None:
        if store == _OPERATIONS:
            self._sources.setdefault(_OPERATIONS, Tracked())
        elif store == _OBJECTS:
            bucket, object_key = name
            objects = dict.__getitem__(self._sources[_BUCKETS], bucket)["objects"]
            dict.__setitem__(objects, object_key, content)
            return
        elif store == _PLAIN:
            service, _, variable = name.partition(":")
            module = self._module(modules, service)
            _set_plain(module, variable, content)
            return
        elif store not in (_ACTIVE, _DELETED):
            self._module(modules, store.partition(":")[0])
        if store == _BUCKETS:
            content["objects"] = Tracked()
        dict.__setitem__(self._sources[store], name, content)

    def _module(self, modules: dict[str, ModuleType], service: str) -> ModuleType:
        if service not in modules:
            added = service.startswith(tracked.ADDED)
            name = service if added else _SERVICES + service
            modules[service] = importlib.import_module(name)
            self._discover()
        return modules[service]

    def _join_operations(self) -> None:
        operations = self._sources.pop(_OPERATIONS, Tracked())
        for kind in (_ACTIVE, _DELETED):
            for stack_set in dict.values(self._sources[kind]):
                stack_set.operations = {
                    id_: dict.__getitem__(operations, (stack_set.uuid, id_))
                    for id_ in stack_set.operations
                }

    # Writing

    def before_answer(self) -> Callable[[], None]:
        """Return what to call before the current task answers: it saves what was accessed."""
        seen = tracked.record_accesses()

        def save() -> None:
            # Work on other threads may have gone on after the last save.
            for source, name in seen:
                source.dirty.add(name)
            self.save()

        return save

    async def save_continuously(self) -> None:
        """Write changes of background work once a second, for ever."""
        while True:
            await asyncio.sleep(1)
            # Stacks in progress change without any request.
            self._sources.get(_STACKS, Tracked()).dirty.update(self._working)
            try:
                self.save()
            except PersistError as error:
                logger.error("%s", error)

    def save(self) -> None:
        """Write every record that was accessed and differs from the one on disk.

        PersistError when the file cannot be written; the next save tries again.
        """
        self._discover()
        for key, stack_set in dict.items(self._sources[_ACTIVE]):
            if stack_set.active:
                self._operating.add(key)
        self._sources[_ACTIVE].dirty.update(self._operating)
        for store, source in self._sources.items():
            while source.dirty:
                self._look(store, source, source.dirty.pop())
        for service, names in PLAIN.items():
            module = sys.modules.get(_SERVICES + service)
            for variable in names if module else ():
                value = getattr(module, variable)
                if value or (_PLAIN, f"{service}:{variable}") in self._rows:
                    self._compare(_PLAIN, f"{service}:{variable}", value)
        if self._changed:
            self._write()

    def empty(self) -> None:
        """Delete what is on disk, then save the present state."""
        for known in (self._rows, self._bodies):
            known.clear()
        for noted in (self._working, self._operating, self._final):
            noted.clear()
        self._changed.clear()
        with self._file:
            self._file.execute("DELETE FROM entries")
        # So that no deleted record can be found in the file.
        self._file.execute("VACUUM")
        self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for source in self._sources.values():
            source.dirty.update(source)
        self.save()

    def close(self) -> None:
        """Write what is left, and close the file."""
        self.save()
        self._file.close()

    def _discover(self) -> None:
        """Track the stores of services that have been loaded since."""
        if self._modules == len(sys.modules):
            return
        self._modules = len(sys.modules)
        responses: Any = importlib.import_module("ministack.core.responses")
        kinds = (responses.AccountScopedDict, responses.AccountRegionScopedDict)
        theirs = tracked.stores_in(_SERVICES, kinds)
        found = [(n.removeprefix(_SERVICES), tracked.track(s)) for n, s in theirs]
        known = set(map(id, self._sources.values()))
        for name, source in [*found, *tracked.added_stores()]:
            # A store may have been imported by another service, too.
            if id(source) not in known:
                known.add(id(source))
                self._sources[name] = source

    def _look(self, store: str, source: Tracked, name: Any) -> None:
        """Compare one record with the one on disk."""
        value: Any = dict.get(source, name)
        if value is None:
            self._compare(store, name, None)
        elif store in (_ACTIVE, _DELETED):
            self._look_at_stack_set(store, name, value)
        elif store == _BUCKETS:
            self._look_at_bucket(name, value)
        else:
            self._compare(store, name, value)
        if store == _STACKS:
            going = str((value or {}).get("StackStatus")).endswith("_IN_PROGRESS")
            (self._working.add if going else self._working.discard)(name)

    def _look_at_stack_set(self, store: str, name: Any, stack_set: StackSet) -> None:
        shown: Any = copy.copy(stack_set)
        shown.operations = dict.fromkeys(stack_set.operations)
        shown.active = []
        self._compare(store, name, shown)
        for id_, operation in stack_set.operations.items():
            key = (stack_set.uuid, id_)
            if key not in self._final:
                self._compare(_OPERATIONS, key, operation)
                if not operation.unfinished:
                    self._final.add(key)
        if not stack_set.active:
            self._operating.discard(name)

    def _look_at_bucket(self, name: Any, bucket: dict[str, Any]) -> None:
        # Each object is a row of its own: a new one must not write them all.
        objects = bucket["objects"]
        if not isinstance(objects, Tracked):
            objects = bucket["objects"] = Tracked(objects)
            objects.dirty.update(k[1] for k in self._objects_of(name))
        self._compare(_BUCKETS, name, {**bucket, "objects": None})
        while objects.dirty:
            key = objects.dirty.pop()
            value = dict.get(objects, key)
            self._compare(_OBJECTS, (name, key), value)

    def _objects_of(self, bucket: Any) -> list[Any]:
        names = (name for store, name in self._rows if store == _OBJECTS)
        return [name for name in names if name[0] == bucket]

    def _compare(self, store: str, name: Any, value: Any) -> None:
        """Note how a record differs from the one on disk; None means that it is gone."""
        key = (store, name)
        known = self._rows.get(key)
        if value is None:
            if known is not None:
                self._changed.append((key, None, 0))
            if store == _BUCKETS:
                gone = ((_OBJECTS, name) for name in self._objects_of(name))
                self._changed += [(key, None, 0) for key in gone]
            return
        # Bytes do not change: bodies of objects are compared by identity.
        body = value.get("body") if store == _OBJECTS else None
        same_body = body is self._bodies.get(key)
        try:
            content = None if same_body and body is not None else records.dump(value)
            mark = records.stamp(value, content or b"", body)
            if known is not None and known[1] == mark and same_body:
                return
            self._changed.append((key, content or records.dump(value), mark))
        except RecordError as error:
            if store not in self._unsaved:
                self._unsaved.add(store)
                logger.error("%s is not saved: %s", store, error)
            return
        if body is not None:
            self._bodies[key] = body

    def _write(self) -> None:
        try:
            with self._file:
                written = [self._written(*change) for change in self._changed]
        except sqlite3.Error as error:
            for (store, name), _, _ in self._changed:
                if store in self._sources:
                    self._sources[store].dirty.add(name)
            raise PersistError(f"{self.path} cannot be written: {error}") from error
        finally:
            changed, self._changed = self._changed, []
        for (key, content, mark), row in zip(changed, written, strict=True):
            if content is None:
                self._rows.pop(key, None)
                self._bodies.pop(key, None)
            else:
                self._rows[key] = (row, mark)

    def _written(self, key: Key, content: bytes | None, mark: int) -> int:
        known = self._rows.get(key)
        if content is None:
            if known is not None:
                self._file.execute("DELETE FROM entries WHERE id = ?", known[:1])
            return 0
        if known is not None:
            update = "UPDATE entries SET value = ? WHERE id = ?"
            self._file.execute(update, (content, known[0]))
            return known[0]
        insert = "INSERT INTO entries (store, key, value) VALUES (?, ?, ?)"
        done = self._file.execute(insert, (key[0], records.dump(key[1]), content))
        return int(done.lastrowid or 0)


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    file = sqlite3.connect(path, check_same_thread=True)
    # A killed process loses nothing that SQLite has taken; only a power failure could.
    # So nothing waits for the disk.
    for setting in ("locking_mode = EXCLUSIVE", "journal_mode = WAL"):
        file.execute(f"PRAGMA {setting}")
    file.execute("PRAGMA synchronous = OFF")
    file.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)")
    file.execute(
        "CREATE TABLE IF NOT EXISTS entries "
        "(id INTEGER PRIMARY KEY, store TEXT, key BLOB, value BLOB)"
    )
    return file


def _set_plain(module: ModuleType, variable: str, content: Any) -> None:
    present = getattr(module, variable)
    if isinstance(present, dict | set):
        present.update(content)  # others may have imported it by name
    else:
        setattr(module, variable, content)


def check() -> list[str]:
    """Return the private names used here that have moved.

    It takes a second, so a test runs it and a start does not.
    """
    used = {_SERVICES + service: names for service, names in PLAIN.items()}
    used[f"{_SERVICES}s3"] = ("_buckets",)
    return private_names.moved({m: dict.fromkeys(names) for m, names in used.items()})
