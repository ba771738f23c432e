"""The errors that a user or the environment causes; every other exception is a bug of the lab.

The message is for the user: what is wrong, where, and what to do.  `iova_lab.commands.cli`
prints it as one line.  Each class is also an exception of Python's own that callers expect at that
place.

Standard library only: the package build imports this module.
"""


class IovaLabError(Exception):
    """Base of every error that a user or the environment can mend."""


class NotFoundError(IovaLabError, LookupError):
    """No variant, workload, claim or file of this name; the message lists those that exist."""


class InvalidValueError(IovaLabError, ValueError):
    """A value that is out of range, or that does not fit the others; the message has the range."""


class InvalidTypeError(IovaLabError, TypeError):
    """A value of another type than was requested."""


class NoResultsError(NotFoundError):
    """Nothing has been measured yet; the message has the folder and the command that measures."""
