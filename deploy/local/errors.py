"""What can go wrong on the way to a running stack; each message is one sentence for the person who started it."""


class StackError(Exception):
    """Something is missing, taken or broken; the message says what, and what to do."""


class PortTakenError(StackError):
    """Another program took the port between our look and the server's bind; other ports are tried."""
