"""The ClickHouse text that derives from the families; text only, no connection."""
