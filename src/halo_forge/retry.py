"""What a server's passing failure is, and how long it asks to wait."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

PASSING = {408, 409, 425, 429}
"""HTTP statuses below 500 after which the same request may succeed."""


class Again(Exception):
    """The request may succeed later. `after_s`: how long the server asked to wait, in seconds; None if it did not.

    `answering` says whether anything answered at all, `billed` whether the server may have worked and charged for it.
    """

    def __init__(self, words: str, *, after_s: float | None = None, answering: bool = True, billed: bool = False):
        super().__init__(words)
        self.after_s, self.answering, self.billed = after_s, answering, billed


def retry_after(headers: Mapping[str, str], now: datetime.datetime | None = None) -> float | None:
    """Seconds to wait, from the header Retry-After: a number or a date (RFC 9110, section 10.2.3)."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        if value:
            return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
    if until is None:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - (now or datetime.datetime.now(datetime.UTC))).total_seconds())
