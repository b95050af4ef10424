"""The independent oracle: what must be stored, counted and shown, worked out from Kafka alone.

Its own consumer, book and fold. It runs no code of the product and reads none of its declarations.
A number counts as right when this and the pipeline agree on it.
"""

from tests.oracle.book import BOOK, Form, Sums, Topic
from tests.oracle.compare import Oracle, Place
from tests.oracle.law import Law, Record, Row

__all__ = ["BOOK", "Form", "Law", "Oracle", "Place", "Record", "Row", "Sums", "Topic"]
