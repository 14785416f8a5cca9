"""Pictures of figures, as SVG: the same figures make the same bytes."""

import math
from xml.sax.saxutils import escape

COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#b07aa1"]
FONT = 'font-family="sans-serif"'


def _text(x, y, text, size=11, anchor="start", weight="normal"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" {FONT} font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="#222">{escape(text)}</text>'
    )


def _rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _line(x1, y1, x2, y2, colour="#222", width=1.0):
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
    )


def _document(width, height, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
        f'viewBox="0 0 {width} {height:.0f}">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def colours_of(rivals):
    return {rival: COLOURS[index % len(COLOURS)] for index, rival in enumerate(rivals)}


def bars(questions, colours, number):
    """One group of bars for each (title, series of all rivals): the median, and a line from the least to the greatest."""
    width, left, right = 760, 240, 110
    bar, gap = 15, 4
    parts = []
    y = 12.0
    for title, series in questions:
        unit = series[0].unit
        parts.append(_text(10, y + 12, f"{title}, {unit} ({'more' if series[0].more_is_better else 'less'} is better)", 12, weight="bold"))
        y += 20
        scale = (width - left - right) / max(max(one.greatest for one in series), 1e-12)
        for one in series:
            parts.append(_text(left - 8, y + bar - 4, one.rival, anchor="end"))
            parts.append(_rectangle(left, y, one.median * scale, bar, colours[one.rival]))
            middle = y + bar / 2
            parts.append(_line(left + one.least * scale, middle, left + one.greatest * scale, middle))
            parts.append(_text(left + one.greatest * scale + 6, y + bar - 4, number(one.median)))
            y += bar + gap
        y += 12
    return _document(width, y, parts)


def _ticks(least, greatest):
    """Powers of ten, and what stands between where these are few."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(greatest)) + 1)
    few, many = (
        [step * 10.0**power for power in powers for step in steps if least <= step * 10.0**power <= greatest * 1.0001]
        for steps in ((1,), (1, 2, 5))
    )
    return few if len(few) > 3 else many


class _Plane:
    """Both axes are logarithmic."""

    width, height, left, right, top, bottom = 760, 360, 70, 230, 36, 46

    def __init__(self, xs, ys):
        self.x_range = self._widened(xs)
        self.y_range = self._widened(ys)

    @staticmethod
    def _widened(values):
        least, greatest = min(values), max(values)
        return (least, greatest) if greatest > least * 1.2 else (least / 1.5, greatest * 1.5)

    @staticmethod
    def _share(value, limits):
        return math.log(value / limits[0]) / math.log(limits[1] / limits[0])

    def x(self, value):
        return self.left + self._share(value, self.x_range) * (self.width - self.left - self.right)

    def y(self, value):
        return self.height - self.bottom - self._share(value, self.y_range) * (self.height - self.top - self.bottom)

    def frame(self, title, x_title, number, x_ticks):
        parts = [_text(10, 20, title, 12, weight="bold")]
        for tick in _ticks(*self.y_range):
            parts.append(_line(self.left, self.y(tick), self.width - self.right, self.y(tick), "#ddd"))
            parts.append(_text(self.left - 6, self.y(tick) + 4, number(tick), anchor="end"))
        # From the right, since the end of a curve is what matters; labels that would overlap are left out.
        room = self.width
        for tick, text in sorted(x_ticks, reverse=True):
            x = self.x(tick)
            parts.append(_line(x, self.top, x, self.height - self.bottom, "#eee"))
            half = 4 * len(text)
            if x + half < room:
                parts.append(_text(x, self.height - self.bottom + 16, text, anchor="middle"))
                room = x - half
        parts.append(_text((self.left + self.width - self.right) / 2, self.height - 8, x_title, anchor="middle"))
        return parts

    def curve(self, points, colour):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'

    def legend(self, index, name, colour):
        x, y = self.width - self.right + 14, self.top + 8 + index * 18
        return [_rectangle(x, y - 8, 12, 8, colour), _text(x + 18, y, name)]


def curves(title, axis, series, colours, number):
    """Medians over what is varied, with the spread of each."""
    series = [one for one in series if one.least > 0]
    if not series:
        return _document(_Plane.width, 40, [_text(10, 20, title)])
    plane = _Plane([one.at for one in series], [value for one in series for value in (one.least, one.greatest)])
    places = sorted({one.at for one in series})
    direction = "more" if series[0].more_is_better else "less"
    parts = plane.frame(f"{title}, {series[0].unit} ({direction} is better)", axis, number, [(at, f"{at:,.0f}") for at in places])
    for index, rival in enumerate(dict.fromkeys(one.rival for one in series)):
        points = sorted((one for one in series if one.rival == rival), key=lambda one: one.at)
        for one in points:
            parts.append(_line(plane.x(one.at), plane.y(one.least), plane.x(one.at), plane.y(one.greatest), colours[rival]))
        parts.append(plane.curve([(one.at, one.median) for one in points], colours[rival]))
        parts += plane.legend(index, rival, colours[rival])
    return _document(plane.width, plane.height, parts)


def distributions(title, series, colours, number):
    """How long the slowest ones take: the share of those that took longer, from one in two on."""
    drawn = []
    for one in series:
        rounds = [dict((round(share, 6), value) for share, value in points) for points in one.quantiles]
        shares = sorted(share for share in rounds[0] if 0.5 <= share < 1) if rounds else []
        points = []
        for share in shares:
            values = sorted(points_of[share] for points_of in rounds if share in points_of)
            points.append((1 / (1 - share), values[len(values) // 2]))
        if points:
            drawn.append((one.rival, points))
    if not drawn:
        return None
    plane = _Plane([x for _, points in drawn for x, _ in points], [y for _, points in drawn for _, y in points])
    ticks = [(1 / (1 - share), text) for share, text in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"))]
    inside = [tick for tick in ticks if plane.x_range[0] * 0.99 <= tick[0] <= plane.x_range[1] * 1.01]
    parts = plane.frame(f"{title}, {series[0].unit}", "share of round trips that were no slower", number, inside)
    for index, (rival, points) in enumerate(drawn):
        parts.append(plane.curve(points, colours[rival]))
        parts += plane.legend(index, rival, colours[rival])
    return _document(plane.width, plane.height, parts)
