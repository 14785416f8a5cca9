"""What is made of figures, tried on figures that everybody can check by heart."""

import itertools
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

import aims
import chart
import figures


def entry(rival, rounds, better="higher", question="speed", **more):
    return {"question": question, "unit": "1/s", "better": better, "rival": rival, "rounds": rounds, **more}


class FiguresTest(unittest.TestCase):
    def test_rounds_of_several_runs_stand_behind_each_other(self):
        joined = figures.join(
            [
                {"noise": "none", "results": [entry("a", [1]), entry("a", [5], question="memory")]},
                {"noise": "some", "results": [entry("a", [2]), entry("b", [3])]},
            ]
        )
        rounds = {(one["question"], one["rival"]): one["rounds"] for one in joined["results"]}
        self.assertEqual(rounds, {("speed", "a"): [1, 2], ("memory", "a"): [5, None], ("speed", "b"): [None, 3]})
        self.assertEqual(joined["noise"], "none; some")

    def test_points_of_a_curve_are_not_joined(self):
        run = {"results": [entry("a", [1], at=1, axis="connections"), entry("a", [2], at=10, axis="connections")]}
        joined = figures.Figures(figures.join([run, run]))
        self.assertEqual([(one.at, one.rounds) for one in joined.points_of("speed")], [(1, [1, 1]), (10, [2, 2])])
        self.assertEqual(joined.questions, [])

    def test_an_advantage_is_that_within_a_round(self):
        ours = figures.Series(entry("a", [10, 100, 30]))
        theirs = figures.Series(entry("b", [5, 50, 10]))
        self.assertEqual(figures.advantage(ours, theirs), 2)

    def test_a_round_without_a_figure_does_not_pair_the_others_with_those_of_other_rounds(self):
        ours = figures.Series(entry("a", [None, 10, 30]))
        theirs = figures.Series(entry("b", [1, 10, 30]))
        self.assertEqual(figures.advantage(ours, theirs), 1)
        self.assertEqual((ours.least, ours.median, ours.greatest), (10, 20, 30))

    def test_what_a_run_has_left_out_does_not_pair_rounds_of_other_runs(self):
        runs = [
            {"results": [entry("a", [1, 2]), entry("b", [])]},
            {"results": [entry("b", [30]), entry("c", [5])]},
            {"results": [entry("a", [40]), entry("b", [40])]},
        ]
        joined = figures.Figures(figures.join(runs))
        rounds = {one.rival: one.rounds for one in joined.series}
        self.assertEqual(rounds, {"a": [1, 2, None, 40], "b": [None, None, 30, 40], "c": [None, None, 5, None]})
        self.assertEqual(figures.advantage(joined.find("speed", "a"), joined.find("speed", "b")), 1)
        self.assertEqual([run["results"][0]["rounds"] for run in runs], [[1, 2], [30], [40]])

    def test_what_never_was_there_has_no_advantage(self):
        ours = figures.Series(entry("a", [1, None]))
        theirs = figures.Series(entry("b", [None, 1]))
        self.assertIsNone(figures.advantage(ours, theirs))

    def test_less_is_an_advantage_where_less_is_better(self):
        ours = figures.Series(entry("a", [2, 2], better="lower"))
        theirs = figures.Series(entry("b", [3, 3], better="lower"))
        self.assertEqual(figures.advantage(ours, theirs), 1.5)

    def test_a_run_that_was_too_short_for_a_figure_counts_as_none(self):
        told = figures.Figures({"results": [entry("a", [None, 4]), entry("b", [None])]})
        self.assertEqual([(one.rival, one.rounds) for one in told.series], [("a", [None, 4])])

    def test_an_aim_at_most_is_met_by_nothing(self):
        aim = aims.Aim("memory", "tcp", "memory", "a", 100)
        chapters = {"tcp": figures.Figures({"results": [entry("a", [0, 0], better="lower", question="memory")]})}
        self.assertEqual(aims.judge(aim, chapters), ("0.00 1/s", "met"))

    def test_an_aim_is_a_factor_within_a_round_or_a_value(self):
        results = [entry("a", [9, None, 30]), entry("b", [10, 20, 20])]
        chapters = {"tcp": figures.Figures({"results": results})}
        self.assertEqual(aims.judge(aims.Aim("", "tcp", "speed", "a", 1.2, "b"), chapters), ("1.20 x", "met"))
        self.assertEqual(aims.judge(aims.Aim("", "tcp", "speed", "a", 26), chapters), ("19.5 1/s", "falls short by 25 %"))
        self.assertEqual(aims.judge(aims.Aim("", "tcp", "speed", "a", 1, "c"), chapters), ("-", "not measured"))
        self.assertEqual(aims.judge(aims.Aim("", "tls", "speed", "a", 1), chapters), ("-", "not measured"))

    def test_the_documentation_has_these_aims(self):
        lines = (pathlib.Path(__file__).parents[3] / "docs" / "performance.md").read_text(encoding="utf-8").splitlines()
        rows = itertools.takewhile(lambda line: line.startswith("|"), lines[lines.index("<!-- aims -->") + 3 :])
        self.assertEqual([row.split("|")[1].strip() for row in rows], [aim.text for aim in aims.AIMS])

    def test_numbers_have_three_digits(self):
        shown = [figures.number(value) for value in (0.123, 12.34, 123.4, 1234.5)]
        self.assertEqual(shown, ["0.12", "12.3", "123", "1,234"])

    def test_pictures_escape_what_they_are_told(self):
        series = [figures.Series(entry("a<b", [1, 2]))]
        self.assertIn("a&lt;b", chart.bars([("x & y", series)], chart.colours_of(["a<b"]), figures.number))

    def test_a_curve_of_one_point_is_drawn(self):
        series = [figures.Series(entry("a", [3], at=7, axis="connections"))]
        self.assertIn("<polyline", chart.curves("speed", "connections", series, chart.colours_of(["a"]), figures.number))


unittest.main()
