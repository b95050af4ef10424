from __future__ import annotations

import pickle

import pytest

from schemas import errors as _errors
from schemas.errors import GulouError, Halted, Misconfigured, Refused, SchemaError, Unavailable

TREE = {GulouError: 1, SchemaError: 1, Refused: 2, Unavailable: 3, Misconfigured: 4, Halted: 5}


@pytest.mark.parametrize("kind", TREE)
def test_an_error_that_crosses_a_process_keeps_all_its_fields(kind: type[GulouError]) -> None:
    error = kind("petitions[3]@1042: time '2021' is no instant.", do="Fix the export.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.do, again.args) == (error.what, error.do, error.args)
    assert str(again) == "petitions[3]@1042: time '2021' is no instant. Fix the export."


def test_an_error_without_advice_is_its_sentence_alone() -> None:
    assert str(Halted("The stream stopped.")) == "The stream stopped."


def test_each_kind_of_error_has_its_own_exit_code() -> None:
    assert {kind: kind.exit_code for kind in TREE} == TREE


def test_the_tree_is_drawn_at_the_top_of_its_file() -> None:
    drawing = _errors.__doc__ or ""
    # A folder may define its own error under the root, such as an exception of the wire.
    below = [k for k in GulouError.__subclasses__() if k.__module__ == "schemas.errors"]
    assert [kind.__name__ for kind in below if f"── {kind.__name__} " not in drawing] == []
    assert set(below) <= set(TREE)
