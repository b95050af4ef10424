"""Fetching jars from a local mirror, which serves the jars already on this machine."""

import functools
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra.broker import jars
from infra.settings import Settings
from schemas.errors import Unavailable

CACHE = Settings.load().cache


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The files of the mirror; a test may damage its copy."""
    jars.fetch(CACHE)
    return Path(shutil.copytree(CACHE / "maven", tmp_path / "source"))


@pytest.fixture
def mirror(source: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(source)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_everything_comes_from_the_mirror_and_progress_ends_at_all_of_it(
    tmp_path: Path, mirror: str
) -> None:
    told: list[tuple[int, int]] = []

    paths = jars.fetch(tmp_path / "cache", mirror=mirror, report=lambda *at: told.append(at))

    total = sum(jar.size for jar in jars.pinned())
    assert [path.stat().st_size for path in paths] == [jar.size for jar in jars.pinned()]
    assert told[-1] == (total, total)


def test_once_fetched_no_network_is_needed(tmp_path: Path, mirror: str) -> None:
    fetched = jars.fetch(tmp_path / "cache", mirror=mirror)

    again = jars.fetch(tmp_path / "cache", mirror="http://127.0.0.1:1")

    assert again == fetched


def test_half_a_jar_left_by_a_cut_download_is_fetched_again(tmp_path: Path, mirror: str) -> None:
    cache = tmp_path / "cache"
    whole = jars.fetch(cache, mirror=mirror)[0]
    size = whole.stat().st_size
    whole.write_bytes(whole.read_bytes()[: size // 2])
    for mark in cache.glob("*.complete"):
        mark.unlink()

    jars.fetch(cache, mirror=mirror)

    assert whole.stat().st_size == size


def test_a_jar_with_other_content_is_refused_and_not_kept(
    tmp_path: Path, source: Path, mirror: str
) -> None:
    spoiled = next(source.rglob("kafka-clients-*.jar"))
    spoiled.write_bytes(b"not the pinned content")
    Path(f"{spoiled}.sha1").unlink(missing_ok=True)

    with pytest.raises(Unavailable, match=r"kafka-clients-[\d.]+jar came with sha256"):
        jars.fetch(tmp_path / "cache", mirror=mirror)

    assert not list((tmp_path / "cache").rglob(spoiled.name))


def test_no_network_is_one_sentence_that_names_the_jar_and_the_setting(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as failed:
        jars.fetch(tmp_path / "cache", mirror="http://127.0.0.1:1")

    assert "could not be fetched from Maven (ConnectionError)." in failed.value.what
    assert "GULOU_MAVEN_URL" in failed.value.do
