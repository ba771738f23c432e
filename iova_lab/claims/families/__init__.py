"""The claims themselves, one module a family; each has a ``YEAR``."""
