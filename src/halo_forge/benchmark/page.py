"""What every page has in common: one file that loads nothing, text that is escaped, and no script but its own.

What a model wrote is hostile text: the templates escape it, and a content security policy allows the page's own script
alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Path(__file__).with_name("templates")


def render_page(template: Path, scripts: Sequence[str], **values: Any) -> str:
    """The page that `template` makes of `values`, as HTML text; `scripts` of the folder templates are its script."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "points": _points, "range": _range, "p": _p_value, "number": _number}
    script = "\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in scripts)
    return environment.get_template(template.name).render(
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **values,
    )


def tools_of(card: dict[str, Any]) -> str:
    """The compilers and whatever else judged the answers of a card, in words; "" where it does not say."""
    tools = (card.get("provenance") or {}).get("judged_with") or {}
    return ", ".join(version if name in version else f"{name} {version}" for name, version in tools.items())


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"


def _points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return "–" if share is None else f"{100 * share:+.1f}".replace("-", "−")


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(value: float | None, digits: int = 3) -> str:
    """Counts whole and grouped, other numbers in `digits` significant digits."""
    if value is None:
        return "–"
    return f"{value:,}".replace(",", "\u2009") if isinstance(value, int) else f"{value:.{digits}g}"
