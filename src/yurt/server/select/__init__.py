"""Which things a client's ``filters`` let through, one module per noun."""
