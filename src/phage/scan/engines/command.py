"""Any scanner with a command line, described in YAML."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess  # noqa: TID251  It runs in the sandbox, killed with its process group.
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import yaml

from phage.errors import ConfigError, PluginUnavailableError
from phage.records.sample import Category, EngineKind, EngineVersion
from phage.scan.engine import Answer, EngineDefaults
from phage.scan.trials import BENIGN, EVIL, GARBAGE, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phage.scan.content import Content

LONGEST = 2**20
"""Octets of an answer."""

LONGEST_RUN = 3600
"""Seconds that a scanner may ask for."""

KEYS = frozenset(
    {
        "program",
        "arguments",
        "clean",
        "infected",
        "suspicious",
        "pattern",
        "version",
        "readable",
        "timeout",
    }
)


@dataclass(kw_only=True)
class CommandEngine(EngineDefaults):
    """Runs a scanner that exists only as a command line, in the sandbox.

    Its description is a YAML file:

        program: /opt/scanner/scan      # the program
        arguments: [--quiet, "{file}"]  # {file} is the sample
        clean: [0]                      # exit codes
        infected: [1]
        suspicious: []
        pattern: 'FOUND: (?P<label>.+)' # how its answer names what it found
        version: [--version]            # how it is asked for its version
        readable: [/opt/scanner]        # what it needs to read besides its program
        timeout: 60

    An exit code that is not named is a failure. Several scanners are `command-NAME` each, with a
    description of their own.
    """

    name: ClassVar[str] = "command"
    summary: ClassVar[str] = "Runs any scanner with a command line, described in a YAML file."
    kind: ClassVar[EngineKind] = EngineKind.EVILNESS
    by_default: ClassVar[bool] = False
    instances: ClassVar[bool] = True

    description: str = ""
    """The YAML file with the description."""

    def version(self) -> EngineVersion:
        """Return the description's digest. Raises PluginUnavailableError when it cannot run."""
        about = self._about()
        program = str(about["program"])
        if shutil.which(program) is None:
            message = f"{self.description}: the program {program} is not there"
            raise PluginUnavailableError(message)
        self.reads()  # What is not there is told now.
        self.timeout = _seconds(about, self.description) or self.timeout
        digest = hashlib.sha256(Path(self.description).read_bytes()).hexdigest()[:12]
        stamp = Path(shutil.which(program) or program).stat().st_mtime_ns
        return EngineVersion(f"{Path(program).name}-{digest}", "", stamp)

    def reads(self) -> tuple[str, ...]:
        """Return the description, the program and what it needs."""
        about = self._about()
        program = shutil.which(str(about["program"])) or ""
        found = (self.description, program, str(Path(program).resolve()) if program else "")
        return tuple(path for path in (*found, *_readable(about, self.description)) if path)

    def warm(self) -> None:
        """Do nothing: each child starts the program by itself."""

    def scan(self, content: Content) -> Answer:
        """Run it."""
        about = self._about()
        with content.as_file() as path:
            arguments = [str(each).replace("{file}", path) for each in _list(about, "arguments")]
            done = subprocess.run(
                [str(about["program"]), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        text = done.stdout[:LONGEST].decode("utf-8", "replace")
        return _answer(about, done.returncode, text)

    def trials(self) -> tuple[Trial, ...]:
        """Return EICAR, something good, garbage."""
        return (EVIL, BENIGN, GARBAGE)

    def _about(self) -> Mapping[str, object]:
        return describe(self.description)


def describe(path: str) -> dict[str, object]:
    """Return a description. Raises ConfigError that names file and key."""
    if not path:
        message = "scan.settings.command.description: name a YAML file that describes the scanner"
        raise PluginUnavailableError(message)
    try:
        about = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from error
    if not isinstance(about, dict) or "program" not in about:
        message = f"{path}: program: is missing; name the scanner's program"
        raise ConfigError(message)
    for key in about:
        if key not in KEYS:
            message = f"{path}: {key}: no such key; there are {', '.join(sorted(KEYS))}"
            raise ConfigError(message)
    try:
        re.compile(str(about.get("pattern", "")))
    except re.error as error:
        message = f"{path}: pattern: {error}"
        raise ConfigError(message) from error
    return {str(key): value for key, value in about.items()}


def _list(about: Mapping[str, object], key: str) -> list[object]:
    value = about.get(key, [])
    return value if isinstance(value, list) else [value]


def _readable(about: Mapping[str, object], description: str) -> list[str]:
    """Return what a description shows to its scanner. Raises ConfigError for all or nothing."""
    found = [str(each) for each in _list(about, "readable")]
    for path in found:
        if not Path(path).is_absolute() or Path(path) == Path("/"):
            message = f"{description}: readable: {path} is no absolute path below /"
            raise ConfigError(message)
        if not Path(path).exists():
            message = f"{description}: readable: {path} is not there"
            raise ConfigError(message)
    return found


def _seconds(about: Mapping[str, object], description: str) -> float:
    value = about.get("timeout", 0)
    if not isinstance(value, int | float) or not 0 <= value <= LONGEST_RUN:
        message = f"{description}: timeout: {value!r} is no number of seconds up to {LONGEST_RUN}"
        raise ConfigError(message)
    return float(value)


def _answer(about: Mapping[str, object], code: int, text: str) -> Answer:
    if code in _list(about, "clean"):
        return Answer()
    for key, category in (("infected", Category.MALICIOUS), ("suspicious", Category.SUSPICIOUS)):
        if code in _list(about, key):
            pattern = str(about.get("pattern", ""))
            match = re.search(pattern, text) if pattern else None
            label = match.groupdict().get("label") or match[0] if match else "found"
            return Answer(category, label.strip()[:200] or "found")
    message = f"ended with {code}: {text.strip()[-200:]}"
    raise RuntimeError(message)
