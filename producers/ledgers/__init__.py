"""Imports county ledgers (CSV, XLSX, JSONL) as events, by a mapping file."""

from producers.ledgers.importing import ImportReport, OnRows, import_ledger

__all__ = ["ImportReport", "OnRows", "import_ledger"]
