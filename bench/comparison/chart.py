"""A chart of bars as SVG text, with nothing but the standard library; it is legible on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 720, 150, 90, 24, 12, 44  # pixels
OWN, OTHER = "#2563eb", "#94a3b8"
STYLE = "text{font:14px system-ui,sans-serif;fill:#475569}@media(prefers-color-scheme:dark){text{fill:#cbd5e1}}"


def bars(title: str, values: Mapping[str, tuple[float, float, float]]) -> str:
    """values: name -> (median, least, most). The spread is a line over the bar's end."""
    most = max((high for _, _, high in values.values()), default=0.0) or 1.0
    height = TOP + len(values) * (BAR + GAP) + GAP
    scale = (WIDTH - LEFT - RIGHT) / most
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text x="8" y="24" font-weight="600">{escape(title)}</text>',
    ]
    for at, (name, (median, low, high)) in enumerate(values.items()):
        y = TOP + at * (BAR + GAP)
        middle, end = y + BAR / 2, LEFT + high * scale
        lines += [
            f'<text x="{LEFT - 8}" y="{middle + 5:.1f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{median * scale:.1f}" height="{BAR}" rx="3" fill="{colour(name)}"/>',
            f'<path d="M{LEFT + low * scale:.1f} {middle}H{end:.1f}" stroke="#0f172a" stroke-width="2" opacity="0.6"/>',
            f'<text x="{end + 8:.1f}" y="{middle + 5:.1f}">{said(median)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def colour(name: str) -> str:
    return OWN if name.startswith("atoll") else OTHER


def said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
