"""What a config depends on is told completely, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tapgen.cache import fingerprint

ROOT = Path(__file__).parents[3]
SAY = (
    "import sys\n"
    "from pathlib import Path\n"
    "from tapgen.cache import fingerprint\n"
    "print(fingerprint.fingerprint(Path(sys.argv[1])))\n"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text("blueprint: serverless_api\n")
    return path


def said(config: Path, *first: Path) -> str:
    """The fingerprint that a process with these folders before all others says."""
    path = os.pathsep.join(map(str, [*first, ROOT]))
    return subprocess.check_output(
        [sys.executable, "-c", SAY, str(config)],
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=config.parent,
    ).strip()


def test_the_same_config_has_the_same_fingerprint(config: Path) -> None:
    assert (
        fingerprint.fingerprint(config)
        == fingerprint.fingerprint(config)
        == said(config)
    )


def test_another_config_has_another(config: Path, tmp_path: Path) -> None:
    before = fingerprint.fingerprint(config)
    copied = shutil.copy(config, tmp_path / "other.yaml")
    config.write_text(config.read_text() + "# no key has changed\n")

    assert (
        len({before, fingerprint.fingerprint(config), fingerprint.fingerprint(copied)})
        == 3
    )


def test_a_config_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert fingerprint.fingerprint(tmp_path / "none.yaml") is None
    assert fingerprint.fingerprint(tmp_path) is None


def test_another_source_of_tapgen_gives_another(config: Path, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "emulator")
    package = shutil.copytree(
        ROOT / "tapgen", tmp_path / "copy" / "tapgen", ignore=ignored
    )
    found = [said(config, package.parent)]
    changed = package / "blocks" / "names.py"
    changed.write_text(changed.read_text() + "\n# changed\n")
    found.append(said(config, package.parent))
    (package / "handlers" / "more.py").write_text("")
    found.append(said(config, package.parent))

    assert (
        len({fingerprint.fingerprint(config), *found}) == 3
    )  # the copy is as the original
    assert "None" not in found


def installed(folder: Path, version: str, record: str) -> Path:
    """A folder with a module that an installer has put there."""
    module = folder / "awacs" / "__init__.py"
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text("")
    about = folder / f"awacs-{version}.dist-info"
    about.mkdir(exist_ok=True)
    (about / "RECORD").write_text(record)
    return folder


def test_another_package_gives_another(config: Path, tmp_path: Path) -> None:
    one = said(config, installed(tmp_path / "one", "1.0", "awacs/__init__.py,h1,0"))
    two = said(config, installed(tmp_path / "one", "1.0", "awacs/__init__.py,h2,0"))

    assert len({one, two, fingerprint.fingerprint(config)}) == 3
    assert "None" not in (one, two)


def test_a_package_that_nobody_installed_leaves_it_unknown(
    config: Path, tmp_path: Path
) -> None:
    (tmp_path / "troposphere").mkdir()
    (tmp_path / "troposphere" / "__init__.py").write_text("")

    assert said(config, tmp_path) == "None"


def test_two_versions_of_a_package_leave_it_unknown(
    config: Path, tmp_path: Path
) -> None:
    both = installed(tmp_path / "both", "1.0", "")
    installed(both, "2.0", "")

    assert said(config, both) == "None"


WATCH = """\
import os, sys
opened = set()
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.add(os.path.abspath(os.fsdecode(arguments[0])))
sys.addaudithook(watch)
from tapgen.cli import main
assert main(["templates", "--to", sys.argv[1], "--no-cache"]) == 0
print(*sorted(opened), sep="\\n", file=sys.stderr)
"""


def test_a_shipped_blueprint_reads_nothing_else(tmp_path: Path) -> None:
    opened = subprocess.run(
        [sys.executable, "-c", WATCH, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stderr.splitlines()
    cfn_lint = find_spec("cfnlint")
    assert cfn_lint and cfn_lint.origin
    known = (
        str(ROOT / "tapgen" / "handlers"),
        str(ROOT / "stacksets"),
        str(Path(cfn_lint.origin).parent / "data"),
        str(tmp_path),  # what it writes
    )
    read = [path for path in opened if Path(path).is_file() and not _is_code(path)]

    assert [path for path in read if not path.startswith(known)] == []
    assert all(any(path.startswith(folder) for path in read) for folder in known)


def _is_code(path: str) -> bool:
    """Whether a file is a module, or says which plugins of pydantic's there are: those
    only look on."""
    module = (
        path.endswith((".py", ".pyc", ".so", ".pyd"))
        and f"{os.sep}handlers{os.sep}" not in path
    )
    plugins = (".dist-info/entry_points.txt", ".egg-info/entry_points.txt")
    return module or path.endswith(plugins)
