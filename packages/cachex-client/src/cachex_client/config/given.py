"""What was given for an option, where, and how to say that it will not do."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

import attrs

from cachex_client.config import readers
from cachex_client.config.foreign import REFUSED
from cachex_client.config.option import Option
from cachex_client.config.options import BY_NAME
from cachex_client.config.topologies import Topology
from cachex_client.errors import ConfigurationError
from cachex_pool.checks import encodes, quoted

GROUPS = ("cache", "client", "topology", "endpoint", "tls", "pool")


@attrs.frozen
class Given:
    """One value of one option, and the place it was found at; `is_none` if None was given."""

    option: Option
    value: Any
    where: str
    is_none: bool = False


class Options:
    """The options of one entry, from wherever they are given."""

    def __init__(self) -> None:
        self.given: dict[str, Given] = {}

    def take_all(self, options: Mapping[str, Any], where: str) -> None:
        """Take a dict of options, and those inside of it."""
        for name, value in options.items():
            given = read(name, value, f"{where}[{quoted(name)}]")
            if given.option.reader is readers.MAPPING and not given.option.goes:
                self.take_all(given.value, given.where)
                continue
            earlier = self.given.setdefault(given.option.name, given)
            if earlier.value != given.value:
                refuse(given.where, f"contradicts {earlier.where}: give it once")

    def overrule(self, given: Given) -> None:
        """Take an option that beats what was given before."""
        self.given[given.option.name] = given

    def take(self, option: Option, value: Any, where: str) -> None:
        """Take one option that was given elsewhere."""
        self.given[option.name] = Given(option, convert(option, value, where), where)

    def grouped(self) -> dict[str, dict[str, Any]]:
        """Return the values by what they are for, without those that mean the default."""
        groups: dict[str, dict[str, Any]] = {name: {} for name in GROUPS}
        for given in self.given.values():
            group, _, name = given.option.goes.partition(".")
            if name and given.value is not None:
                groups[group][name] = given.value
        return groups

    def where(self, name: str) -> str:
        """Return the place of an option that was given."""
        return self.given[name].where

    def check(self, topology: Topology) -> None:
        """Refuse options that say nothing where this topology is."""
        for given in self.given.values():
            if topology not in given.option.of:
                classes = " or ".join(one.client_class for one in given.option.of)
                refuse(
                    given.where, f"belongs to CLIENT_CLASS {classes}; here {topology.its_servers}"
                )

    def about_tls(self) -> str:
        """Name the options given that only make sense with TLS, unless SSL=False turns it off."""
        if "SSL" in self.given and self.given["SSL"].value is False:
            return ""
        return ", ".join(
            name
            for name, given in self.given.items()
            if (given.option.goes.startswith("tls.") and not given.is_none)
            or (name == "SSL" and given.value)
        )


def read(name: Any, value: Any, where: str) -> Given:
    """Return an option and its value; ConfigurationError if there is none such."""
    option = find(name, where)
    return Given(option, convert(option, value, where), where, value is None)


def find(name: Any, where: str) -> Option:
    """Return the option of this name, in capitals or in small letters."""
    if not isinstance(name, str):
        refuse(where, f"the name of an option is a str, not a {kind_of(name)}")
    upper = name.upper()
    known = upper if name in (upper, name.lower()) else ""
    if known in REFUSED:
        refuse(where, f"is not an option here: {REFUSED[known]}")
    if known not in BY_NAME:
        refuse(where, f"there is no such option{nearest(upper, BY_NAME)}")
    return BY_NAME[known]


def is_like(name: str) -> bool:
    """Say whether a name is that of an option, or looks like one."""
    upper = name.upper()
    return upper in BY_NAME or upper in REFUSED or bool(nearest(upper, BY_NAME))


def nearest(name: Any, known: Any) -> str:
    """Ask whether one of the known names was meant, if one looks like it."""
    near = get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def convert(option: Option, value: Any, where: str) -> Any:
    """Return what is meant by a value, or say what was expected, what was given and where."""
    got = f"; got {shown(option, value)}"
    try:
        return option.reader.convert(value)
    except readers.Broken as error:
        reason = f": {error}"
    except readers.Unreadable as error:
        reason = got if option.secret else f": {error}"
    except Exception:  # of a wrong type, or whatever a class of others raises
        reason = got
    return refuse(where, f"expected {option.reader.expects}{reason}")


def shown(option: Option, value: Any) -> str:
    """Show a value, unless it is or may hold a secret."""
    if isinstance(value, str) and not encodes(value):
        return "text that does not encode as UTF-8"
    if option.secret or not isinstance(value, str | int | float):
        return f"a {kind_of(value)}"
    text = quoted(value)
    return f"a {kind_of(value)}" if "://" in text else text


def kind_of(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


def refuse(where: str, what: str) -> NoReturn:
    """Raise ConfigurationError, without what led to it: that may hold secrets."""
    raise ConfigurationError(f"{where}: {what}") from None
