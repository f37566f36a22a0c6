"""The pages of the test night: exposures for them, and what a person reads there."""

from __future__ import annotations

import html
import re

from support.tiny_camera import take_exposure
from support.world import run_night

NIGHT_PAGE = "/night/20261121"


def obs(number):
    return f"MC_O_20261121_{number:06d}"


def publish(world, *numbers, **options):
    for number in numbers:
        take_exposure(world.summit, number, **options)
    world.settle()
    run_night(world)


def text_of(answer):
    """Give what a person reads."""
    body = re.sub(r"<style>.*?</style>", "", answer.text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", body))


def listed(answer):
    """Name the exposures of the night's table, in order."""
    return re.findall(r'href="\.\./exposure/([^"]+)"', answer.text)
