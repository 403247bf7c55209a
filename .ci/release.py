"""Make a release: built twice, tried on every Python with every extra, tagged, published.

    uv run --group release python .ci/release.py --dry-run [--python 3.11]
    uv run --group release python .ci/release.py

The dry run does all but the last two steps. It takes what is committed, and leaves nothing behind.
A release itself needs a clean working copy, a day in the changelog, and a token for `uv publish`.
"""

import argparse
import hashlib
import importlib.metadata
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from check_wheel import check_one

ROOT = Path(__file__).parents[1]

USED_BY = {
    "cli": "s2v_detect.cli",
    "emulator": "s2v_detect.emulator",
    "parquet": "pyarrow.parquet",
    "excel": "python_calamine, xlsxwriter",
    "report": "s2v_detect.report",
    "redis": "redis.asyncio",
    "postgres": "psycopg",
    "frames": "s2v_detect.integrations.frames",
    "s3": "s2v_detect.integrations.buckets",
    "fastapi": "s2v_detect.integrations.fastapi",
    "otel": "s2v_detect.integrations.otel",
    "all": "s2v_detect.cli, s2v_detect.report, s2v_detect.emulator",
}
"""What is imported where an extra alone is installed."""
ELSEWHERE = {"ray"}
"""`.ci/engines` installs it: it is 620 MB."""

IN_THE_WHEEL = ("s2v_detect/py.typed", "s2v_detect/report/page.html.j2", "s2v_detect_pytest.py")
IN_THE_ARCHIVE = (
    "README.md",
    "README.zh-CN.md",
    "LICENSE",
    "CHANGELOG.md",
    "tests/conftest.py",
    "pyproject.toml",
)


class NotReleasable(Exception):
    """Something that has to be mended first."""


def main() -> int:
    """Return 0 where all is well."""
    assert __doc__  # noqa: S101  # not with -OO
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="neither tag nor publish")
    parser.add_argument(
        "--python", action="append", help="try these alone (default: all that are here)"
    )
    options = parser.parse_args()
    try:
        _release(options.python or _claimed(), is_dry=options.dry_run)
    except (NotReleasable, subprocess.CalledProcessError) as error:
        print(f"No release: {error}")
        return 1
    return 0


def _release(pythons: Sequence[str], *, is_dry: bool) -> None:
    if not is_dry and _said("git", "status", "--porcelain"):
        raise NotReleasable("the working copy has changes. Commit them, or put them away.")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        wheel, archive = _built_twice(scratch)
        version = _version_of(wheel)
        _check_version(version, is_dry=is_dry)
        _check_contents(wheel, archive)
        _try_on(pythons, wheel, scratch)
        if is_dry:
            print(f"All is well with {version}. Nothing was tagged or published.")
            return
        _do("git", "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
        _do("uv", "publish", str(wheel), str(archive))
        print(f"{version} is published. Push its tag: git push origin v{version}")


def _claimed() -> list[str]:
    """Return the Pythons that the metadata names."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r"Programming Language :: Python :: (3\.\d+)", text)


def _built_twice(scratch: Path) -> tuple[Path, Path]:
    """Return the wheel and the archive of what is committed, which two builds made alike."""
    commit = _bytes("git", "archive", "HEAD")
    stamp = _said("git", "log", "-1", "--format=%ct")
    builds = []
    for number in ("first", "second"):
        source, out = scratch / number / "source", scratch / number / "dist"
        with tarfile.open(fileobj=io.BytesIO(commit)) as tree:
            tree.extractall(source, filter="data")
        _do("uv", "build", "--quiet", "--out-dir", str(out), cwd=source, SOURCE_DATE_EPOCH=stamp)
        builds.append(sorted(out.glob("s2v_detect-*")))
    first, second = ([_digest(path) for path in build] for build in builds)
    if first != second:
        raise NotReleasable("two builds of one commit are not alike.")
    wheel, archive = builds[0]
    print(f"built twice, alike: {wheel.name} {first[0][:12]}, {archive.name} {first[1][:12]}")
    return wheel, archive


def _version_of(wheel: Path) -> str:
    (metadata,) = importlib.metadata.distributions(name="s2v-detect", path=[str(wheel)])
    return metadata.version


def _check_version(version: str, *, is_dry: bool) -> None:
    """Raise where the version, the changelog and the tags do not agree."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    head = re.search(r"^## (\S+) \((.*)\)$", text, re.MULTILINE)
    if head is None or head[1] != version:
        raise NotReleasable(f"the changelog does not begin with {version}.")
    is_dated = re.fullmatch(r"\d{4}-\d\d-\d\d", head[2])
    if not is_dated and not is_dry:
        raise NotReleasable(
            f"the changelog has no day for {version}: write it in place of {head[2]!r}."
        )
    if _said("git", "tag", "--list", f"v{version}"):
        raise NotReleasable(
            f"v{version} is there already: set VERSION in src/s2v_detect/_version.py."
        )
    print(f"version {version}: the changelog says {head[2]}, and there is no such tag")


def _check_contents(wheel: Path, archive: Path) -> None:
    _do(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(archive))
    _do(sys.executable, "-m", "check_wheel_contents", str(wheel), "--toplevel", _TOP)
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    with tarfile.open(archive) as tree:
        parts = [name.partition("/")[2] for name in tree.getnames()]
    missing = [name for name in IN_THE_WHEEL if name not in names]
    missing += [name for name in IN_THE_ARCHIVE if name not in parts]
    missing += (
        ["a licence file"] if not any(name.endswith("licenses/LICENSE") for name in names) else []
    )
    strange = [name for name in names if not name.startswith("s2v_detect")]
    strange += [name for name in parts if name.endswith((".lock", ".db", ".pyc"))]
    if missing or strange:
        raise NotReleasable(f"missing: {missing}; not to be in it: {strange}.")
    print(
        f"contents: {len(names)} files in the wheel, {len(parts)} in the archive, as they should be"
    )


_TOP = "s2v_detect,s2v_detect_command.py,s2v_detect_pytest.py"


def _try_on(pythons: Sequence[str], wheel: Path, scratch: Path) -> None:
    """Install the wheel alone, with each extra, and with all, in an environment for each."""
    (metadata,) = importlib.metadata.distributions(name="s2v-detect", path=[str(wheel)])
    extras = set(metadata.metadata.get_all("Provides-Extra") or ()) - ELSEWHERE
    if unknown := extras - USED_BY.keys():
        raise NotReleasable(f"nobody says what {sorted(unknown)} are used by: add them to USED_BY.")
    for version in pythons:
        found = _found(version)
        if found is None:
            print(f"Python {version} is not on this machine: not tried")
            continue
        with _environment(scratch, found, str(wheel)) as python:
            check_one(python)
        for extra in sorted(extras):
            with _environment(scratch, found, f"{wheel}[{extra}]") as python:
                _do(str(python), "-c", f"import {USED_BY[extra]}", cwd=scratch)
        print(
            f"Python {version}: one check from the wheel, and {len(extras)} extras, each by itself"
        )


def _found(version: str) -> str | None:
    """Return an interpreter of this machine, pyenv's too."""
    with suppress(subprocess.CalledProcessError):
        return _said("uv", "python", "find", "--quiet", "--system", version)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next(
        (str(each) for each in sorted(root.glob(f"versions/{version}.*/bin/python"))[-1:]), None
    )


@contextmanager
def _environment(scratch: Path, python: str, requirement: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        own = Path(folder) / "bin" / "python"
        _do("uv", "venv", "--quiet", "--python", python, folder)
        _do("uv", "pip", "install", "--quiet", "--python", str(own), requirement)
        _do("uv", "pip", "check", "--quiet", "--python", str(own))
        yield own


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _do(*command: str, cwd: Path = ROOT, **environment: str) -> None:
    done = subprocess.run(  # noqa: S603  # our own words
        command,
        cwd=cwd,
        env=os.environ | environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise NotReleasable(f"{' '.join(command[:4])} ended with {done.returncode}:\n{done.stdout}")


def _said(*command: str) -> str:
    return _bytes(*command).decode().strip()


def _bytes(*command: str) -> bytes:
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603  # as above


if __name__ == "__main__":
    sys.exit(main())
