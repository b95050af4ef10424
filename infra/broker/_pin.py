"""`python -m infra.broker._pin`: resolves Kafka's jars again and rewrites `jars.txt`."""

from __future__ import annotations

from pathlib import Path

from infra.broker import jars
from infra.settings import Settings


def main() -> None:
    """Writes one line per jar: coordinates, size, sha256."""
    context = jars.maven(Settings().cache)
    root = context.create_dependency(":".join(jars.KAFKA))
    inputs, rest = context.resolver.resolve([root])
    wanted = inputs + [each for each in rest if each.scope in ("compile", "runtime")]
    names = {(each.groupId, each.artifactId, each.version) for each in wanted}
    # Not resolved as a second root: that imposed its own bill of materials on the first, and
    # Kafka's parts came in two versions. Kafka has the dependencies of LOGGING already.
    names.add(jars.LOGGING)
    lines = ["# Written by: python -m infra.broker._pin"]
    for group, artifact, version in sorted(names):
        file: Path = context.project(group, artifact).at_version(version).artifact().resolve()
        name = ":".join((group, artifact, version))
        lines.append(f"{name} {file.stat().st_size} {jars.sha256(file)}")
    jars.LOCK.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
