"""What bench_all.py makes of benchmarks that fail, or are not there: it runs made-up ones."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

import aims

BENCH_ALL = pathlib.Path(__file__).parent / "bench_all.py"
FACTS = {"machine": "made up", "noise": "none"}


def answers(chapter):
    """As much as makes every aim of a chapter an answer."""
    results = []
    for aim in aims.AIMS:
        if aim.chapter == chapter:
            for rival, at in ((aim.ours, aim.at), (aim.theirs, aim.theirs_at)):
                entry = {"question": aim.question, "unit": "1/s", "better": "higher", "rival": rival, "rounds": [7]}
                if at is not None:
                    entry |= {"at": at, "axis": "connections"}
                if rival and entry not in results:
                    results.append(entry)
    return results


class BenchAllTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = pathlib.Path(folder.name) / "bin"
        self.out = pathlib.Path(folder.name) / "out"
        self.bin.mkdir()

    def make(self, name, results, status=0, says="promises kept", **facts):
        """A benchmark that writes these figures; None: it writes nothing."""
        program = self.bin / f"bench_{name}"
        writes = "" if results is None else f"open(sys.argv[sys.argv.index('--json') + 1], 'w').write({json.dumps({**FACTS, **facts, 'results': results})!r})\n"
        program.write_text(f"#!{sys.executable}\nimport sys\n{writes}print('begin')\nprint({says!r})\nsys.exit({status})\n", encoding="utf-8")
        program.chmod(0o755)

    def run_all(self, *arguments):
        words = [sys.executable, BENCH_ALL, "--bin", self.bin, "--out", self.out, *arguments]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def text(self):
        return (self.out / "benchmarks.md").read_text(encoding="utf-8")

    def test_figures_of_all_are_written_and_checked(self):
        self.make("tcp", answers("tcp"))
        self.make("storm", answers("storm"))
        done = self.run_all("--only", "tcp,storm", "--cycles", "2")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("rounds: 2 x 0.5 s", self.text())
        self.assertIn("rounds: all of it once", self.text())
        self.assertEqual(self.run_all("--check").returncode, 0)
        (self.out / "benchmarks.md").write_text("something else", encoding="utf-8")
        checked = self.run_all("--check")
        self.assertEqual(checked.returncode, 1)
        self.assertIn("not what the kept figures make", checked.stdout)

    def test_a_broken_promise_ends_with_a_failure_and_stands_in_the_text(self):
        self.make("storm", answers("storm"), status=1, says="PROMISES BROKEN")
        self.make("idle_peers", answers("idle_peers"))
        done = self.run_all("--only", "storm,idle_peers")
        self.assertEqual(done.returncode, 1)
        self.assertIn("bench_storm: status 1, PROMISES BROKEN", done.stdout)
        self.assertIn("The benchmark failed: status 1, PROMISES BROKEN.", self.text())
        self.assertIn("## Supervised peers", self.text())

    def test_a_smoke_run_ends_with_the_first_failure(self):
        self.make("storm", answers("storm"), status=1, says="PROMISES BROKEN")
        done = self.run_all("--smoke", "--only", "storm")
        self.assertEqual(done.returncode, 1)
        self.assertIn("PROMISES BROKEN", done.stdout)
        self.assertFalse((self.out / "benchmarks.md").exists())

    def test_a_smoke_run_takes_nothing_for_its_own_that_was_there(self):
        self.make("storm", answers("storm"))
        self.assertEqual(self.run_all("--only", "storm").returncode, 0)
        self.make("tcp", [], **{"rounds": "1 x 0.05 s"})
        done = self.run_all("--smoke", "--only", "tcp")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertFalse((self.out / "benchmarks" / "storm.json").exists())
        self.assertIn("rounds: 1 x 0.05 s", self.text())

    def test_a_benchmark_that_writes_nothing_is_told(self):
        self.make("storm", None, status=3, says="it crashed")
        done = self.run_all("--only", "storm")
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed with 3", done.stdout)
        self.assertIn("it crashed", done.stdout)

    def test_a_benchmark_that_is_not_there_is_no_success(self):
        self.make("storm", answers("storm"))
        self.assertEqual(self.run_all("--only", "storm").returncode, 0)
        (self.bin / "bench_storm").unlink()
        done = self.run_all("--only", "storm")
        self.assertEqual(done.returncode, 2)
        self.assertIn("has no bench_storm", done.stdout)

    def test_an_aim_that_asks_for_what_is_not_measured_is_a_failure(self):
        self.make("idle_peers", [{**answers("idle_peers")[0], "question": "by another name"}])
        done = self.run_all("--only", "idle_peers")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was measured of an aim: supervised peer", done.stdout)
        self.assertEqual(self.run_all("--check").returncode, 1)

    def test_facts_that_differ_stand_with_each_chapter(self):
        self.make("storm", answers("storm"), machine="one")
        self.make("idle_peers", answers("idle_peers"), machine="another", kernel="same")
        self.assertEqual(self.run_all("--only", "storm,idle_peers").returncode, 0)
        self.assertNotIn("- machine: ", self.text())
        self.assertRegex(self.text(), "## Supervised peers\n\n.*\n\n.*machine: another")
        self.assertRegex(self.text(), "## Reconnect storm\n\n.*\n\n.*machine: one")


unittest.main()
