"""What can be wrong with a configuration file or with an override on the command line."""

from __future__ import annotations


class ConfigError(ValueError):
    """A configuration cannot be used; the message names the file, the key and the remedy."""


class ConfigKeyError(ConfigError, KeyError):
    """A key is not known.

    Attributes:
        keys: the unknown dotted keys.
    """

    def __init__(self, message: str, keys: tuple[str, ...]) -> None:
        super().__init__(message)
        self.keys = keys

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return self.args[0]


class ConfigTypeError(ConfigError, TypeError):
    """The value of a key has the wrong type."""
