"""Questions that the viewer asks before it does anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from phage.config.kinds import parse_duration
from phage.policy.target import parse_target
from phage.tui.figures import plain

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from phage.tui.source import Row

DEFAULT_DURATION = "1 h"


class Confirm(ModalScreen[bool]):
    """Asks whether to do something; y and n answer too. Dismissed with the answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "dismiss(True)", "Yes"),
        ("n,escape", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str, detail: str = "") -> None:
        super().__init__()
        self._question = question
        self._detail = detail

    def compose(self) -> ComposeResult:
        """Make the question and its two answers."""
        with Vertical(classes="dialog"):
            yield Label(plain(self._question), classes="question", markup=False)
            if self._detail:
                yield Static(plain(self._detail), markup=False)
            with Horizontal():
                yield Button("Yes (y)", variant="error", id="yes")
                yield Button("No (n)", variant="default", id="no")

    def on_mount(self) -> None:
        """Let Enter mean no."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")


class BanForm(ModalScreen[tuple[str, float, str] | None]):
    """Asks whom to block, for how long and why. Dismissed with that, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "Cancel")]

    def __init__(self, target: str = "") -> None:
        super().__init__()
        self._target = target

    def compose(self) -> ComposeResult:
        """Make three fields; Enter in any of them goes on."""
        with Vertical(classes="dialog"):
            yield Label("Block an address, network or MAC address", classes="question")
            yield Input(plain(self._target), placeholder="192.0.2.7", id="target")
            yield Input(DEFAULT_DURATION, placeholder="1 h, 2 d, ever", id="duration")
            yield Input("", placeholder="why, for the audit log", id="reason", max_length=500)
            yield Label("", id="fault", markup=False)
            with Horizontal():
                yield Button("Block (Enter)", variant="error", id="block")
                yield Button("Cancel (Esc)", id="cancel")

    def on_mount(self) -> None:
        """Begin with what is missing."""
        self.query_one("#duration" if self._target else "#target", Input).focus()

    def on_input_submitted(self) -> None:
        """Check what was entered."""
        self._submit()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Check what was entered, or cancel."""
        if event.button.id == "block":
            self._submit()
        else:
            self.dismiss(None)

    def _submit(self) -> None:
        target, duration, reason = (
            self.query_one(f"#{name}", Input).value.strip()
            for name in ("target", "duration", "reason")
        )
        try:
            wanted = parse_target(target).value
            seconds = 0.0 if duration == "ever" else float(str(parse_duration(duration)))
        except ValueError as error:
            self.query_one("#fault", Label).update(plain(error))
            return
        self.dismiss((wanted, seconds, reason))


class LabelForm(ModalScreen[str | None]):
    """Asks what a finding was. Dismissed with the label, "none" to take one back, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("a", "dismiss('attack')", "An attack"),
        ("n", "dismiss('not an attack')", "Not an attack"),
        ("e", "dismiss('expected')", "Expected"),
        ("t", "dismiss('none')", "Take back"),
        ("escape", "dismiss(None)", "Cancel"),
    ]
    LABELS: ClassVar[dict[str, str]] = {
        "attack": "An attack (a)",
        "not an attack": "Not an attack (n)",
        "expected": "Expected (e)",
        "none": "Take back (t)",
    }

    def __init__(self, summary: str) -> None:
        super().__init__()
        self._summary = summary

    def compose(self) -> ComposeResult:
        """Make the sentence of the finding and a button for each label."""
        with Vertical(classes="dialog"):
            yield Label("What was this?", classes="question")
            yield Static(plain(self._summary), markup=False)
            with Horizontal():
                for name, text in self.LABELS.items():
                    yield Button(text, id=name.replace(" ", "-"))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss((event.button.id or "").replace("-", " "))


class Details(ModalScreen[None]):
    """Shows everything that is known of a row."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,enter,q,space", "dismiss(None)", "Close")]

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        """Make a line of each value."""
        with Vertical(classes="dialog"):
            for name, value in self._row.items():
                if value not in ("", None, []):
                    line = f"{name.replace('_', ' '):<12} {plain(value)}"
                    yield Static(line, markup=False)
            yield Label("Esc closes", classes="empty")
