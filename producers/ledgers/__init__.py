"""County ledgers become events: CSV, XLSX and JSONL, with a mapping file that says what is what."""

from producers.ledgers.importing import ImportReport, OnRows, import_ledger

__all__ = ["ImportReport", "OnRows", "import_ledger"]
