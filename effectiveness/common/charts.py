"""Small inline-SVG charts that keep their type size on a phone.

Horizontal positions are percentages of the width at hand, so nothing is scaled but the marks (and a `drawing`).
Colours come from the page's classes, so light, dark and print need no second picture. Every chart has a `title` in
words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effectiveness.common.html import Html, percent, tag

_TOP, _BOTTOM = 16, 20  # pixels kept for the label above the highest value and the axis below


def bar(share: float, css: str = "mark") -> Html:
    """A bar for a table cell that already says the number: hidden from screen readers."""
    drawing = tag("rect", width=_pct(share), height=10, class_=css)
    ground = tag("rect", width="100%", height=10, class_="ground")
    return tag("svg", ground, drawing, class_="bar", width="100%", height=10, aria_hidden="true")


def stacked(parts: Sequence[tuple[str, float, str]], title: str) -> Html:
    """One bar of several `(label, value, class)` parts, with its legend underneath."""
    whole = sum(value for _, value, _ in parts) or 1
    marks, x = [], 0.0
    for label, value, css in parts:
        hint = tag("title", f"{label}: {value:,.0f}")
        marks.append(tag("rect", hint, x=_pct(x), width=_pct(value / whole), height=22, class_=f"{css} seam"))
        x += value / whole
    drawing = tag("svg", tag("title", title), *marks, role="img", width="100%", height=22)
    words = [(f"{label} {percent(value, whole)}", css) for label, value, css in parts]
    return tag("div", drawing, legend(words), class_="chart")


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    swatch = [
        tag(
            "li",
            tag("svg", tag("rect", width=10, height=10, class_=css), width=10, height=10, aria_hidden="true"),
            label,
        )
        for label, css in entries
    ]
    return tag("ul", *swatch, class_="legend")


def columns(
    counts: Sequence[int], labels: Sequence[str], ticks: Sequence[tuple[float, str]], title: str
) -> Html:
    """Counts as columns; `labels` name each for the pointer; `ticks` are (position 0..1, text) below."""
    height, top = 150, max([*counts, 1])
    step = 1 / len(counts)
    marks = []
    for index, (value, label) in enumerate(zip(counts, labels, strict=True)):
        tall = value / top * height
        hint = tag("title", f"{label}: {value:,}")
        box = {
            "x": _pct(index * step),
            "width": _pct(step),
            "y": _px(_TOP + height - tall),
            "height": _px(tall),
        }
        marks.append(tag("rect", hint, **box, class_="mark seam"))
    frame = [_grid(share, f"{top * share:,.10g}", height) for share in (1.0, 0.5)]
    return _plot(title, height, *frame, *marks, *_ticks(ticks, height))


def layers(steps: np.ndarray, names: Sequence[str], ticks: Sequence[tuple[float, str]], title: str) -> Html:
    """Shares per step as stacked columns: `steps` is int[num_steps, len(names)]; layer i has class `c{i}`."""
    height = 150
    shares = steps / np.maximum(steps.sum(axis=1, keepdims=True), 1)
    tops = np.cumsum(shares, axis=1)
    width = 1 / len(steps)
    marks = [
        tag(
            "rect",
            tag("title", f"{names[layer]}: {shares[step, layer]:.0%}"),
            x=_pct(step * width),
            width=_pct(width),
            class_=f"c{layer} crisp",
            y=_px(_TOP + height * (1 - tops[step, layer])),
            height=_px(height * shares[step, layer]),
        )
        for step in range(len(steps))
        for layer in range(len(names))
        if shares[step, layer] > 0
    ]
    drawing = _plot(title, height, *marks, *_ticks(ticks, height))
    return tag(
        "div", drawing, legend([(name, f"c{layer}") for layer, name in enumerate(names)]), class_="chart"
    )


def band(
    low: np.ndarray,
    middle: np.ndarray,
    high: np.ndarray,
    top: float,
    ticks: Sequence[tuple[float, str]],
    title: str,
) -> Html:
    """A line with the range around it, over a row position from 0 to 1; the vertical axis ends at `top`."""
    height, scale = 130, 1000
    x = (np.arange(len(middle)) + 0.5) / max(len(middle), 1) * scale
    line = _points(x, middle, top)
    area = _points(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]]), top)
    shapes = [tag("polygon", points=area, class_="range")] if len(middle) else []
    shapes += [tag("polyline", points=line, vector_effect="non-scaling-stroke")]
    view = {"viewBox": f"0 0 {scale} 1000", "preserveAspectRatio": "none"}
    inner = tag("svg", *shapes, y=_TOP, width="100%", height=height, **view)
    frame = [_grid(share, f"{top * share:.3g}", height) for share in (1.0, 0.5)]
    return _plot(title, height, *frame, inner, *_ticks(ticks, height))


def drawing(parts: Sequence[Html], width: int, height: float, title: str) -> Html:
    """A picture in its own units, scaled to the width at hand; it scrolls where its words would be too small."""
    view = {"viewBox": f"0 0 {width} {height:.0f}"}
    picture = tag("svg", tag("title", title), *parts, role="img", class_="scaled", **view)
    return tag("div", picture, class_="scroll", tabindex=0)


def _points(x: np.ndarray, y: np.ndarray, top: float) -> str:
    return " ".join(f"{a:.0f},{1000 * (1 - b / (top or 1)):.0f}" for a, b in zip(x, y, strict=True))


def _plot(title: str, height: int, *marks: Html) -> Html:
    base = tag("line", x1=0, x2="100%", y1=_TOP + height, y2=_TOP + height, class_="axis")
    return tag(
        "svg", tag("title", title), *marks, base, role="img", width="100%", height=_TOP + height + _BOTTOM
    )


def _grid(share: float, text: str, height: int) -> Html:
    y = _TOP + height * (1 - share)
    line = tag("line", x1=0, x2="100%", y1=_px(y), y2=_px(y), class_="grid")
    return Html(line + tag("text", text, x=0, y=_px(y - 4)))


def _ticks(ticks: Sequence[tuple[float, str]], height: int) -> list[Html]:
    anchors = {0.0: "start", 1.0: "end"}
    return [
        tag("text", text, x=_pct(at), y=_TOP + height + 15, text_anchor=anchors.get(at, "middle"))
        for at, text in ticks
    ]


def _pct(share: float) -> str:
    return f"{100 * share:.2f}%"


def _px(pixels: float) -> str:
    return f"{pixels:.1f}"
