# SPDX-License-Identifier: BSD-2-Clause
"""plot.py FIGURES.json OUT.svg: every ratio of the table on one logarithmic
axis. Right of the line at 1 is faster (or smaller) than the row's base; weir's
columns are filled, peers' are not; a bar is the spread; a tick is the goal."""
import json
import math
import sys
from xml.sax.saxutils import escape

LEFT, WIDTH, STEP, TOP = 530, 600, 23, 110  # room for the longest name, four lines of legend
# column: (name in the legend, colour, shape, filled)
STYLE = {
    "direct": ("weir, direct API", "#0b57a4", "circle", True),
    "norecord": ("the same, recorder off", "#0b57a4", "circle", False),
    "door": ("weir, unmodified programs", "#c2410c", "square", True),
    "door, --spin": ("weir, unmodified, --spin", "#c2410c", "square", False),
    "load": ("weir, our client, their server", "#7c3aed", "square", True),
    "direct, each timed": ("weir, direct API, each turn timed", "#0b57a4", "diamond", True),
    "tap": ("weir over a TAP", "#0f766e", "square", True),
    "2 shards": ("weir, two shards", "#0f766e", "circle", True),
    "2, mesh": ("weir, two shards, flows cross", "#0f766e", "circle", False),
    "tap, cubic": ("weir over a TAP, cubic", "#0f766e", "square", False),
    "direct, 200 at once": ("weir, direct API, 200 at once", "#0b57a4", "triangle", True),
    "ring": ("weir, two cores", "#0f766e", "diamond", True),
    "veth": ("kernel, veth", "#555555", "diamond", False),
    "lwip": ("lwIP", "#b45309", "triangle", False),
    "gvisor": ("gVisor", "#15803d", "triangle", False),
    "smoltcp": ("smoltcp (cited)", "#be185d", "triangle", False),
    "slirp": ("slirp4netns", "#888888", "square", False),
    "pasta": ("pasta", "#888888", "circle", False),
}
OTHER = ("weir, other", "#0f766e", "circle", True)


def style(column):
    if column == "lwip, upstream":
        return ("lwIP (cited)", "#b45309", "diamond", False)
    return STYLE.get(column, OTHER)


def mark(shape, x, y, colour, filled):
    paint = f'fill="{colour if filled else "#ffffff"}" stroke="{colour}" stroke-width="1.6"'
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.6" {paint}/>'
    if shape == "square":
        return f'<rect x="{x - 4.2:.1f}" y="{y - 4.2:.1f}" width="8.4" height="8.4" {paint}/>'
    points = {"diamond": ((0, -5.6), (5.6, 0), (0, 5.6), (-5.6, 0)),
              "triangle": ((0, -5.4), (5.2, 4.2), (-5.2, 4.2))}[shape]
    return '<polygon points="' + " ".join(f"{x + a:.1f},{y + b:.1f}" for a, b in points) + f'" {paint}/>'


def text(x, y, words, anchor="start", size=12, colour="#222222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}">{escape(words)}</text>')


class Axis:
    def __init__(self, ratios):
        self.low = 10 ** math.floor(math.log10(min(ratios + [0.5])))
        self.high = 10 ** math.ceil(math.log10(max(ratios + [2])))

    def x(self, ratio):
        span = math.log10(self.high / self.low)
        share = math.log10(max(min(ratio, self.high), self.low) / self.low) / span
        return LEFT + WIDTH * share

    def draw(self, bottom):
        crowded = self.high / self.low > 1e4
        for decade in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1):
            for times in (1, 2, 5):
                at = times * 10 ** decade
                if at > self.high:
                    continue
                x, strong = self.x(at), at == 1
                yield (f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke='
                       f'"{"#222222" if strong else "#e4e4e4"}" stroke-width="{1.4 if strong else 1}"/>')
                if times == 1 or not crowded:
                    yield text(x, TOP - 13, f"{at:g}×", "middle", 11,
                               "#222222" if strong else "#777777")


def legend(columns):
    x, y = 12, 38
    for column in columns:
        name, colour, shape, filled = style(column)
        wide = 26 + 6.6 * len(name)
        if x + wide > LEFT + WIDTH + 20:
            x, y = 12, y + 18
        yield mark(shape, x + 6, y - 4, colour, filled)
        yield text(x + 16, y, name, size=11.5)
        x += wide


def spread(o, base):
    """The ratios of its worst and best sample to the base's median."""
    for v in (min(o["samples"], default=None), max(o["samples"], default=None)):
        if v and base:
            yield v / base if o["more_is_better"] else base / v


def draw(figures):
    rows = {}
    for o in figures:
        rows.setdefault(o["row"], []).append(o)
    rows = {name: [o for o in all_of if o["ratio"]] for name, all_of in rows.items()}
    bases = {o["row"]: o["median"] for o in figures if o["column"] == o["base"]}
    rows = {name: all_of for name, all_of in rows.items() if all_of}
    axis = Axis([o["ratio"] for all_of in rows.values() for o in all_of])
    bottom = TOP + STEP * len(rows) + 4
    present = {o["column"] for all_of in rows.values() for o in all_of}
    order = [c for c in [*STYLE, "lwip, upstream"] if c in present]
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 40}" height="{bottom + 14}" '
           'font-family="DejaVu Sans, Helvetica, Arial, sans-serif">')
    yield '<rect width="100%" height="100%" fill="#ffffff"/>'
    yield text(12, 18, "How many times as fast (or as small) as the Linux kernel, same machine, same run", size=14)
    yield from legend(order)
    for n, name in enumerate(rows):
        if n % 2 == 0:
            yield (f'<rect x="0" y="{TOP + STEP * n}" width="{LEFT + WIDTH + 40}" height="{STEP}" '
                   'fill="#f7f7f5"/>')
    yield from axis.draw(bottom)
    for n, (name, all_of) in enumerate(rows.items()):
        y = TOP + STEP * (n + 0.5)
        against = "" if all_of[0]["base"] == "kernel" else f" (to {all_of[0]['base']})"
        yield text(LEFT - 12, y + 4, name + against, "end", 11.5)
        for o in all_of:
            ends = list(spread(o, bases.get(name)))
            if len(ends) == 2:
                yield (f'<line x1="{axis.x(ends[0]):.1f}" y1="{y}" x2="{axis.x(ends[1]):.1f}" y2="{y}" '
                       f'stroke="{style(o["column"])[1]}" stroke-width="2" opacity="0.35"/>')
            if o["goal"]:
                x = axis.x(o["goal"])
                yield (f'<line x1="{x:.1f}" y1="{y - 10}" x2="{x:.1f}" y2="{y + 10}" '
                       f'stroke="{style(o["column"])[1]}" stroke-width="2"/>')
        for o in sorted(all_of, key=lambda o: style(o["column"])[3]):  # weir's on top
            _, colour, shape, filled = style(o["column"])
            yield mark(shape, axis.x(o["ratio"]), y, colour, filled)
    yield "</svg>"


def plot(figures, path):
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(draw(figures)) + "\n")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        plot([json.loads(line) for line in source], sys.argv[2])
