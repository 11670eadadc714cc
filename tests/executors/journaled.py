"""Managers that say in a journal what they do, and what tests of them ask."""

from __future__ import annotations

import os

from nbflow import ledger, resource_manager
from tests.patience import PATIENCE_S


class Plain:
    """Cannot be reclaimed."""

    def __init__(self, journal, arg=None):
        self.journal, self.arg = journal, arg

    def setup(self):
        self.journal.note("setup")
        return os.getpid()

    def cleanup(self, resource):
        self.journal.note("cleanup")


class Found(Plain):
    """Can be reclaimed."""

    def handle(self, resource):
        return [str(self.journal.path), resource]

    @staticmethod
    def reclaim(handle):
        with open(handle[0], "a") as file:
            file.write(f"reclaim {handle[1]}\n")


def scoped(cls, **options):
    return resource_manager(cls, scope="worker", **options)


def step_until(run, is_true):
    while not is_true():
        run.step()


def interrupt_thrice(run):
    for count in (1, 2, 3):
        run._loop.note_interrupt(count)
    run.wait(PATIENCE_S)


def open_rows():
    return [(row.block.split()[0], row.state) for row in ledger.resources()]
