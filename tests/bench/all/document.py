"""docs/benchmarks.md and its pictures, made of the figures beside it."""

import chart
from aims import AIMS, judge
from figures import number

# In this order. What a benchmark is about, in a sentence.
CHAPTERS = {
    "tcp": ("TCP", "Echo servers, one core and one thread each; one client, a bare epoll loop that checks every byte, for all."),
    "tls": ("TLS", "The same over TLS 1.3 with AES-128-GCM and X25519, an ECDSA certificate on P-256; the client is on GnuTLS."),
    "quic": (
        "QUIC",
        "The same program of actors on both sides, one core and one shard each, over three protocols; packets of 1,452 bytes. "
        "Beside them a bare TCP server with a bare client, and what the kernel alone moves in such packets.",
    ),
    "scale": (
        "Scale",
        "Echo servers on one shard and on two, one process for each side, and more and more connections that are idle.",
    ),
    "idle_peers": ("Supervised peers", "10,000 peers of one supervisor, of which 1,000 are reset at once."),
    "storm": ("Reconnect storm", "10,000 supervised peers lose their one server, which is started again at once; the gate is wide open."),
}


def _table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows])


def _spread(one):
    return number(one.median) if len(one.values) == 1 else f"{number(one.median)} ({number(one.least)}-{number(one.greatest)})"


def _common_facts(chapters):
    """What all were made on and of. What differs stands with each."""
    first = next(iter(chapters.values()))
    return {
        name: first.facts[name]
        for name in ("machine", "kernel", "compiler", "actorwire", "versions")
        if name in first.facts and all(other.facts.get(name) == first.facts[name] for other in chapters.values())
    }


def _chapter(name, figures, common, pictures):
    title, about = CHAPTERS[name]
    colours = chart.colours_of(figures.rivals)
    parts = [f"## {title}", about]
    if "failure" in figures.facts:
        parts.append(f"**The benchmark failed: {figures.facts['failure']}.**")
    told = {"rounds": "all of it once", **figures.facts}
    parts.append(". ".join(f"{key}: {value}" for key, value in told.items() if key not in common and key != "failure") + ".")

    def picture(suffix, text, drawn):
        file = f"{name}{suffix}.svg"
        pictures[file] = drawn
        parts.append(f"![{text}](benchmarks/{file})")

    if figures.questions:
        rows = []
        for question in figures.questions:
            cells = {one.rival: _spread(one) for one in figures.of(question)}
            unit = figures.of(question)[0].unit
            rows.append([f"{question}, {unit}"] + [cells.get(rival, "-") for rival in figures.rivals])
        parts.append(_table([""] + figures.rivals, rows))
        picture("", f"{title}: the table as bars", chart.bars([(text, figures.of(text)) for text in figures.questions], colours, number))
    for index, question in enumerate(figures.questions):
        about = question.removesuffix(", p50")
        if drawn := chart.distributions(about, figures.of(question), colours, number):
            picture(f"-latency-{index + 1}", f"{about}: how long the slowest take", drawn)
    for index, question in enumerate(figures.curves):
        series = figures.points_of(question)
        places = sorted({one.at for one in series})
        rivals = [rival for rival in figures.rivals if any(one.rival == rival for one in series)]
        axis = series[0].axis
        rows = []
        for at in places:
            found = {one.rival: _spread(one) for one in series if one.at == at}
            rows.append([f"{at:,.0f}"] + [found.get(rival, "-") for rival in rivals])
        parts.append(_table([f"{question}, {series[0].unit}; {axis}"] + rivals, rows))
        picture(f"-curve-{index + 1}", f"{question} over {axis}", chart.curves(question, axis, series, colours, number))
    return "\n\n".join(part for part in parts if part)


def write(chapters):
    """Returns the text, and the pictures by the names of their files."""
    pictures = {}
    common = _common_facts(chapters)
    lines = [
        "# Benchmarks",
        "Written by `./dev bench all`; the figures of each round are in [benchmarks](benchmarks), beside the pictures that are drawn "
        "from them. What they mean, and where the time goes, is in [performance.md](performance.md).",
        "\n".join(f"- {name}: {value}" for name, value in common.items()),
        "Medians over rounds, with the least and the greatest in parentheses; each chapter says how many rounds there were, and what stands "
        "without was measured in the first of them only. Where there are several, a round goes over all rivals of all protocols before the next begins, and ratios are medians of the ratio within a round.",
        "## Aims",
        _table(["Aim", "Measured", ""], [[aim.text, *judge(aim, chapters)] for aim in AIMS]),
    ]
    lines += [_chapter(name, chapters[name], common, pictures) for name in CHAPTERS if name in chapters]
    return "\n\n".join(line for line in lines if line) + "\n", pictures
