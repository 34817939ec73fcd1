"""Lists of indicators in JSON at any place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phage.intel.entries import KINDS, Entries
from phage.intel.feed import FeedError
from phage.intel.fetch import read_key
from phage.intel.jsontext import at, document

if TYPE_CHECKING:
    from phage.intel.feed import Downloads, Harvest


@dataclass(slots=True)
class Json:
    """A list of texts or of objects, anywhere in a JSON document."""

    name: ClassVar[str] = "json"
    summary: ClassVar[str] = "A list in JSON from any URL or file; the paths are settings."
    terms: ClassVar[str] = "Those of whoever made the list."
    least_s: ClassVar[float] = 300.0

    url: str = ""
    """Where the document is; a file's path is one too."""
    items: str = ""
    """Path of the list in it, such as data.items; empty: the document itself."""
    value: str = ""
    """Path of the indicator in each object; empty: the list holds texts."""
    kind: str = ""
    """What all are: ipv4, domain, url, md5...; empty: what each looks like."""
    first_seen: str = ""
    """Path of the time since when; empty: there is none."""
    tags: str = ""
    """Path of tags; empty: there are none."""
    header: str = ""
    """Name of a header that carries a key, such as X-Api-Key."""
    key_file: str = ""
    """File whose first line is the key."""
    confidence: int = 50
    """How sure the list is, 0 to 100."""

    def check(self) -> str:
        """Return what is missing."""
        if not self.url:
            return "url is not set (a file's path is one too)"
        if self.kind and self.kind.lower() not in KINDS:
            return f"kind: there is no {self.kind!r}; there are {', '.join(KINDS)}"
        return ""

    def collect(self, downloads: Downloads, since: int) -> Harvest:  # noqa: ARG002
        """Get and read the document. Raises FeedError and Unchanged."""
        headers = {self.header: read_key("", self.key_file)} if self.header else {}
        found = at(document(downloads.get(self.url, headers)), self.items)
        if not isinstance(found, list):
            message = f"{self.items or 'the document'} is no list"
            raise FeedError(message)
        entries, kind = Entries(self.name, self.confidence), KINDS.get(self.kind.lower())
        for item in found:
            entries.add(
                at(item, self.value),
                kind,
                first=at(item, self.first_seen) if self.first_seen else None,
                tags=at(item, self.tags) if self.tags else (),
            )
        return entries.harvest()
