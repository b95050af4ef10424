"""Numbers of persons are found in open texts however they are written; codes pass."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import blake2b, md5, sha1, sha256
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.event import Event
from schemas.families import families
from schemas.families.petition import PetitionRegistered
from schemas.open_text import Exposed, exposed, exposures
from schemas.reference.divisions import Divisions
from schemas.wire import OPEN_ATTRIBUTES, Decoder, Reason, Rejected
from tests.schemas.conftest import MakeMessage

MOBILE: Final = "13974500173"
LANDLINE: Final = "07452712345"
# 国家标准 GB 11643-1999, its own two examples; the sums modulo 11 are 9 and 2.
STANDARD: Final = ("11010519491231002X", "440524188001010014")
IDENTITY: Final = "431202199003074511"
OLD: Final = "431202900307451"


def check_digit(body: str) -> str:
    """ISO 7064 MOD 11-2: the whole number, X as 10, is 1 modulo 11 with weights 2^17 … 2^0."""
    total = sum(int(digit) * 2 ** (17 - n) for n, digit in enumerate(body))
    rest = (1 - total) % 11
    return "X" if rest == 10 else str(rest)


def identity(division: str, born: date, number: int) -> str:
    body = f"{division}{born:%Y%m%d}{number:03}"
    return body + check_digit(body)


def test_the_examples_of_the_standard_have_right_check_digits() -> None:
    assert [number[17] for number in STANDARD] == [check_digit(n[:17]) for n in STANDARD]
    assert exposed(STANDARD[0]) is Exposed.IDENTITY
    # Born in 1880: nobody living has that number.
    assert exposed(STANDARD[1]) is None


def wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)


def grouped(text: str, *lengths: int, by: str) -> str:
    parts: list[str] = []
    rest = text
    for length in lengths:
        parts, rest = [*parts, rest[:length]], rest[length:]
    return by.join([*parts, rest])


def in_script(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(c)) if c.isdigit() else c for c in text)


SPELLINGS: Final[dict[str, tuple[str, Exposed]]] = {
    "identity number": (IDENTITY, Exposed.IDENTITY),
    "identity number with a small x": ("11010519491231002x", Exposed.IDENTITY),
    "identity number of 15 digits": (OLD, Exposed.IDENTITY),
    "identity number of a child": (identity("431202", date(2018, 5, 1), 123), Exposed.IDENTITY),
    "residence permit": (identity("830000", date(1985, 5, 1), 12), Exposed.IDENTITY),
    "identity number in groups": (grouped(IDENTITY, 6, 8, by=" "), Exposed.IDENTITY),
    "identity number in fours": (grouped(IDENTITY, 4, 4, 4, 4, by="-"), Exposed.IDENTITY),
    "identity number in wide digits": (wide("11010519491231002X"), Exposed.IDENTITY),
    "identity number in a text": (f"见{IDENTITY}号", Exposed.IDENTITY),
    "identity number behind a year": (f"2021-{IDENTITY}", Exposed.IDENTITY),
    "old identity number in groups": (grouped(OLD, 6, 6, by="-"), Exposed.IDENTITY),
    "mobile": (MOBILE, Exposed.TELEPHONE),
    "mobile behind letters": (f"P{MOBILE}a", Exposed.TELEPHONE),
    "mobile in groups": (grouped(MOBILE, 3, 4, by=" "), Exposed.TELEPHONE),
    "mobile with dashes": (grouped(MOBILE, 3, 4, by="-"), Exposed.TELEPHONE),
    "mobile with long dashes": (grouped(MOBILE, 3, 4, by="—"), Exposed.TELEPHONE),
    "mobile with wide blanks": (grouped(MOBILE, 3, 4, by="\u3000"), Exposed.TELEPHONE),
    "mobile with colons": (grouped(MOBILE, 3, 4, by=":"), Exposed.TELEPHONE),
    "mobile over two lines": (grouped(MOBILE, 3, by="\n"), Exposed.TELEPHONE),
    "mobile by threes": (grouped(MOBILE, 3, 3, by=" "), Exposed.TELEPHONE),
    "mobile by fours": (grouped(MOBILE, 4, 3, by=" "), Exposed.TELEPHONE),
    "mobile digit by digit": (" ".join(MOBILE), Exposed.TELEPHONE),
    "mobile digit by digit behind its first two": (
        " ".join([MOBILE[:2], *MOBILE[2:]]), Exposed.TELEPHONE,
    ),
    "mobile in several lines": (grouped(MOBILE, 3, 4, by="\u2028"), Exposed.TELEPHONE),
    "mobile in several paragraphs": (grouped(MOBILE, 3, 4, by="\u2029"), Exposed.TELEPHONE),
    "mobile with an invisible break": (grouped(MOBILE, 3, 4, by="\u200b"), Exposed.TELEPHONE),
    "mobile of another country's form": (f"+86 {MOBILE}", Exposed.TELEPHONE),
    "mobile with a code": (f"86{MOBILE}", Exposed.TELEPHONE),
    "mobile with a long code": (f"0086-{MOBILE}", Exposed.TELEPHONE),
    "mobile with a zero": (f"0{MOBILE}", Exposed.TELEPHONE),
    "mobile in wide digits": (wide(MOBILE), Exposed.TELEPHONE),
    "mobile in mathematical digits": (in_script(MOBILE, "𝟎"), Exposed.TELEPHONE),
    "mobile in Arabic digits": (in_script(MOBILE, "٠"), Exposed.TELEPHONE),
    "mobile in circles": ("①③⑨⑦④⑤⓪⓪①⑦③", Exposed.TELEPHONE),
    "mobile of keycaps": ("\ufe0f\u20e3".join(MOBILE), Exposed.TELEPHONE),
    "landline": (LANDLINE, Exposed.TELEPHONE),
    "landline with a dash": ("0745-2712345", Exposed.TELEPHONE),
    "landline in brackets": ("(0745) 2712345", Exposed.TELEPHONE),
    "landline in wide brackets": ("（０７４５）２７１２３４５", Exposed.TELEPHONE),
    "landline of eight digits": ("0731-82212345", Exposed.TELEPHONE),
    "landline of a metropolis": ("010-6512 3456", Exposed.TELEPHONE),
    "landline from abroad": ("+86-745-2712345", Exposed.TELEPHONE),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_number_of_a_person_is_found_in_every_spelling(name: str) -> None:
    text, kind = SPELLINGS[name]
    assert exposed(text) is kind
    # Among a thousand other texts of a chunk too, wherever it stands.
    others = [f"P-{n}" for n in range(1_000)]
    for place in (0, 500, 1_000):
        assert exposures([*others[:place], text, *others[place:]]) == {text: kind}
    assert exposures([text, "with a NUL\0in it"]) == {text: kind}


CODES: Final = (
    *("", "P-1", "XF-431202-2021-000123", "2021-000123456", "信〔2021〕7号", "431202-网格中心"),
    *("431202", "431202001", "431202001001", "F-431202001001", "//huaihua/grid"),
    # A number of the office, its year and a serial number.
    *("13-2021-00012", "138-2021-0001", "XF-0745-2021-0001", "139-1999-0007"),
    # County, day and serial number of the day; all of them below 100 pass.
    *(f"431202{20210301}{n:04}" for n in range(100)),
    *(f"431202-20210301-{n:04}" for n in range(100)),
    *(f"431202{day:%y%m%d}{n:03}" for day in (date(2021, 3, 1), date(2009, 3, 1)) for n in (1, 99)),
    # Instants: days, seconds, milliseconds, nanoseconds.
    *("20210301", "20210301090000", "20210301090000123", "2021-03-01T09:00:00.123+08:00"),
    *("1614560400", "1614560400000", "1614560400000000000"),
    # Amounts in fen and in yuan.
    *("312000000", "31200000000", "12974500173", "139745001730", "139,745,001.73"),
    # One digit too many or too few, a wrong check digit, a day or a province there is not.
    *(MOBILE + "0", "2" + MOBILE[1:], "1" + MOBILE, MOBILE[:-1], "10000000000", "12000000000"),
    *(IDENTITY[:-1] + "8", IDENTITY + "1", "0" + IDENTITY, IDENTITY[:-1]),
    *(identity("431202", date(1990, 2, 28), 451).replace("0228", "0230"), "431202901307451"),
    identity("991202", date(1790, 3, 7), 451),
    "671202900307451",
    # What every caller may know.
    *("12345", "110", "400-800-1234", "95588"),
    str(uuid.UUID("139745d0-0173-4a97-8450-013974500173")),
    f"k1.{MOBILE}{'a' * 21}:registered",
)  # fmt: skip


@pytest.mark.parametrize("text", CODES)
def test_a_code_is_no_number_of_a_person(text: str) -> None:
    assert exposed(text) is None
    assert exposures([text]) == {}


def test_a_form_of_digits_alone_is_no_digest_and_a_made_up_uuid_is_none() -> None:
    assert exposed("0" * 13 + "-" + IDENTITY) is Exposed.IDENTITY
    assert exposed(f"00000000-0000-0000-0000-0{MOBILE}") is Exposed.TELEPHONE


def test_a_uuid_has_one_of_eight_versions_and_one_variant() -> None:
    # RFC 9562, 4.1 and 4.2: variant 8 to b; versions 1 to 8, and none that is still to come.
    passing = {
        (version, variant)
        for version in "0123456789abcdef"
        for variant in "0123456789abcdef"
        if exposed(f"00000000-0000-{version}000-{variant}000-0{MOBILE}") is None
    }
    assert passing == {(version, variant) for version in "12345678" for variant in "89ab"}


def test_every_micro_grid_of_the_city_passes_where_the_divisions_are_known() -> None:
    divisions = Divisions.load()
    grids = [f"{village.code}{n}" for village in divisions.villages for n in ("001", "001002")]
    assert exposures(grids, divisions) == {}
    # Without them some look like identity numbers: that is why they are asked.
    assert exposures(grids) != {}


def test_digests_and_random_ids_pass() -> None:
    dice = random.Random(7)
    ids = [
        made
        for n in range(20_000)
        for made in (
            md5(str(n).encode()).hexdigest(),
            sha1(str(n).encode()).hexdigest(),
            sha256(str(n).encode()).hexdigest(),
            blake2b(str(n).encode(), digest_size=12).hexdigest(),
            str(uuid.UUID(int=dice.getrandbits(128), version=4)),
            f"k1.{md5(str(n).encode()).hexdigest()}:registered",
        )
    ]
    assert exposures(ids) == {}


@given(
    st.sampled_from(["110105", "431202", "540102", "650102", "820000"]),
    st.dates(date(1900, 1, 1), date(1999, 12, 31)),
    st.integers(0, 999),
    st.sampled_from(["", " ", "-", "/"]),
)
@example("431202", date(1900, 1, 1), 0, "")
def test_every_identity_number_of_the_last_century_is_found_and_one_with_a_wrong_digit_is_not(
    division: str, born: date, number: int, by: str
) -> None:
    whole = identity(division, born, number)
    assert exposed(grouped(whole, 6, 8, by=by)) is Exposed.IDENTITY
    for other in set("0123456789X") - {whole[17]}:
        assert exposed(whole[:17] + other) is None


@given(st.dates(date(1930, 1, 1), date(1999, 12, 31)), st.integers(0, 999))
def test_every_old_identity_number_of_a_person_born_since_1930_is_found(
    born: date, number: int
) -> None:
    assert exposed(f"431202{born:%y%m%d}{number:03}") is Exposed.IDENTITY


@given(st.integers(0, 10**9 - 1), st.sampled_from("3456789"))
def test_every_mobile_is_found(number: int, second: str) -> None:
    mobile = f"1{second}{number:09}"
    assert exposed(f"P-{mobile}") is Exposed.TELEPHONE
    assert exposed(wide(mobile)) is Exposed.TELEPHONE


MOBILE_GROUPS: Final = (
    *((), (3,), (3, 4), (4, 3), (3, 3)),
    (2, *[1] * 8),  # digit by digit behind the first two
    (1,) * 10,
)
LANDLINE_GROUPS: Final = {
    # Digits of the area code with its 0, of the number: the ways to break the number.
    (3, 8): ((), (3,), (3, 4)),
    (4, 7): ((), (4,), (4, 3)),
    (4, 8): ((), (4,), (4, 4)),
}


def _telephones(chance: random.Random) -> Iterator[str]:
    """Telephone numbers of every digit, in every grouping, with every separator."""
    by = "- \t.:/"
    for lengths in MOBILE_GROUPS:
        digits = f"1{chance.choice('3456789')}{chance.randrange(10**9):09}"
        yield grouped(digits, *lengths, by=chance.choice(by))
    for (area, number), ways in LANDLINE_GROUPS.items():
        head = (
            chance.choice(["010", *(f"02{n}" for n in range(10))])
            if area == 3
            else f"0{chance.choice('3456789')}{chance.randrange(100):02}"
        )
        digits = (
            f"{head}{chance.choice('23456789')}{chance.randrange(10 ** (number - 1)):0{number - 1}}"
        )
        for lengths in ways:
            yield grouped(digits, *lengths, by=chance.choice(by))


def test_telephone_numbers_of_every_digit_are_found_in_every_grouping() -> None:
    chance = random.Random(20211231)
    # A group that looks like a year makes it a number of the office, such as 138-2021-0001.
    year = re.compile(r"[^0-9](?:19|20)[0-9]{2}[^0-9]")
    texts = [text for _ in range(400) for text in _telephones(chance) if not year.search(text)]
    assert len(texts) > 6_000
    assert [text for text in texts if exposed(text) is not Exposed.TELEPHONE] == []


@given(st.lists(st.text(st.sampled_from("0139７２x- \0:号"), max_size=24), max_size=20))
def test_many_texts_at_once_are_judged_like_each_alone(texts: list[str]) -> None:
    alone = {text: kind for text in texts if (kind := exposed(text)) is not None}
    assert exposures(texts) == alone


# -- events


def open_fields() -> Iterator[Any]:
    for family in families():
        for cls in family.events:
            for name, spec in cls.fields.items():
                if spec.stored == "String" and not spec.personal and not spec.choices:
                    yield pytest.param(cls, name, id=f"{cls.spec.name}.{name}")


def refusal(decoder: Decoder, payload: bytes) -> Rejected:
    found, *_ = decoder.one(payload)
    assert decoder([payload, payload]) == [found, found]
    assert isinstance(found, Rejected)
    return found


@pytest.mark.parametrize(("cls", "name"), list(open_fields()))
@pytest.mark.parametrize("value", [MOBILE, IDENTITY, f"A-{MOBILE}"])
def test_an_open_field_with_a_number_of_a_person_is_refused_by_its_name_only(
    cls: type[Event], name: str, value: str, decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    why = refusal(decoders[cls.topic], message(cls, {name: value}))
    kind = "居民身份证号" if value == IDENTITY else "电话号码"
    assert why == Rejected(Reason.PERSONAL, f"data.{name}: 含有{kind}，明文字段不得填写")
    assert why.status == "dead"


@pytest.mark.parametrize("name", OPEN_ATTRIBUTES)
def test_an_open_attribute_with_a_number_of_a_person_is_refused_by_its_name_only(
    name: str, decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    payload = message(PetitionRegistered, **{name: f"a.{MOBILE}"})
    why = refusal(decoders["petitions"], payload)
    assert why == Rejected(Reason.PERSONAL, f"{name}: 含有电话号码，明文字段不得填写")


def test_every_text_of_the_envelope_is_checked_or_is_a_code(message: MakeMessage) -> None:
    sent = json.loads(message(PetitionRegistered, grid="431202001001001"))
    texts = set(sent) - {"data"} | set(OPEN_ATTRIBUTES)
    # A grid lies inside a village that exists; instants and names of types have one form.
    codes = {"specversion", "type", "dataschema", "time", "recorded", "division", "grid"}
    assert texts - codes == set(OPEN_ATTRIBUTES)


def test_an_old_version_with_a_number_of_a_person_is_refused_too(
    decoders: dict[str, Decoder],
) -> None:
    event = {
        "specversion": "1.0",
        "id": MOBILE,
        "source": "s",
        "type": "visit.recorded",
        "dataschema": "urn:gulou:visit.recorded:1",
        "time": "2021-03-01T09:00:00+08:00",
        "recorded": "2021-03-01T09:00:00+08:00",
        "division": "431202001001",
        "data": {
            "household": f"k1.{'0' * 32}",
            "role": "cadre",
            "purpose": "routine",
            "lasted_hours": 1,
            "met": 2,
        },
    }
    why = refusal(decoders["visits"], json.dumps(event).encode())
    assert why == Rejected(Reason.PERSONAL, "id: 含有电话号码，明文字段不得填写")


@pytest.mark.parametrize(
    ("actor", "taken"),
    [
        ("431202-网格中心", True),
        ("431202001-综治办", True),
        ("431202001001-网格3", True),
        ("clerk-17", True),
        (f"k1.{'0' * 32}", True),
        ("张三", False),
        ("欧阳小满", False),
        ("网格中心", False),
        ("43120-网格中心", False),
        ("431202-张三 主任", False),
        ("网格员 张三", False),
        (f"张三 {MOBILE}", False),
    ],
)
def test_an_actor_is_a_code_a_pseudonym_or_an_office_behind_its_division(
    actor: str, taken: bool, decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    payload = json.loads(message(PetitionRegistered)) | {"actor": actor}
    found, *_ = decoders["petitions"].one(json.dumps(payload, ensure_ascii=False).encode())
    assert isinstance(found, dict) is taken
    if isinstance(found, Rejected):
        assert found.reason == "field" and found.message.startswith("actor: ")
        assert actor not in found.message


@pytest.mark.parametrize("days", [0, 1, 365])
def test_a_birthday_of_today_is_an_identity_number_unless_it_reads_as_a_serial_number(
    days: int,
) -> None:
    born = date(2024, 1, 1) + timedelta(days=days)
    assert exposed(identity("431202", born, 10)) is Exposed.IDENTITY
    assert exposed(identity("431202", born, 9)) is None
