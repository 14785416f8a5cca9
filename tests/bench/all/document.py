"""docs/benchmarks.md and its pictures, made of the figures beside it."""

import dataclasses

import chart
from figures import advantage, number

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

SHARD = "actorwire, actor on its shard"
SCHEDULER = "actorwire, actor on scheduler"
MANY = "64 B round trips, 100 connections"
STREAM = "echoed stream, chunks of 64 KiB"


@dataclasses.dataclass
class Aim:
    """`ours` is to be better than `theirs` by this factor; without `theirs`, at most or at least this value."""

    text: str
    chapter: str
    question: str
    ours: str
    bound: float
    theirs: str = ""
    # Of a curve: where on it.
    at: float | None = None
    theirs_at: float | None = None


AIMS = [
    Aim("TCP round trips over 100 connections, actor on its shard: 0.95 x raw Boost.Asio", "tcp", MANY, SHARD, 0.95, "raw Boost.Asio"),
    Aim("the same, callback in the shard: 0.98 x raw Boost.Asio", "tcp", MANY, "actorwire, callback", 0.98, "raw Boost.Asio"),
    Aim("the same, actor on its shard: 1.25 x caf::io", "tcp", MANY, SHARD, 1.25, "caf::io broker"),
    Aim("the same, actor on the scheduler: 0.8 x the one on its shard", "tcp", MANY, SCHEDULER, 0.8, SHARD),
    Aim("TCP stream: 1.3 x caf::io", "tcp", STREAM, SHARD, 1.3, "caf::io broker"),
    Aim("TLS bulk: 0.9 x the raw GnuTLS loop", "tls", STREAM, SHARD, 0.9, "raw GnuTLS"),
    Aim("QUIC bulk: 1,100 MB/s", "quic", "upload on one stream, messages of 64 KiB", "actorwire, quic://", 1100),
    Aim(
        "QUIC ping-pong p50: at most 1.25 x raw TCP, so 0.8 as good",
        "quic",
        "64 B ping-pong, a core for each, p50",
        "actorwire, quic://",
        0.8,
        "raw Boost.Asio and bare client",
    ),
    Aim("idle TCP connection: 2,600 B", "tcp", "server's memory for each of 10000 idle connections", "actorwire, one actor for all", 2600),
    Aim("idle TLS connection: 24 KB", "tls", "server's memory for each of 2000 idle connections", SHARD, 24000),
    Aim("idle QUIC connection: 42 KB", "quic", "server's memory for each idle connection", "actorwire, quic://", 42000),
    *(
        Aim(
            f"round trips over 100 connections beside {most:,} idle ones, {rival}: 0.7 x those beside 100",
            "scale",
            "64 B round trips over 100 connections beside those",
            rival,
            0.7,
            rival,
            most,
            100,
        )
        for rival, most in (("tcp, 1 shard", 15000), ("tcp, 2 shards", 15000), ("quic, 1 shard", 10000), ("quic, 2 shards", 10000))
    ),
]


def _judge(aim, chapters):
    """Two cells: what was measured, and whether that is enough."""
    of_chapter = chapters.get(aim.chapter)
    ours = of_chapter.find(aim.question, aim.ours, aim.at) if of_chapter else None
    if ours is None:
        return "-", "not measured"
    if aim.theirs:
        factor = advantage(ours, of_chapter.find(aim.question, aim.theirs, aim.theirs_at))
        if factor is None:
            return "-", "not measured"
        share = factor / aim.bound
        shown = f"{factor:.2f} x"
    else:
        share = ours.median / aim.bound if ours.more_is_better else aim.bound / ours.median
        shown = f"{number(ours.median)} {ours.unit}"
    return shown, "met" if share >= 1 else f"falls short by {100 * (1 - share):.0f} %"


def _table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows])


def _spread(one):
    return number(one.median) if len(one.values) == 1 else f"{number(one.median)} ({number(one.least)}-{number(one.greatest)})"


def _chapter(name, figures, pictures):
    title, about = CHAPTERS[name]
    colours = chart.colours_of(figures.rivals)
    parts = [f"## {title}", about]
    told = [f"{key}: {value}" for key, value in figures.facts.items() if key not in ("machine", "kernel", "compiler", "versions")]
    parts.append(". ".join(told) + "." if told else "")

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
    first = next(iter(chapters.values()))
    lines = [
        "# Benchmarks",
        "Written by `./dev bench all`; the figures of each round are in [benchmarks](benchmarks), beside the pictures that are drawn "
        "from them. What they mean, and where the time goes, is in [performance.md](performance.md).",
        "\n".join(f"- {name}: {first.facts[name]}" for name in ("machine", "kernel", "compiler", "versions") if name in first.facts),
        "Medians over rounds, with the least and the greatest in parentheses. A round goes over all rivals of all protocols before the next "
        "begins. Ratios are medians of the ratio within a round.",
        "## Aims",
        _table(["Aim", "Measured", ""], [[aim.text, *_judge(aim, chapters)] for aim in AIMS]),
    ]
    lines += [_chapter(name, chapters[name], pictures) for name in CHAPTERS if name in chapters]
    return "\n\n".join(lines) + "\n", pictures
