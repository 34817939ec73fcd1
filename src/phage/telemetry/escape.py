"""Text from the network, made safe to show."""

from __future__ import annotations


def escape(text: str) -> str:
    r"""Escape what could steer a terminal or forge a line: control characters, reordering marks.

    A backslash is left as it is: the text is for reading, not for parsing back.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
