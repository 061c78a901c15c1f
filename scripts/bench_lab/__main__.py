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

from bench_lab.credentials import credentials_in
from bench_lab.measure import Run, WrongAnswerError, check, run
from bench_lab.programs import PROGRAMS, Job
from bench_lab.recipes import DEFAULT, RECIPES, Recipe
from bench_lab.table import Figures, figures, table

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = Path(__file__).resolve().parents[2] / "bench-data"


def say(text: str) -> None:
    """Progress goes to standard error: the table alone is the output."""
    print(text, file=sys.stderr, flush=True)


def ensure_capture(recipe: Recipe) -> dict[str, Any]:
    """The facts of the recipe's capture, which is made unless one of the same recipe is there."""
    description = DATA / f"{recipe.name}.json"
    if description.exists():
        facts: dict[str, Any] = json.loads(description.read_text())
        if facts["recipe"] == recipe.as_dict():
            return facts
    say(f"{recipe.name}: making the capture")
    subprocess.run([sys.executable, "-m", "bench_lab.captures", str(DATA), recipe.name], check=True)
    made: dict[str, Any] = json.loads(description.read_text())
    return made


def job_of(recipe: Recipe) -> Job:
    """The capture and what opens it."""
    key_log = DATA / f"{recipe.name}.keylog" if recipe.needs_key_log else None
    return Job(DATA / f"{recipe.name}.pcap", credentials_in(DATA / "keys"), key_log)


def trusted_programs(recipe: Recipe, job: Job, names: Sequence[str]) -> list[str]:
    """Those of `names` that are installed and find every message of the capture; the others are said."""
    trusted = []
    for name in names:
        if not PROGRAMS[name].is_installed(job):
            say(f"{name}: not installed, skipped")
            continue
        # in a process of its own: what it reads would count as memory of the programs that are measured
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            try:
                apart.submit(check, name, job, recipe.messages, DATA / f"output-{name}").result()
            except WrongAnswerError as error:
                say(f"{recipe.name}: {name} does not count: {error}")
                continue
        trusted.append(name)
    return trusted


def measure(recipe: Recipe, names: Sequence[str], repetitions: int) -> list[Figures]:
    """The programs take turns, so that a slow minute of the machine hits all of them."""
    facts, job = ensure_capture(recipe), job_of(recipe)
    runs: dict[str, list[Run]] = {name: [] for name in trusted_programs(recipe, job, names)}
    for repetition in range(repetitions):
        say(f"{recipe.name}: run {repetition + 1} of {repetitions}")
        for name, so_far in runs.items():
            so_far.append(run(PROGRAMS[name], job))
    return [figures(recipe.name, name, facts["frames"], all_runs) for name, all_runs in runs.items()]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=RECIPES, help="a capture; may be repeated (default: bulk, short, small)"
    )
    parser.add_argument(
        "--tools", default=",".join(PROGRAMS), help="programs, with commas between (default: %(default)s)"
    )
    parser.add_argument(
        "-n", "--repetitions", type=int, default=3, help="timed runs of each (default: %(default)s); medians count"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    options.tools = options.tools.split(",")
    unknown = set(options.tools) - set(PROGRAMS)
    if unknown or options.repetitions < 1:
        parser.error(f"unknown tool: {', '.join(unknown)}" if unknown else "at least one repetition is needed")
    return options


def main() -> int:
    """Exit status 1 where a program failed, or tlsdecrypt did not find what the capture holds."""
    options = arguments()
    rows: list[Figures] = []
    missing = False
    for name in options.only or DEFAULT:
        measured = measure(RECIPES[name], options.tools, options.repetitions)
        missing |= "tlsdecrypt" in options.tools and all(each.program != "tlsdecrypt" for each in measured)
        rows += measured
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([each._asdict() for each in rows], indent=1) + "\n")
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
