"""Hosts as people give them on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    _HostType = click.ParamType[str]
else:
    _HostType = click.ParamType  # Not generic before click 8.4.


class Host(_HostType):
    """An IP or MAC address, in any of the ways to write it; "" is none."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as phage writes it: 2001:db8::1, 02:00:5e:00:53:01."""
        from phage.records.address import format_address, format_mac, parse_address, parse_mac

        if not value:
            return ""
        try:
            return format_address(parse_address(value)) or value
        except ValueError:
            pass
        try:
            return format_mac(parse_mac(value)) or value
        except ValueError:
            known = "`phage devices list` has those of devices"
            self.fail(f"{value!r} is neither an IP nor a MAC address; {known}", param, ctx)
