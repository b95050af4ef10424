"""Kafka's jar files, pinned by `jars.txt` and fetched once from Maven Central.

For another version, change it below, then run `python -m infra.broker._pin`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.maven import Artifact, MavenContext, PythonResolver

from schemas.errors import Unavailable

KAFKA = ("org.apache.kafka", "kafka_2.13", "4.1.2")
# Kafka's own pom leaves the logging binding to its release archive; without one it logs nothing.
# Its version is that of the log4j-core which Kafka depends on.
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.3")
LOCK = Path(__file__).with_name("jars.txt")
_PARALLEL = 4
_TIMEOUT_S = 30

OnFetched = Callable[[int, int], None]
"""Called with bytes fetched and bytes in all while fetching."""


@dataclass(frozen=True)
class Jar:
    """One pinned jar: its Maven coordinates, size in bytes and required digest."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str


def pinned() -> list[Jar]:
    """The jars of `jars.txt`, in class path order."""
    jars = []
    for line in LOCK.read_text().splitlines():
        if not line.startswith("#"):
            name, size, digest = line.split()
            group, artifact, version = name.split(":")
            jars.append(Jar(group, artifact, version, int(size), digest))
    return jars


def fetch(cache: Path, *, mirror: str = "", report: OnFetched | None = None) -> list[Path]:
    """The jar files in class path order; those not yet under `cache` are fetched and checked.

    Needs no network once all of them are there, and no Java or Maven at any time.

    Args:
        cache: directory that keeps the jars between starts.
        mirror: URL of a Maven repository to ask instead of Maven Central.
        report: called with the progress; not called when nothing has to be fetched.

    Raises:
        Unavailable: a jar could not be fetched, or is not the pinned one.
    """
    jars = pinned()
    progress = _Progress(sum(jar.size for jar in jars), report)
    context = maven(cache, mirror=mirror, progress=progress)
    paths = [_artifact(context, jar).cached_path for jar in jars]
    if fetched(cache) and all(path.exists() for path in paths):
        return paths
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        list(pool.map(lambda jar: _fetch_one(context, jar, progress), jars))
    _mark(cache).touch()
    return paths


def fetched(cache: Path) -> bool:
    """Whether everything is under `cache` already."""
    return _mark(cache).exists()


def _mark(cache: Path) -> Path:
    return cache / f"kafka-{fingerprint()}.complete"


class _Progress:
    def __init__(self, total: int, report: OnFetched | None) -> None:
        self.total, self.done, self.report = total, 0, report

    def add(self, size: int) -> None:
        self.done += size
        if self.report:
            self.report(min(self.done, self.total), self.total)

    @contextmanager
    def of_file(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield self.add


def maven(cache: Path, *, mirror: str = "", progress: _Progress | None = None) -> MavenContext:
    """A Maven client that keeps files under `cache` and resolves in Python, without Java."""
    return MavenContext(
        resolver=PythonResolver(progress_callback=progress and progress.of_file),
        repo_cache=cache / "maven",
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=_TIMEOUT_S,
    )


def _artifact(context: MavenContext, jar: Jar) -> Artifact:
    return context.project(jar.group, jar.artifact).at_version(jar.version).artifact()


def _fetch_one(context: MavenContext, jar: Jar, progress: _Progress) -> None:
    artifact = _artifact(context, jar)
    path: Path = artifact.cached_path
    # A download that was cut off leaves half a file under its final name: check its digest.
    if path.exists():
        if sha256(path) == jar.sha256:
            progress.add(jar.size)
            return
        path.unlink()
    try:
        artifact.resolve()
    except (requests.RequestException, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise Unavailable(
            f"{path.name}, a part of Kafka, could not be fetched from Maven "
            f"({type(error).__name__}).",
            do="Check the network and run the same command again: what is here already is kept. "
            "GULOU_MAVEN_URL names a mirror to fetch from.",
        ) from error
    if (found := sha256(path)) != jar.sha256:
        path.unlink()
        raise Unavailable(
            f"{path.name} came with sha256 {found[:16]}… where {jar.sha256[:16]}… is pinned.",
            do="Fetch again, from another mirror if it stays so (GULOU_MAVEN_URL).",
        )


def sha256(path: Path) -> str:
    """Digest of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint() -> str:
    """Changes with any pinned jar; part of the name of files derived from them."""
    return hashlib.sha256("".join(jar.sha256 for jar in pinned()).encode()).hexdigest()[:12]
