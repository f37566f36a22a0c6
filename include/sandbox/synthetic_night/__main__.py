"""Make a synthetic night on the command line: ``python -m sandbox.synthetic_night --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dbb.errors import DbbError
from sandbox.synthetic_night import (
    CATALOGUE,
    PROFILES,
    GroupFault,
    Kind,
    NightPlan,
    deliver_late,
    make_calibration_group,
    make_night,
    resend_good,
)
from sandbox.synthetic_night.calibrations import EXPOSURE_S


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; give the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "make":
            return _make(options)
        if options.command == "calibrations":
            return _make_calibrations(options)
        plan = NightPlan.load(options.plan)
        written = deliver_late(plan) if options.command == "late" else resend_good(plan)
    except (DbbError, OSError, ValueError) as error:
        print(f"synthetic_night: {error}", file=sys.stderr)
        return 1
    print("\n".join(written))
    return 0


def _make(options: argparse.Namespace) -> int:
    plan = make_night(
        options.root,
        options.day_obs,
        options.profile,
        exposures=options.exposures,
        seed=options.seed,
        pixels=options.pixels,
        amplifiers=options.amplifiers,
        faults=_faults(options.fault),
        instruments=options.instrument or ("LSSTCam", "LATISS"),
        progress=_show_progress if sys.stderr.isatty() else None,
    )
    path = options.plan or options.root.with_name(f"{options.root.name}-{plan.day_obs}.plan.json")
    plan.save(path)
    print(f"{len(plan.exposures)} exposures, {len(plan.faults)} with a fault; plan: {path}")
    for unit, fault in plan.faults.items():
        print(f"  {unit}  {fault.kind}  {' '.join(fault.detectors)}")
    return 0


def _make_calibrations(options: argparse.Namespace) -> int:
    group = make_calibration_group(
        options.root,
        options.kind,
        exposures=options.exposures,
        detectors=options.detector,
        instrument=options.instrument,
        day_obs=options.day_obs,
        first_seq_num=options.first_seq_num,
        physical_filter=options.filter,
        seed=options.seed,
        pixels=options.pixels,
        amplifiers=options.amplifiers,
        overscan=options.overscan,
        fault=options.fault,
    )
    print(f"{len(group.exposures)} exposures of {group.kind}, {len(group.images)} images")
    return 0


def _faults(chosen: Sequence[str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for item in chosen:
        kind, _, number = item.partition("=")
        wanted = [str(each) for each in Kind] if kind == "all" else [kind]
        for each in wanted:
            numbers[each] = numbers.get(each, 0) + int(number or 1)
    return numbers


def _show_progress(done: int, total: int, unit: str) -> None:
    print(f"\r{done}/{total} {unit} ", end="\n" if done == total else "", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind:22} {entry.outcome}" for kind, entry in CATALOGUE.items())
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.synthetic_night",
        description="Write a night of raw exposures into a folder that stands for the camera's.",
        epilog=f"faults:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write a night and its plan")
    make.add_argument("root", type=Path, help="the folder")
    make.add_argument("--day-obs", required=True, help="the observing day, YYYYMMDD")
    profiles = ", ".join(f"{name} {number}" for name, number in PROFILES.items())
    make.add_argument("--profile", choices=PROFILES, default="S", help=f"exposures: {profiles}")
    make.add_argument("--exposures", type=int, help="the number of exposures itself")
    make.add_argument("--seed", type=int, default=0, help="the same seed makes the same bytes")
    make.add_argument("--pixels", type=int, default=64, help="side of an amplifier's image")
    make.add_argument("--amplifiers", type=int, default=1, help="extensions of an image")
    make.add_argument("--instrument", action="append", help="may be repeated")
    make.add_argument(
        "--fault", action="append", default=[], metavar="KIND[=NUMBER]",
        help="plant a fault, or `all`; may be repeated",
    )  # fmt: skip
    make.add_argument("--plan", type=Path, help="where the plan goes; beside the night without")
    _add_calibrations(commands.add_parser("calibrations", help="write a group of calibrations"))
    for name, what in (
        ("late", "write what was kept back"),
        ("resend", "write good copies of what was damaged"),
    ):
        commands.add_parser(name, help=what).add_argument("plan", type=Path)
    return parser


def _add_calibrations(group: argparse.ArgumentParser) -> None:
    group.add_argument("root", type=Path, help="the folder")
    group.add_argument("--day-obs", required=True, help="the observing day, YYYYMMDD")
    group.add_argument("--kind", choices=EXPOSURE_S, required=True)
    group.add_argument("--exposures", type=int, default=25)
    group.add_argument("--instrument", default="LSSTCam")
    group.add_argument("--detector", action="append", default=[], help="may be repeated; else all")
    group.add_argument("--first-seq-num", type=int, default=5_001, help="behind those of a night")
    group.add_argument("--filter", default="", help="the physical filter of a flat")
    group.add_argument("--seed", type=int, default=0, help="the same seed makes the same detectors")
    group.add_argument("--pixels", type=int, default=64, help="side of an amplifier's image")
    group.add_argument("--amplifiers", type=int, default=1, help="extensions of an image")
    group.add_argument("--overscan", type=int, default=0, help="columns behind an amplifier's data")
    group.add_argument("--fault", choices=[str(each) for each in GroupFault], help="plant a fault")


if __name__ == "__main__":
    sys.exit(main())
