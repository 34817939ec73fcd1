"""The JSON Schema of rule files, so that editors complete keys and show what is wrong.

It says what the reader says, as far as a schema can: keys, words and kinds of values.
"""

from __future__ import annotations

from typing import Any

from phage.policy.reading.match import MATCH_KEYS, NOT_KEYS, PER
from phage.policy.reading.parties import FAR_KEYS, NEAR_KEYS, PARTY_KEYS
from phage.policy.reading.reader import DEFAULTS, FILE_KEYS
from phage.policy.reading.rule import PATTERN_KEYS, RULE_KEYS
from phage.policy.reading.test import (
    FINDING_KEYS,
    GIVEN_KEYS,
    NOTHING,
    TEST_KEYS,
    TRAFFIC_KEYS,
)
from phage.policy.rule import Mode, Role, Verb, Way
from phage.records.decision import Direction
from phage.records.finding import Severity
from phage.records.packetrule import Hook

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WORD: Schema = {"type": ["string", "number"]}


def rule_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a rule file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of phage",
        **_keys(
            FILE_KEYS,
            {
                "version": {"const": 1},
                "zone": _said(TEXT, "Time zone of windows that name none: Europe/Paris."),
                "objects": {"type": "object", "additionalProperties": _object()},
                "defaults": _keys(
                    [hook.value for hook in Hook],
                    {hook.value: {"enum": list(DEFAULTS)} for hook in Hook},
                ),
                "rules": {"type": "array", "items": _rule()},
                "given": _keys(GIVEN_KEYS, {}),
                "tests": {"type": "array", "items": _test()},
            },
        ),
        "$defs": {"parties": _parties()},
    }


def _rule() -> Schema:
    texts = {
        "name": _said(TEXT, "Unique among all files."),
        "priority": _said(_number(0, 1_000_000), "The lowest is asked first; 100 if not said."),
        "mode": _said(_words(Mode), "dry-run if not said: counted, not done."),
        "comment": TEXT,
        "match": {"anyOf": [{"const": "everything"}, _match()]},
        "action": _some(_words(Verb)),
        "for": {
            "anyOf": [
                WORD,
                _keys(("first", "times", "longest", "memory"), {"times": {"type": "number"}}),
            ],
            "description": "How long a decision lasts; longer each time for who comes again.",
        },
        "target": _said(_words(Role), "Who is acted against; source if not said."),
        "packets": _said(_words(Direction), "Which packets of the target."),
        "pattern": _keys(PATTERN_KEYS, {"fragments": {"type": "boolean"}}),
        "rate": _said(WORD, "What limit lets through: 10/minute, 5 MB/s."),
        "per": {"enum": list(PER)},
        "scope": _keys(
            ("hooks", "responders"), {"hooks": _some(_words(Hook)), "responders": _some(TEXT)}
        ),
        "notify": _some(TEXT),
        "run": _some(TEXT),
    }
    return _keys(RULE_KEYS, texts) | {"required": ["name", "match", "action"]}


def _match() -> Schema:
    schema = _keys(MATCH_KEYS, _conditions())
    schema["properties"]["not"] = _keys(NOT_KEYS, _conditions())
    return schema | {"minProperties": 1}


def _conditions() -> Schema:
    parties = {"$ref": "#/$defs/parties"}
    return {
        "source": parties,
        "destination": parties,
        **{key: _some(WORD) for key in (*NEAR_KEYS, *FAR_KEYS)},
        "confidence": _number(0, 100),
        "service": _some(WORD),
        "protocol": _some(WORD),
        "port": _some(WORD),
        "source_port": _some(WORD),
        "interface": {
            "anyOf": [_some(TEXT), _keys(("in", "out"), {"in": _some(TEXT), "out": _some(TEXT)})]
        },
        "vlan": _some(_number(1, 4094)),
        "direction": _some(_words(Way)),
        "time": _some({"anyOf": [TEXT, _window()]}),
        "finding": _some(TEXT),
        "severity": _said(_words(Severity), "At least so bad."),
        "score": {"type": "number", "minimum": 0},
        "rate": _said(WORD, "Only what exceeds this: 10/minute, 20 connections/s."),
        "per": {"enum": list(PER)},
        "connections": _number(1, 10_000_000),
    }


def _window() -> Schema:
    return _keys(("days", "from", "to", "zone"), {"days": _some(TEXT)})


def _parties() -> Schema:
    selector = _keys(
        PARTY_KEYS,
        {
            **{key: _some(WORD) for key in (*NEAR_KEYS, *FAR_KEYS, "address")},
            "confidence": _number(0, 100),
            "not": {"$ref": "#/$defs/parties"},
        },
    )
    return _some({"anyOf": [TEXT, selector]})


def _object() -> Schema:
    service = _keys(("service", "protocol", "port"), {})
    return {"anyOf": [{"$ref": "#/$defs/parties"}, _keys(("time",), {}), service]}


def _test() -> Schema:
    texts = {
        "name": TEXT,
        "rule": TEXT,
        "at": TEXT,
        "traffic": _keys(TRAFFIC_KEYS, {}),
        "finding": _keys(FINDING_KEYS, {}),
        "expect": {"anyOf": [{"const": NOTHING}, _some(_words(Verb))]},
    }
    return _keys(TEST_KEYS, texts) | {"required": ["expect"]}


def _keys(names: Any, known: Schema) -> Schema:  # noqa: ANN401  Any sequence of texts.
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: known.get(name, {}) for name in names},
    }


def _some(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _words(words: Any) -> Schema:  # noqa: ANN401  Any enumeration of texts.
    return {"enum": [word.value for word in words]}


def _number(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _said(schema: Schema, text: str) -> Schema:
    return schema | {"description": text}
