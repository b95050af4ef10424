"""The independent oracle: what must be stored, counted and shown, computed only from Kafka.

It has its own consumer, book and fold. It runs no code of the product and reads none of its
declarations. A number counts as right when the oracle and the pipeline agree on it.
"""

from tests.oracle.book import BOOK, Form, Sums, Topic
from tests.oracle.compare import Oracle, Place
from tests.oracle.law import Law, Record, Row

__all__ = ["BOOK", "Form", "Law", "Oracle", "Place", "Record", "Row", "Sums", "Topic"]
