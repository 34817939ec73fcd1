"""The type of a file, told by Google's model."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from phage.records.sample import EngineKind
from phage.scan.engine import Answer, EngineDefaults, lacks
from phage.scan.trials import BENIGN, GARBAGE, NOT_EVIL, Trial

if TYPE_CHECKING:
    from phage.scan.content import Content

HELLO = Trial(
    "hello.py",
    b"#!/usr/bin/env python3\nimport os\n\n\n"
    b"def main() -> None:\n    print(os.getcwd())\n\n\nmain()\n",
    NOT_EVIL,
    ("type", "mime"),
)


@dataclass(kw_only=True)
class MagikaEngine(EngineDefaults):
    """Tells the type of a file with a small neural network.

    The model sees a fixed number of octets of both ends as numbers. There is no parser to break,
    which is why one process may look at many samples. It fails on very short files.
    """

    name: ClassVar[str] = "magika"
    summary: ClassVar[str] = "Tells the type of a file with Google's model (magika)."
    kind: ClassVar[EngineKind] = EngineKind.METADATA
    packages: ClassVar[tuple[str, ...]] = ("magika",)
    reuse: ClassVar[int] = 500

    _magika: Any = field(default=None, init=False, repr=False)

    @staticmethod
    def available() -> str:
        """Return why it cannot run here; '' if it can."""
        return lacks("magika")

    def prepare(self) -> None:
        """Load the model, for one thread: threads do not outlive a fork."""
        module = importlib.import_module("magika")
        runtime: Any = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        ordinary = runtime.SessionOptions
        runtime.SessionOptions = lambda: options
        inference = runtime.InferenceSession
        runtime.InferenceSession = lambda path, *_, **__: inference(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
        try:
            self._magika = module.Magika()
        finally:
            runtime.SessionOptions, runtime.InferenceSession = ordinary, inference

    def scan(self, content: Content) -> Answer:
        """Tell the type."""
        with Path(content.path).open("rb") as file:
            result = self._magika.identify_stream(file)
        output = result.output
        return Answer(
            facts={
                "type": str(output.label),
                "mime": str(output.mime_type),
                "group": str(output.group),
                "description": str(output.description),
                "score": round(float(result.score), 4),
            }
        )

    def trials(self) -> tuple[Trial, ...]:
        """Return something to tell, something good, garbage."""
        return (HELLO, BENIGN, GARBAGE)
