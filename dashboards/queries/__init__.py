"""The panels' SQL: one named function per query, one file per theme."""
