"""What is known of an option; `options.py` has them all."""

import attrs

from cachex_client.config.readers import Reader
from cachex_client.config.topologies import EVERY, Topology


@attrs.frozen(kw_only=True)
class Option:
    """
    One entry of OPTIONS.

    `goes` says what it sets: a group and a name in it, such as `pool.max_size`; an empty
    `goes` is checked and otherwise unused. `default` is the text of the default, for people.
    The value of a `secret` is never shown. `setting` is the end of the name of the Django
    setting that gives the value where OPTIONS does not. `of` are
    the topologies it makes sense for.
    """

    name: str
    aliases: tuple[str, ...] = ()
    reader: Reader
    goes: str = ""
    default: str = ""
    doc: str
    secret: bool = False
    setting: str = ""
    of: tuple[Topology, ...] = EVERY

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases."""
        return (self.name, *self.aliases)


@attrs.frozen
class Topic:
    """Options that belong together: a heading of the reference."""

    title: str
    options: tuple[Option, ...]


def option(
    name: str,
    goes: str,
    reader: Reader,
    default: str,
    doc: str,
    *aliases: str,
    secret: bool = False,
    setting: bool = False,
    of: tuple[Topology, ...] = EVERY,
) -> Option:
    return Option(
        name=name,
        goes=goes,
        reader=reader,
        default=default,
        doc=doc,
        aliases=aliases,
        secret=secret,
        setting=name if setting else "",
        of=of,
    )
