"""scripts/bench: tlsdecrypt beside tshark and ssldump, on captures of known content."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_lab import results
from bench_lab.cases import CASES, DEFAULT, FORMS, REST, SCALES, Case, MissingToolError
from bench_lab.measure import Run, WrongAnswerError, check, run
from bench_lab.programs import OURS, PROGRAMS, Job
from bench_lab.table import Figures, comparison, figures, scaling, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench_lab.recipes import Recipe

DATA = Path(__file__).resolve().parents[2] / "bench-data"


def say(text: str) -> None:
    """Progress goes to standard error: the tables alone are the output."""
    print(text, file=sys.stderr, flush=True)


def ensure_capture(recipe: Recipe) -> dict[str, Any]:
    """The facts of the recipe's capture, which is made unless one of the same recipe is there."""
    description = DATA / f"{recipe.name}.json"
    if description.exists():
        facts: dict[str, Any] = json.loads(description.read_text())
        if facts["recipe"] == recipe.as_dict():
            return facts
    say(f"{recipe.name}: making the capture")
    # in a process of its own: its memory would count as that of the programs that are measured
    subprocess.run([sys.executable, "-m", "bench_lab.captures", str(DATA), recipe.name], check=True)
    made: dict[str, Any] = json.loads(description.read_text())
    return made


def job_of(case: Case) -> Job:
    """What the programs get. Raises MissingToolError where it cannot be made."""
    return FORMS[case.form](DATA, case.recipe)


def trusted_programs(case: Case, job: Job, names: Sequence[str]) -> dict[str, float]:
    """Those of `names` that are installed and find every message, with the memory that each took in all.

    The others are said.
    """
    trusted = {}
    for name in names:
        if not PROGRAMS[name].is_installed(job):
            say(f"{name}: not installed, skipped")
            continue
        # in a process of its own: what it reads would count as memory of the programs that are measured
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            try:
                trusted[name] = apart.submit(check, name, job, case.recipe, DATA / "output").result()
            except WrongAnswerError as error:
                say(f"{case.name}: {name} does not count: {error}")
    return trusted


def measure(case: Case, names: Sequence[str], repetitions: int) -> list[Figures]:
    """The programs take turns, so that a slow minute of the machine hits all of them."""
    facts = ensure_capture(case.recipe)
    try:
        job = job_of(case)
    except MissingToolError as error:
        say(f"{case.name}: skipped: {error}")
        return []
    memory = trusted_programs(case, job, names)
    runs: dict[str, list[Run]] = {name: [] for name in memory}
    for repetition in range(repetitions):
        say(f"{case.name}: run {repetition + 1} of {repetitions}")
        for name, so_far in runs.items():
            so_far.append(run(PROGRAMS[name], job))
    return [figures(case.name, name, facts["frames"], each, memory[name]) for name, each in runs.items()]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=CASES, help=f"a capture; may be repeated (default: {', '.join(DEFAULT)})"
    )
    parser.add_argument("--all", action="store_true", help=f"these too: {', '.join(REST)}")
    parser.add_argument(
        "--tools", default=",".join(PROGRAMS), help="programs, with commas between (default: %(default)s)"
    )
    parser.add_argument(
        "-n", "--repetitions", type=int, default=3, help="timed runs of each (default: %(default)s); medians count"
    )
    parser.add_argument(
        "--scaling", action="store_true", help="only tlsdecrypt, on 1, 2, 4 and 8 times the bulk capture (6 GB of disk)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="show what moved since these figures (--json)")
    options = parser.parse_args()
    options.tools = options.tools.split(",")
    unknown = set(options.tools) - set(PROGRAMS)
    if unknown or options.repetitions < 1:
        parser.error(f"unknown tool: {', '.join(unknown)}" if unknown else "at least one repetition is needed")
    options.only = options.only or (*DEFAULT, *(REST if options.all else ()))
    try:
        options.before = results.read(options.compare) if options.compare else []
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return options


def measure_all(options: argparse.Namespace) -> list[Figures]:
    """All captures, and their table."""
    rows = [each for name in options.only for each in measure(CASES[name], options.tools, options.repetitions)]
    print(table(rows))
    return rows


def measure_scaling(options: argparse.Namespace) -> list[Figures]:
    """The bulk capture and its multiples, and how time and memory grow."""
    rows = [
        (times, ensure_capture(CASES[name].recipe)["frames"], found)
        for times, name in SCALES.items()
        for found in measure(CASES[name], [OURS], options.repetitions)
    ]
    print(scaling(rows))
    return [found for _, _, found in rows]


def main() -> int:
    """Exit status 1 where tlsdecrypt failed, or did not find what a capture holds."""
    options = arguments()
    rows = measure_scaling(options) if options.scaling else measure_all(options)
    if options.compare:
        print("\n" + comparison(options.before, rows))
    if options.json:
        results.write(options.json, rows)
    wanted = set(SCALES.values() if options.scaling else options.only) if OURS in options.tools else set()
    return int(not wanted <= {each.capture for each in rows if each.program == OURS} | _impossible(wanted))


def _impossible(wanted: set[str]) -> set[str]:
    """Captures that cannot be made here are no fault of the program."""
    missing = set()
    for name in wanted:
        try:
            job_of(CASES[name])
        except MissingToolError:
            missing.add(name)
    return missing


if __name__ == "__main__":
    sys.exit(main())
