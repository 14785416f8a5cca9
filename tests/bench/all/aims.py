"""What is aimed for, and whether it was reached. The table in docs/performance.md has the same aims; figures_test.py compares."""

import dataclasses

from figures import advantage, number

RAW = "raw Boost.Asio"
CAF_IO = "caf::io broker"
SHARD = "actorwire, actor on its shard"
CALLBACK = "actorwire, callback"
SCHEDULER = "actorwire, actor on scheduler"
QUIC = "actorwire, quic://"
MANY = "64 B round trips, 100 connections"
STREAM = "echoed stream, chunks of 64 KiB"
TOGETHER = "64 B ping-pong, client and server on one core, p50"
APART = "64 B ping-pong, a core for each, p50"
IDLE_TCP = "server's memory for each of 10000 idle connections"
BESIDE = "64 B round trips over 100 connections beside those"


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

    def figures(self, chapters):
        """Ours and theirs; None for what is not there, or not wanted."""
        chapter = chapters[self.chapter]
        return (
            chapter.find(self.question, self.ours, self.at),
            chapter.find(self.question, self.theirs, self.theirs_at) if self.theirs else None,
        )


AIMS = [
    Aim("TCP round trips over 100 connections, actor on its shard: 0.95 x raw Boost.Asio", "tcp", MANY, SHARD, 0.95, RAW),
    Aim("the same, callback in the shard: 0.98 x raw Boost.Asio", "tcp", MANY, CALLBACK, 0.98, RAW),
    Aim("the same, actor on its shard: 1.25 x caf::io", "tcp", MANY, SHARD, 1.25, CAF_IO),
    Aim("the same, actor on the scheduler: 0.8 x the one on its shard", "tcp", MANY, SCHEDULER, 0.8, SHARD),
    Aim("TCP stream: 1.3 x caf::io", "tcp", STREAM, SHARD, 1.3, CAF_IO),
    Aim("TCP ping-pong p50, one core: 0.95 x raw Boost.Asio", "tcp", TOGETHER, SHARD, 0.95, RAW),
    Aim("the same: 1 x caf::io", "tcp", TOGETHER, SHARD, 1, CAF_IO),
    Aim("TCP ping-pong p50, a core for each: 0.95 x raw Boost.Asio", "tcp", APART, SHARD, 0.95, RAW),
    Aim("the same: 1 x caf::io", "tcp", APART, SHARD, 1, CAF_IO),
    Aim("TLS bulk: 0.9 x the raw GnuTLS loop", "tls", STREAM, SHARD, 0.9, "raw GnuTLS"),
    Aim("the same: 1 x the raw OpenSSL loop", "tls", STREAM, SHARD, 1, "raw OpenSSL"),
    Aim("TLS ping-pong p50, a core for each: 0.9 x the raw GnuTLS loop", "tls", APART, SHARD, 0.9, "raw GnuTLS"),
    Aim("QUIC bulk: 1,100 MB/s", "quic", "upload on one stream, messages of 64 KiB", QUIC, 1100),
    Aim(
        "QUIC ping-pong p50, a core for each: at most 1.25 x raw TCP, so 0.8 as good",
        "quic",
        APART,
        QUIC,
        0.8,
        "raw Boost.Asio and bare client",
    ),
    Aim("QUIC, full handshakes: 1,000/s", "quic", "connections one after the other, full handshakes", QUIC, 1000),
    Aim("QUIC, resumed handshakes: 2,000/s", "quic", "connections one after the other, resumed handshakes", QUIC, 2000),
    Aim("QUIC datagrams of 1,200 B: 800,000/s", "quic", "datagrams of 1,200 B that arrive", QUIC, 800000),
    Aim("idle TCP connection: 2,600 B", "tcp", IDLE_TCP, "actorwire, one actor for all", 2600),
    Aim("the same: 6 x as good as caf::io", "tcp", IDLE_TCP, "actorwire, one actor for all", 6, CAF_IO),
    Aim("idle TLS connection: 24 KB", "tls", "server's memory for each of 2000 idle connections", SHARD, 24000),
    Aim("idle QUIC connection: 42 KB", "quic", "server's memory for each idle connection", QUIC, 42000),
    Aim("supervised peer: 6 KB", "idle_peers", "memory for each peer", "actorwire", 6000),
    *(
        Aim(f"round trips over 100 connections beside {most:,} idle ones, {rival}: 0.7 x those beside 100", "scale", BESIDE, rival, 0.7, rival, most, 100)
        for rival, most in (("tcp, 1 shard", 15000), ("tcp, 2 shards", 15000), ("quic, 1 shard", 10000), ("quic, 2 shards", 10000))
    ),
]


def judge(aim, chapters):
    """Two cells: what was measured, and whether that is enough."""
    ours, theirs = aim.figures(chapters) if aim.chapter in chapters else (None, None)
    factor = advantage(ours, theirs) if aim.theirs else None
    if ours is None or (aim.theirs and factor is None):
        return "-", "not measured"
    if aim.theirs:
        share = factor / aim.bound
        shown = f"{factor:.2f} x"
    else:
        shown = f"{number(ours.median)} {ours.unit}"
        if ours.more_is_better:
            share = ours.median / aim.bound
        else:
            share = aim.bound / ours.median if ours.median > 0 else 1
    return shown, "met" if share >= 1 else f"falls short by {100 * (1 - share):.0f} %"


def unanswered(chapters):
    """Aims about what is measured by other names, or by none: their chapters are there, and what they ask for is not."""
    missing = []
    for aim in AIMS:
        if aim.chapter not in chapters:
            continue
        ours, theirs = aim.figures(chapters)
        if ours is None or (aim.theirs and theirs is None):
            missing.append(f"{aim.text} ({aim.chapter}: {aim.question})")
    return missing
