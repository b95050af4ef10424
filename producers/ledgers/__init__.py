"""County ledgers become events: CSV, XLSX and JSONL, with a mapping file that says what is what."""

from producers.ledgers.importing import OnProgress, Report, import_ledger

__all__ = ["OnProgress", "Report", "import_ledger"]
