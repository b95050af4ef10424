"""Boards as code, and the server that shows them."""
