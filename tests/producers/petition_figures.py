"""The figures of the real petitions, computed from the file by openpyxl and the standard library.

It uses no code of Gulou. `QUERY` gets the same figures from the running warehouse.
"""

from __future__ import annotations

import statistics
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl

LEDGER = Path(__file__).parents[2].parent / "shared" / "data" / "petitions" / "附件4_留言_答复.xlsx"
MAPPING = Path(__file__).parents[2] / "docs" / "examples" / "petitions-mapping.toml"
SOURCE = "wenzheng"
_FORMATS = ("%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d")

QUERY = """
WITH
  registered AS (
    SELECT JSONExtractString(data, 'petition') AS petition, min(time) AS at,
      any(JSONExtractString(data, 'petitioner')) AS petitioner,
      any(JSONExtractString(data, 'content')) AS content
    FROM {database}.events_petitions
    WHERE type = 'petition.registered' AND status = 'ok' AND source = '{source}'
    GROUP BY petition
  ),
  replied AS (
    SELECT JSONExtractString(data, 'petition') AS petition, min(time) AS at
    FROM {database}.events_petitions
    WHERE type = 'petition.replied' AND status = 'ok' AND source = '{source}'
    GROUP BY petition
  ),
  days AS (
    SELECT dateDiff('second', registered.at, replied.at) / 86400 AS n
    FROM registered INNER JOIN replied USING petition
  ),
  pairs AS (SELECT count() AS n FROM registered GROUP BY content),
  twice AS (SELECT count() AS n FROM registered GROUP BY petitioner, at, content)
SELECT
  (SELECT count() FROM registered) AS cases,
  (SELECT count() FROM days) AS replied,
  (SELECT round(quantileExactInclusive(0.5)(n), 4) FROM days) AS median_days,
  (SELECT round(quantileExactInclusive(0.9)(n), 4) FROM days) AS p90_days,
  (SELECT countIf(n > 1) FROM (SELECT count() AS n FROM registered GROUP BY petitioner))
    AS repeat_petitioners,
  (SELECT sum(n * (n - 1) / 2) FROM pairs) AS equal_content_pairs,
  (SELECT sum(n * (n - 1) / 2) FROM twice) AS filed_twice_pairs
"""


def figures(ledger: Path = LEDGER) -> dict[str, float]:
    """The figures by column of `QUERY`.

    `equal_content_pairs` are petitions with equal subject and text except for blanks;
    `filed_twice_pairs` are those of them sent by one person within one second.
    """
    book = openpyxl.load_workbook(ledger, read_only=True)
    lines = book.worksheets[0].iter_rows(min_row=2, values_only=True)
    rows = [line for line in lines if any(cell is not None for cell in line)]
    book.close()
    days = [
        (instant(replied) - instant(sent)).total_seconds() / 86_400
        for _, _, _, sent, _, _, replied in rows
    ]
    content = [squeezed(title) + "|" + squeezed(text) for _, _, title, _, text, _, _ in rows]
    users = Counter(user for _, user, *_ in rows)
    return {
        "cases": len({number for number, *_ in rows}),
        "replied": len(days),
        "median_days": round(statistics.median(days), 4),
        "p90_days": round(statistics.quantiles(days, n=10, method="inclusive")[8], 4),
        "repeat_petitioners": sum(count > 1 for count in users.values()),
        "equal_content_pairs": pairs(content),
        "filed_twice_pairs": pairs(
            (row[1], instant(row[3]), text) for row, text in zip(rows, content, strict=True)
        ),
    }


def pairs(values: Iterable[Hashable]) -> int:
    """Number of pairs of equal values."""
    return sum(count * (count - 1) // 2 for count in Counter(values).values())


def instant(cell: Any) -> datetime:
    """The instant in a cell: two text formats, one real datetime and one bare date occur."""
    if isinstance(cell, datetime):
        return cell
    for form in _FORMATS:
        try:
            return datetime.strptime(cell.strip(), form)  # noqa: DTZ007 - one zone, no DST: only differences count
        except ValueError:
            continue
    raise ValueError(cell)


def squeezed(text: str) -> str:
    """Text without blanks, in NFKC width; _x000D_ is XLSX for a carriage return."""
    text = unicodedata.normalize("NFKC", text.replace("_x000D_", ""))
    return "".join(char for char in text if not char.isspace())
