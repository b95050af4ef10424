"""What happened: the event families, and all that derives from them."""
