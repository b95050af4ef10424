"""How it is seen: boards as code and the server that shows them."""
