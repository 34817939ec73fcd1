"""phalanx's detector.conf (TOML): thresholds for each source, and the time of its ban.

Every `timeduration` seconds phalanx compares what it counted of a source with `maxreq`, `maxpkts`
and `maxbytes`, and bans a source that has more for `bantime` seconds. A request is a packet with
`capturemode = "host-based"` and a flow record with "netflow"; packets and octets are counted with
"netflow" only.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, ClassVar

from phage.errors import ConfigError
from phage.policy.adoption.values import Faults, networks, number
from phage.policy.importer import Excess, Imported, ImportedRule, NotImported, SettingChange
from phage.policy.reading.match import MAX_RATE, MAX_RATE_SECONDS
from phage.policy.reading.time import MAX_SECONDS

if TYPE_CHECKING:
    from phage.policy.importer import Source

MAX_OCTETS = 65_536
"""The file has ten lines; the parser takes time that grows with the square of a dotted key."""

MAX_LINE = 4096
"""Octets of one line, for the same reason."""

FOREVER = 7 * 86_400
"""Seconds of a ban in place of one without end."""

LONGEST = int(MAX_SECONDS)
"""Seconds of the longest ban; ipset's own limit is 24 days."""

_KEYS = (
    "maxreq", "maxpkts", "maxbytes", "timeduration", "bantime", "whitelist", "dryrun",
    "capturemode", "banmode",
)  # fmt: skip
_CLAIM = re.compile(rf"^\s*[\"']?(?:{'|'.join(_KEYS)})[\"']?\s*=", re.MULTILINE | re.IGNORECASE)
_PLACE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)$")

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


class Phalanx:
    """Reads thresholds and the white list of phalanx."""

    name: ClassVar[str] = "phalanx"
    summary: ClassVar[str] = "phalanx's detector.conf: thresholds and bans"

    def claims(self, source: Source) -> int:
        """Return how many lines set a key of detector.conf."""
        return len(_CLAIM.findall(source.text))

    def read(self, source: Source) -> Imported:
        """Read a file. Raises ConfigError that names file and line of what is wrong."""
        return _Reading(source, _parse(source)).all()


def _parse(source: Source) -> dict[str, Any]:
    """Return the values of a TOML text, by key in lower case, as phalanx's own parser has them."""
    if len(source.text) > MAX_OCTETS:
        message = f"{source.name}: is larger than {MAX_OCTETS} octets; that is no detector.conf"
        raise ConfigError(message)
    for index, line in enumerate(source.text.splitlines(), 1):
        if len(line) > MAX_LINE:
            message = f"{source.place(index)}: is longer than {MAX_LINE} octets; break the line"
            raise ConfigError(message)
    try:
        values = tomllib.loads(source.text)
    except RecursionError:
        message = f"{source.place(1)}: is nested too deep; detector.conf is flat"
        raise ConfigError(message) from None
    except ValueError as error:  # Also an integer with too many digits.
        raise ConfigError(_syntax(source, error)) from error
    folded: dict[str, Any] = {}
    for key, value in values.items():
        if key.lower() in folded:
            message = f"{source.place(_line(source.text, key))}: {key}: stands here a second time"
            raise ConfigError(message)
        folded[key.lower()] = value
    return folded


def _syntax(source: Source, error: ValueError) -> str:
    text = str(error)
    match = _PLACE.search(text)
    line = int(match[1]) if match and match[1] else max(1, source.text.rstrip().count("\n") + 1)
    reason = _PLACE.sub("", text)
    if not isinstance(error, tomllib.TOMLDecodeError):
        line, reason = _long_number(source.text), "a number has too many digits"
    return f"{source.place(line)}: is not TOML: {reason}; check quotes and brackets"


def _long_number(text: str) -> int:
    found = re.search(r"[0-9_]{1000,}", text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _line(text: str, key: str) -> int:
    """Return the line that sets a key of the flat file; 1 where it cannot be found."""
    pattern = rf"^[ \t]*\[*[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]"
    found = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


class _Reading:
    """One reading of one file."""

    def __init__(self, source: Source, values: dict[str, Any]) -> None:
        self._source = source
        self._values = values
        self._faults = Faults()
        self._settings: list[SettingChange] = []
        self._left: list[NotImported] = []
        self._warnings: list[str] = []

    def all(self) -> Imported:
        """Read every key."""
        for key in self._values:
            if key not in _KEYS:
                self._leave(key, key, "phalanx's detector.conf knows no such key")
        host_based = self._capture_mode() == "host-based"
        seconds = self._whole("timeduration", MAX_RATE_SECONDS)
        ban = self._ban_seconds()
        self._white_list()
        self._modes()
        rules = tuple(self._thresholds(seconds, ban, host_based=host_based))
        self._faults.raise_any()
        return Imported(
            Phalanx.name, rules, tuple(self._settings), tuple(self._left), tuple(self._warnings)
        )

    def _thresholds(self, seconds: int, ban: int, *, host_based: bool) -> list[ImportedRule]:
        units = {
            "maxreq": ("requests", "packets" if host_based else "connections"),
            "maxpkts": ("packets", "packets"),
            "maxbytes": ("octets", "octets"),
        }
        rules = []
        for index, (key, (what, unit)) in enumerate(units.items(), 1):
            limit = self._whole(key, MAX_RATE)
            if not limit:
                continue
            if host_based and key != "maxreq":
                self._leave(key, f"{key} = {limit}", "host-based phalanx does not look at it")
            elif not seconds or not ban:
                missing = "timeduration" if not seconds else "bantime"
                self._leave(key, f"{key} = {limit}", f"needs {missing}, which is not set")
            else:
                name = f"phalanx: more than {limit} {what} in {seconds} s"
                excess = Excess(limit, unit, seconds)
                line = _line(self._source.text, key)
                rules.append(
                    ImportedRule(name, line, "ban", index * 10, excess=excess, seconds=ban)
                )
        return rules

    def _whole(self, key: str, most: int) -> int:
        """Return a positive number; 0 when it is not set, or is wrong, which is noted."""
        value = self._values.get(key)
        if value is None:
            return 0
        found = number(value)
        if found is None or found > most:
            self._fault(key, f"must be a whole number up to {most}")
            return 0
        if found <= 0:
            reason = "phalanx would count for no time at all"
            if key.startswith("max"):
                reason = "phalanx would ban whoever sends a packet"
            self._leave(key, f"{key} = {found}", reason)
            return 0
        return found

    def _ban_seconds(self) -> int:
        value = self._values.get("bantime")
        if value is None:
            return 0
        found = number(value)
        if found is None or not 0 <= found <= LONGEST:
            self._fault("bantime", f"must be seconds, from 0 to {LONGEST}")
            return 0
        if found == 0:
            where = self._source.place(_line(self._source.text, "bantime"))
            self._warnings.append(f"{where}: a ban without end becomes one of 7 days")
            return FOREVER
        return found

    def _white_list(self) -> None:
        value = self._values.get("whitelist")
        if value is None or value == []:
            return
        try:
            found = networks(value)
        except ValueError as error:
            self._fault("whitelist", str(error))
            return
        if not found:
            reason = "everything would be allowed; no rule could ever act"
            self._leave("whitelist", "whitelist", reason)
            return
        line = _line(self._source.text, "whitelist")
        note = "phalanx reads it in host-based mode only; here it always holds"
        self._settings.append(SettingChange(ALLOW_KEY, list(found), line, note))

    def _capture_mode(self) -> str:
        mode = self._text("capturemode", ("host-based", "netflow"))
        if mode == "netflow":
            self._leave(
                "capturemode", 'capturemode = "netflow"',
                "import collector.conf too: it says where NetFlow is taken",
            )  # fmt: skip
        elif mode:
            reason = "phage watches its interfaces anyway"
            self._leave("capturemode", f'capturemode = "{mode}"', reason)
        return mode

    def _modes(self) -> None:
        mode = self._text("banmode", ("ipset", "trigger"))
        if mode == "ipset":
            reason = (
                "nftables bans as well; where iptables is used, set respond.responders: [ipset]"
            )
            self._leave("banmode", 'banmode = "ipset"', reason)
        elif mode:
            reason = "set respond.responders: [script], and its path and style: phalanx"
            self._leave("banmode", f'banmode = "{mode}"', reason)
        dry = self._values.get("dryrun")
        if dry is None:
            return
        if not isinstance(dry, bool) and str(dry).strip().lower() not in (*_TRUE, *_FALSE):
            self._fault("dryrun", 'must be "true" or "false"')
        else:
            reason = "every imported rule arrives in dry-run"
            self._leave("dryrun", f"dryrun = {str(dry).lower()}", reason)

    def _text(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self._values.get(key)
        if value is None:
            return ""
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in allowed:
            self._fault(key, f"must be {' or '.join(allowed)}")
            return ""
        return word

    def _fault(self, key: str, text: str) -> None:
        where = self._source.place(_line(self._source.text, key))
        shown = repr(self._values.get(key))
        got = f" (got {shown})" if len(shown) <= 60 and "(got" not in text else ""
        self._faults.add(f"{where}: {key}: {text}{got}")

    def _leave(self, key: str, what: str, reason: str) -> None:
        self._left.append(NotImported(_line(self._source.text, key), what[:80], reason))


ALLOW_KEY = ("policy", "allow")
"""The setting that holds the allow-list."""
