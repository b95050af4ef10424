"""The independent oracle: what must be stored and counted, told from Kafka alone.

Its own consumer, a plain fold, no code of `streams/`. A number counts as right when this and the
pipeline agree on it.
"""

from tests.oracle.compare import Oracle, Place
from tests.oracle.law import Law, Record, Row

__all__ = ["Law", "Oracle", "Place", "Record", "Row"]
