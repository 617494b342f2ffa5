"""The user's own Python: load it, run it, and report its errors.

An error in a blueprint or a template file names the file and the line of the user's
code. An error of Troposphere also names the logical id and the allowed properties.
Nobody has to read a traceback through tapgen and Troposphere.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import troposphere

from tapgen.errors import BlueprintError, TapgenError

_TROPOSPHERE = Path(troposphere.__file__).parent
_TAPGEN = Path(__file__).parents[1]
_OWN = "tapgen_user_"  # prefix of the names of loaded modules
_PRINTED = re.compile(r"^<class .* function validator .* threw exception:\n", re.M)
_REQUIRED = re.compile(r"Resource (\w+) required in type ")


def load(reference: str, folder: Path, names: tuple[str, ...]) -> tuple[Any, Path]:
    """Return the object that `file.py:name` refers to, relative to `folder`, and the
    file.

    Without a name it is the first of `names` that the file defines. Raises
    BlueprintError if there is none, and for every error in the file.
    """
    path, colon, name = reference.partition(".py:")
    file = (folder / (f"{path}.py" if colon else reference)).resolve()
    if not file.is_file():
        raise BlueprintError(f"{file} does not exist; give the path of a Python file")
    wanted = (name,) if name else names
    with reported(file):
        found = module(file)
    for each in wanted:
        if hasattr(found, each):
            return getattr(found, each), file
    has = [n for n in vars(found) if not n.startswith("_")]
    close = _close(wanted[0], has)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise BlueprintError(f"{file}: has no {' and no '.join(wanted)}{hint}")


def module(file: Path) -> ModuleType:
    """Return the module of a file; it runs again only if the file has changed."""
    facts = file.stat()
    return _module(file, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=64)
def _module(file: Path, changed: int, size: int) -> ModuleType:
    name = f"{_OWN}{sha256(str(file).encode()).hexdigest()[:12]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, "the file ends in .py"
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # pydantic looks up annotations there
    try:
        # Not by the loader: its cache in __pycache__ may be a second old.
        exec(compile(file.read_bytes(), str(file), "exec"), vars(loaded))
    except BaseException:
        del sys.modules[name]
        raise
    return loaded


def source(function: Callable[..., Any]) -> Path | None:
    """Return the source file of a function; None if it has none."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Path(code.co_filename) if isinstance(code, CodeType) else None


@contextmanager
def reported(file: Path | None = None, where: str = "") -> Iterator[None]:
    """Raise every error of the user's code in a file as BlueprintError.

    The code may import files beside its own. `where` names the system and stack set for
    the message. tapgen's own errors pass through.
    """
    try:
        with _beside(file), _quiet():
            yield
    except TapgenError:
        raise
    # All errors of the user's code, also sys.exit.
    except (Exception, SystemExit) as error:
        raise BlueprintError(said(error, file, where)) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what Troposphere prints about an invalid value: its error repeats it."""
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            yield
    finally:
        sys.stderr.write(_PRINTED.sub("", printed.getvalue()))


@contextmanager
def _beside(file: Path | None) -> Iterator[None]:
    """Allow imports of files in the same folder, and unload them afterwards.

    The files of another system may have the same names.
    """
    if file is None:
        yield
        return
    folder, before = str(file.parent), {*sys.modules}
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in {*sys.modules} - before:
            path = getattr(sys.modules[name], "__file__", None) or ""
            if not name.startswith(_OWN) and Path(path).parent == file.parent:
                del sys.modules[name]


def said(error: BaseException, file: Path | None = None, where: str = "") -> str:
    """Format an error of the user's code in one line: place, subject, reason."""
    found = list(traceback.walk_tb(error.__traceback__))
    reason = _refused(error, found) or f"{type(error).__name__}: {error}"
    parts = [_line(error, found, file), where, " ".join(reason.split())]
    return ": ".join(part for part in parts if part)


# Where ----------------------------------------------------------------------------------


def _line(
    error: BaseException, frames: list[tuple[FrameType, int]], file: Path | None
) -> str:
    """Return the last line of the user's own code in the traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(Path(error.filename))}:{error.lineno}"
    folder = file.parent if file else None
    for frame, line in reversed(frames):
        path = Path(frame.f_code.co_filename)
        if _is_theirs(path, folder):
            return f"{_short(path)}:{line}{_function(frame.f_code)}"
    return _short(file) if file else ""


def _is_theirs(path: Path, folder: Path | None) -> bool:
    if folder is None or not path.is_relative_to(folder):
        return False
    inner = path.relative_to(folder).parts
    return "site-packages" not in inner and not path.is_relative_to(_TAPGEN)


def _function(code: CodeType) -> str:
    return "" if code.co_name.startswith("<") else f" in {code.co_name}()"


def _short(path: Path) -> str:
    """Return a path relative to the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


# What Troposphere refuses ---------------------------------------------------------------


def _refused(error: BaseException, frames: list[tuple[FrameType, int]]) -> str | None:
    """Format an error of Troposphere with the object and its allowed properties."""
    objects = [
        (frame, frame.f_locals["self"])
        for frame, _ in frames
        if Path(frame.f_code.co_filename).is_relative_to(_TROPOSPHERE)
        and isinstance(frame.f_locals.get("self"), troposphere.BaseAWSObject)
    ]
    if not objects:
        return None
    frame, subject = objects[-1]
    title = next((str(o.title) for _, o in objects if o.title), "")
    kind = getattr(subject, "resource_type", None) or type(subject).__name__
    who = f"{title} ({kind})" if title else str(kind)
    return f"{who}: {_reason(error, frame, subject)}"


def _reason(error: BaseException, frame: FrameType, subject: Any) -> str:
    takes = sorted(subject.props)
    given = frame.f_locals.get("name")
    if isinstance(error, AttributeError) and isinstance(given, str):
        close = _close(given, takes)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"there is no property {given}; it takes {', '.join(takes)}{hint}"
    missing = _REQUIRED.match(str(error))
    if missing:
        needed = [name for name, (_, required) in subject.props.items() if required]
        return f"property {missing[1]} is missing; it needs {', '.join(needed)}"
    if isinstance(error, TypeError) and isinstance(given, str):
        value = frame.f_locals.get("value")
        expected = _type(subject.props[given][0]) if given in subject.props else ""
        return f"{given} is {value!r}, {type(value).__name__}; it takes {expected}"
    if isinstance(error, ValueError) and given in subject.props:
        return f"{given} is {frame.f_locals.get('value')!r}; {error}"
    return f"{type(error).__name__}: {error}"


def _close(given: str, known: Iterable[str]) -> list[str]:
    """Return the known name that resembles a given one, if there is one."""
    from difflib import get_close_matches

    return get_close_matches(given, [*known], 1)


def _type(expected: Any) -> str:
    if isinstance(expected, list):
        return f"a list of {_type(tuple(expected))}"
    if isinstance(expected, tuple):
        return " or ".join(_type(each) for each in expected)
    return str(getattr(expected, "__name__", expected))
