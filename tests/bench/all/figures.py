"""What benchmarks have measured: the JSON that they write, joined over several runs."""

import json
import pathlib
import statistics


class Series:
    """What one rival reached for one question, round by round."""

    def __init__(self, entry):
        self.question = entry["question"]
        self.unit = entry["unit"]
        self.more_is_better = entry["better"] == "higher"
        self.rival = entry["rival"]
        # One for each round, so that rounds of rivals are of the same time; None where there is no figure.
        self.rounds = entry["rounds"]
        self.values = [value for value in self.rounds if value is not None]
        # Of a curve: what is varied, and where on it this is.
        self.axis = entry.get("axis", "")
        self.at = entry.get("at")
        # Of a distribution, round by round: pairs of a share and a value.
        self.quantiles = entry.get("quantiles", [])

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def least(self):
        return min(self.values)

    @property
    def greatest(self):
        return max(self.values)


class Figures:
    """All that one benchmark told."""

    def __init__(self, data):
        self.facts = {name: value for name, value in data.items() if name != "results"}
        self.series = [one for one in map(Series, data["results"]) if one.values]

    @property
    def rivals(self):
        return list(dict.fromkeys(one.rival for one in self.series))

    @property
    def questions(self):
        """Of what is no curve."""
        return list(dict.fromkeys(one.question for one in self.series if one.at is None))

    @property
    def curves(self):
        return list(dict.fromkeys(one.question for one in self.series if one.at is not None))

    def of(self, question):
        return [one for one in self.series if one.question == question and one.at is None]

    def points_of(self, question):
        """Of a curve, which may be about the same as a question without."""
        return [one for one in self.series if one.question == question and one.at is not None]

    def find(self, question, rival, at=None):
        for one in self.series:
            if one.question == question and one.rival == rival and one.at == at:
                return one
        return None


def load(path):
    return Figures(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))


def join(runs):
    """One run of all: rounds behind each other, None where a run has no figure. Of facts the last word counts, noise and failures are
    listed."""
    joined = {name: value for run in runs for name, value in run.items() if name != "results"}
    for name in ("noise", "failure"):
        said = [run[name] for run in runs if name in run]
        if len(said) > 1:
            joined[name] = "; ".join(said)
    entries = {}
    before = 0
    for run in runs:
        length = max((len(entry["rounds"]) for entry in run["results"]), default=0)
        for entry in run["results"]:
            key = (entry["question"], entry.get("at"), entry["rival"])
            if key not in entries:
                entries[key] = {**entry, "rounds": [None] * before}
                if "quantiles" in entry:
                    entries[key]["quantiles"] = []
            entries[key]["rounds"] += entry["rounds"]
            if "quantiles" in entry:
                entries[key].setdefault("quantiles", []).extend(entry["quantiles"])
        before += length
        for entry in entries.values():
            entry["rounds"] += [None] * (before - len(entry["rounds"]))
    joined["results"] = [entry for entry in entries.values() if any(value is not None for value in entry["rounds"])]
    return joined


def advantage(ours, theirs):
    """How much better ours was within the same round, as a median; what disturbs a whole round cancels out."""
    if ours is None or theirs is None:
        return None
    ratios = []
    for mine, other in zip(ours.rounds, theirs.rounds):
        if mine and other:
            ratios.append(mine / other if ours.more_is_better else other / mine)
    return statistics.median(ratios) if ratios else None


def number(value):
    """Three digits, and no more before the point than there are."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"
