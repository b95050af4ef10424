"""Bodies of each encoding: whole, in pieces, in several members, cut short, and bombs."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from itertools import islice

import brotli
import cramjam
import lz4.frame
import pytest

from infra.warehouse._fault import INCORRECT_DATA, NOT_IMPLEMENTED, Fault
from infra.warehouse.unpacking import PIECE_BYTES, unpacked

CONTENT = b"".join(b"%d,\xe9\xbc\x93\xe6\xa5\xbc\n" % each for each in range(20_000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": lambda content: bytes(cramjam.zstd.compress(content)),
    "lz4": lz4.frame.compress,
    "br": lambda content: bytes(brotli.compress(content, quality=3)),
    "snappy": lambda content: bytes(cramjam.snappy.compress(content)),
}
SEVERAL = ("gzip", "deflate", "zstd", "lz4", "snappy")
"""Encodings in which one body may follow another; brotli has no such thing."""


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("size", [1 << 30, 1000, 7])
def test_a_body_is_the_same_in_pieces_of_any_size(encoding: str, size: int) -> None:
    packed = PACK[encoding](CONTENT)

    assert b"".join(unpacked(encoding, pieces(packed, size))) == CONTENT


@pytest.mark.parametrize("encoding", SEVERAL)
@pytest.mark.parametrize("size", [1 << 30, 1000])
def test_every_member_of_a_body_counts(encoding: str, size: int) -> None:
    packed = PACK[encoding](b"first\n") + PACK[encoding](CONTENT) + PACK[encoding](b"last\n")

    found = b"".join(unpacked(encoding, pieces(packed, size)))

    assert found == b"first\n" + CONTENT + b"last\n"


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("left", [0.01, 0.5, 0.999])
def test_a_body_cut_short_is_an_error(encoding: str, left: float) -> None:
    packed = PACK[encoding](CONTENT)

    with pytest.raises(Fault) as refused:
        list(unpacked(encoding, [packed[: int(len(packed) * left)]]))

    assert refused.value.code == INCORRECT_DATA
    assert refused.value.what.startswith(f"The body cannot be unpacked as {encoding}: ")


@pytest.mark.parametrize("encoding", [each for each in PACK if each != "br"])
def test_a_damaged_body_is_an_error(encoding: str) -> None:
    packed = bytearray(PACK[encoding](CONTENT))
    packed[len(packed) // 2] ^= 0x55

    with pytest.raises(Fault) as refused:
        list(unpacked(encoding, [bytes(packed)]))

    assert refused.value.code == INCORRECT_DATA


@pytest.mark.parametrize("encoding", PACK)
def test_a_bomb_comes_out_in_pieces(encoding: str) -> None:
    # 64 MB of zeros; whoever stops after a few pieces has unpacked no more than those.
    bomb = PACK[encoding](bytes(64 << 20))

    some = list(islice(unpacked(encoding, [bomb]), 5))

    # brotli may pass the limit by its own buffer, which is a window's size at most (16 MB).
    most = PIECE_BYTES if encoding != "br" else 16 << 20
    assert len(some) == 5 or encoding == "br"
    assert all(0 < len(each) <= most for each in some)


@pytest.mark.parametrize("encoding", PACK)
def test_no_body_is_an_empty_body(encoding: str) -> None:
    assert list(unpacked(encoding, [])) == []


def test_bodies_without_an_encoding_stay_as_they_are() -> None:
    assert [list(unpacked(each, [b"a", b"b"])) for each in ("", "identity")] == [[b"a", b"b"]] * 2


def test_an_unknown_encoding_is_refused_before_anything_is_read() -> None:
    with pytest.raises(Fault) as refused:
        unpacked("bzip2", [])

    assert refused.value.code == NOT_IMPLEMENTED


MOST = 128 << 20


@pytest.mark.parametrize(
    ("size", "packed", "said"),
    [
        # Heads alone: whoever claims too much is not waited for.
        (MOST, MOST, "it ends too early"),
        (MOST + 1, MOST, "a block is too large"),
        (1, MOST + 1, "a block is too large"),
        (64 * 1_000, 1_000, "it ends too early"),
        (64 * 1_000 + 1, 1_000, "a block is too large"),
    ],
)
def test_a_block_of_hadoops_snappy_has_128_mib_and_64_times_its_packed_size_at_most(
    size: int, packed: int, said: str
) -> None:
    with pytest.raises(Fault) as refused:
        list(unpacked("snappy", [struct.pack(">II", size, packed)]))

    assert refused.value.what == f"The body cannot be unpacked as snappy: {said}."
