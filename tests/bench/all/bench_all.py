#!/usr/bin/env python3
"""Runs all benchmarks, and writes docs/benchmarks.md with its figures and pictures: ./dev bench all"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.dont_write_bytecode = True

import aims
import document
import figures

# What goes over rivals in rounds, which can be parted over cycles; what is steady and takes long is done in the first only.
FIRST = ["--counts"]
LATER = ["--idle", "0"]
ROUNDS = ("tcp", "tls", "quic")
# Once.
SINGLE = {"scale": [], "idle_peers": [], "storm": ["--only", "open"]}


def parse():
    parser = argparse.ArgumentParser(prog="dev bench all", description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, help="the folder of the benchmarks")
    parser.add_argument("--out", type=pathlib.Path, help="where benchmarks.md is written (docs)")
    parser.add_argument("--cycles", type=int, default=3, help="rounds over everything (3)")
    parser.add_argument("--seconds", type=float, default=0.5, help="time of each measurement (0.5)")
    parser.add_argument("--only", default=",".join([*ROUNDS, *SINGLE]), help="benchmarks, parted by commas (all)")
    parser.add_argument(
        "--smoke", action="store_true", help="a quick run that proves that everything works; empties --out first, ends with the first failure"
    )
    parser.add_argument("--report", action="store_true", help="measures nothing, writes anew what the kept figures say")
    parser.add_argument("--check", action="store_true", help="writes nothing, fails if --report would change something")
    wanted = parser.parse_args()
    wanted.only = wanted.only.split(",")
    if unknown := set(wanted.only) - {*ROUNDS, *SINGLE}:
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}")
    if wanted.smoke and not wanted.out:
        parser.error("--smoke needs --out, which it empties")
    wanted.out = wanted.out or pathlib.Path("docs")
    if wanted.report or wanted.check:
        return wanted
    if not wanted.bin:
        parser.error("--bin is missing")
    if missing := [name for name in wanted.only if not (wanted.bin / f"bench_{name}").exists()]:
        parser.error(f"{wanted.bin} has no {', '.join(f'bench_{name}' for name in missing)}: --only names what there is")
    return wanted


def run(program, arguments, ends_at_failures):
    """Returns what the benchmark has written. A promise that it finds broken does not end the others: it stands among the facts."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "figures.json"
        with (pathlib.Path(folder) / "log").open("w+", encoding="utf-8") as log:
            status = subprocess.run([program, *arguments, "--json", file], stdout=log, stderr=subprocess.STDOUT, check=False).returncode
            log.seek(0)
            said = log.read()
        if not file.exists() or (status != 0 and ends_at_failures):
            sys.exit(f"{program} failed with {status}:\n{said}")
        data = json.loads(file.read_text(encoding="utf-8"))
        if status != 0:
            print(f"{program} failed with {status}:\n{said}", file=sys.stderr)
            data["failure"] = f"status {status}, {(said.strip().splitlines() or ['nothing said'])[-1]}"
        return data


def measure(wanted):
    """Returns the joined figures of each benchmark."""
    runs = {name: [] for name in [*ROUNDS, *SINGLE] if name in wanted.only}
    cycles = 1 if wanted.smoke else wanted.cycles
    began = time.monotonic()
    for cycle in range(cycles):
        for name in runs:
            if name in SINGLE and cycle > 0:
                continue
            print(f"{time.monotonic() - began:4.0f} s: cycle {cycle + 1} of {cycles}, {name}", file=sys.stderr)
            if wanted.smoke:
                arguments = ["--smoke"]
            elif name in ROUNDS:
                arguments = ["--curves", "--rounds", "1", "--seconds", str(wanted.seconds), *(LATER if cycle > 0 else FIRST)]
            else:
                arguments = SINGLE[name]
            runs[name].append(run(wanted.bin / f"bench_{name}", arguments, wanted.smoke))
    print(f"{time.monotonic() - began:4.0f} s in all", file=sys.stderr)
    joined = {name: figures.join(of_it) for name, of_it in runs.items()}
    for name in ROUNDS:
        if name in joined and not wanted.smoke:
            joined[name]["rounds"] = f"{cycles} x {wanted.seconds:g} s"
    return joined


def report(folder):
    """The files that the kept figures make, by name, and what is wrong with these figures."""
    kept = {name: folder / "benchmarks" / f"{name}.json" for name in document.CHAPTERS}
    chapters = {name: figures.load(file) for name, file in kept.items() if file.exists()}
    if not chapters:
        sys.exit(f"there are no figures in {folder / 'benchmarks'}")
    text, pictures = document.write(chapters)
    files = {folder / "benchmarks.md": text, **{folder / "benchmarks" / name: drawn for name, drawn in pictures.items()}}
    return files, [f"nothing was measured of an aim: {aim}" for aim in aims.unanswered(chapters)]


def begin_anew(folder):
    """What an earlier run has left there would stand for what this one has not done."""
    (folder / "benchmarks.md").unlink(missing_ok=True)
    shutil.rmtree(folder / "benchmarks", ignore_errors=True)


def main():
    wanted = parse()
    failures = []
    if not (wanted.report or wanted.check):
        if wanted.smoke:
            begin_anew(wanted.out)
        measured = measure(wanted)
        (wanted.out / "benchmarks").mkdir(parents=True, exist_ok=True)
        for name, data in measured.items():
            (wanted.out / "benchmarks" / f"{name}.json").write_text(json.dumps(data, indent=1) + os.linesep, encoding="utf-8")
        failures = [f"bench_{name}: {data['failure']}" for name, data in measured.items() if "failure" in data]
    files, gaps = report(wanted.out)
    # A smoke run has fewer of everything, and --report only writes.
    if not (wanted.smoke or wanted.report):
        failures += gaps
    if wanted.check:
        stale = [file for file, text in files.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
        stale += [file for file in (wanted.out / "benchmarks").glob("*.svg") if file not in files]
        failures += [f"not what the kept figures make: {file}" for file in stale]
    else:
        for file in (wanted.out / "benchmarks").glob("*.svg"):
            if file not in files:
                file.unlink()
        for file, text in files.items():
            file.write_text(text, encoding="utf-8")
        print(wanted.out / "benchmarks.md")
    if failures:
        sys.exit("\n".join(failures))


main()
