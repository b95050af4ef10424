"""Reads a form, which brings tables and a statement's parts over HTTP."""

from __future__ import annotations

from email.parser import BytesParser
from typing import NamedTuple

from infra.warehouse._fault import INCORRECT_DATA, Fault


class FormPart(NamedTuple):
    """A part of a form."""

    name: str
    is_file: bool
    content: bytes


def form(content_type: str, body: bytes) -> list[FormPart]:
    """The parts of a body of the type multipart/form-data.

    Raises:
        Fault: it is cut short, or it is no form.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode(errors="replace")
    message = BytesParser().parsebytes(head + body)
    if message.defects or not message.is_multipart():
        raise Fault(INCORRECT_DATA, "The form is cut short, or it is none.", do="Resend it.")
    found = []
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        is_file = part.get_filename() is not None  # type: ignore[union-attr]
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        found.append(FormPart(str(name or ""), is_file, content))  # type: ignore[arg-type]
    return found
