"""Simulated machines whose kernels share a ledger: who is taken for dead by whom (rule 20).

Kernels begin and end, in containers or beside them; containers begin and end, and the id of a pid namespace that is
gone is given to the next; machines boot; some see the ledger's locks and others, through a mount of their own, do not.
Every kernel that lives asks who owns each row that was ever written. The question is the real one
(`nbflow.ledger.listing`); the system's answers, about processes and locks, are made up.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbflow.ledger.listing
import nbflow.ledger.process_identity
from nbflow.ledger.listing import owner_of
from nbflow.ledger.process_identity import Kernel
from nbflow.ledger.store import Owner
from tests.properties.simulation.model import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_SPACE = "pid:[4026531836]"
LEDGER = Path("/homes/user/ledger.sqlite3")
EVENTS = 25
NAMES = ("lab", "node")  # machines and containers may have one name
PIDS = (1, 7)  # and few pids, so that they are given again


@dataclass(eq=False)
class Space:
    """A pid namespace: a container's, or that of a machine itself."""

    machine: Machine
    id: str
    host: str
    installed: str  # the id of its installation; containers may have none
    mount: str = "home"  # by which it sees the ledger's folder
    is_there: bool = True


@dataclass(eq=False)
class Machine:
    """A machine, and what runs on it since its boot."""

    name: str
    boot: str
    spaces: list[Space] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)  # ids of namespaces that may be given again


@dataclass(eq=False)
class Process:
    """A kernel that lives or has lived, and the row that it has written."""

    space: Space
    owner: Owner
    is_alive: bool = True


class Containers:
    """Draws what happens to some machines, and checks after each event what every living kernel says.

    Args:
        choose: Gives a number from 0 up to (not including) its argument.
    """

    def __init__(self, choose: Callable[[int], int]) -> None:
        self.choose = lambda n: choose(n) if n > 1 else 0
        self.told: list[str] = []
        self.said: Counter[str] = Counter()
        self.kernels: list[Process] = []
        self.looks_from: Process | None = None
        self._numbers = count(1)
        self.machines = [Machine(f"machine {k}", f"boot {next(self._numbers)}") for k in range(2)]
        for machine in self.machines:
            self._begin_machine(machine)

    def go(self) -> None:
        """Play a history; raises `Wrong` if the living are taken for dead, or the dead for alive."""
        with self._faked():
            for _ in range(EVENTS):
                machine = self.machines[self.choose(len(self.machines))]
                (
                    self._begin_kernel,
                    self._end_kernel,
                    self._begin_container,
                    self._end_container,
                    self._boot,
                )[(0, 0, 0, 1, 1, 2, 2, 3, 4)[self.choose(9)]](machine)
                self._look()

    # -- what happens --

    def _begin_machine(self, machine: Machine) -> None:
        installed, host = f"of {machine.name}", NAMES[self.choose(2)]
        machine.spaces = [Space(machine, FIRST_SPACE, host, installed)]

    def _begin_container(self, machine: Machine) -> None:
        again = machine.gone and self.choose(2)
        number = machine.gone.pop() if again else f"pid:[{next(self._numbers)}]"
        installed = ("", f"of {machine.name}", "of an image")[self.choose(3)]
        mount = ("home", "another mount")[self.choose(4) == 3]
        machine.spaces.append(Space(machine, number, NAMES[self.choose(2)], installed, mount))
        self.told.append(f"a container {machine.spaces[-1].host} begins on {machine.name}, {number}")

    def _end_container(self, machine: Machine) -> None:
        if len(machine.spaces) > 1:
            space = machine.spaces.pop(1 + self.choose(len(machine.spaces) - 1))
            machine.gone.append(space.id)
            self._is_gone(space)

    def _is_gone(self, space: Space) -> None:
        space.is_there = False
        self.told.append(f"{space.id} of {space.machine.name} ends")
        for kernel in self.kernels:
            kernel.is_alive &= kernel.space is not space

    def _boot(self, machine: Machine) -> None:
        for space in machine.spaces:
            self._is_gone(space)
        machine.boot, machine.gone = f"boot {next(self._numbers)}", []
        self._begin_machine(machine)

    def _begin_kernel(self, machine: Machine) -> None:
        space, number = machine.spaces[self.choose(len(machine.spaces))], next(self._numbers)
        free = [pid for pid in PIDS if self._at(space, pid) is None]
        if not free:
            return
        kernel = Kernel(
            free[self.choose(len(free))],
            float(number),
            space.host,
            space.installed,
            machine.boot,
            0,
            space.id,
        )
        has_lock = bool(self.choose(4))  # some file systems have none
        lock = f"token-{number}:{space.mount}:{number}" if has_lock else None
        self.kernels.append(Process(space, Owner(kernel, lock, LEDGER)))
        self.told.append(f"kernel {number} begins in {space.id} of {machine.name}")

    def _end_kernel(self, machine: Machine) -> None:
        living = [kernel for kernel in self.kernels if kernel.is_alive and kernel.space.machine is machine]
        if living:
            kernel = living[self.choose(len(living))]
            kernel.is_alive = False
            self.told.append(f"kernel {kernel.owner.kernel.started:g} ends")

    # -- what the system says --

    def _at(self, space: Space, pid: int) -> Process | None:
        return next(
            (one for one in self.kernels if one.is_alive and one.space is space and one.owner.kernel.pid == pid),
            None,
        )

    def _start_of(self, pid: int) -> float | None:
        assert self.looks_from is not None
        found = self._at(self.looks_from.space, pid)
        return None if found is None else found.owner.kernel.started

    def _is_held(self, ledger: Path, lock: str | None) -> bool | None:
        assert self.looks_from is not None
        mount = (lock or "").split(":")[1:2]
        holder = next((one for one in self.kernels if lock is not None and one.owner.lock == lock), None)
        if holder is None or mount != [self.looks_from.space.mount]:
            return None
        if holder.space.machine is not self.looks_from.space.machine:
            return False  # a lock of another machine may look free
        return holder.is_alive

    @contextmanager
    def _faked(self) -> Iterator[None]:
        fakes: list[tuple[Any, str, Any]] = [
            (nbflow.ledger.process_identity, "start_of", self._start_of),
            (
                nbflow.ledger.process_identity,
                "boot_id",
                lambda: self.looks_from and self.looks_from.space.machine.boot,
            ),
            (nbflow.ledger.listing, "is_held", self._is_held),
        ]
        before = [(module, name, getattr(module, name)) for module, name, _ in fakes]
        try:
            for module, name, fake in fakes:
                setattr(module, name, fake)
            yield
        finally:
            for module, name, value in before:
                setattr(module, name, value)

    # -- what must hold --

    def _look(self) -> None:
        for viewer in self.kernels:
            if viewer.is_alive:
                self.looks_from = viewer
                for kernel in self.kernels:
                    said = owner_of(kernel.owner, viewer.owner.kernel)
                    self.said[said] += 1
                    self._check(viewer, kernel, said)

    def _check(self, viewer: Process, kernel: Process, said: str) -> None:
        is_near = kernel.space.machine is viewer.space.machine
        shares_pids = kernel.space is viewer.space
        sees_lock = kernel.owner.lock is not None and kernel.space.mount == viewer.space.mount
        same_boot = kernel.owner.kernel.boot == viewer.owner.kernel.boot
        if kernel.is_alive and said == "dead kernel":
            raise self.broken(viewer, kernel, "is alive, and taken for dead")
        if (kernel is viewer) != (said == "this kernel"):
            raise self.broken(viewer, kernel, f"is {said}")
        if not kernel.is_alive and said == "another kernel":
            raise self.broken(viewer, kernel, "is gone, and taken for alive")
        if not kernel.is_alive and (shares_pids or (same_boot and sees_lock)) and said != "dead kernel":
            raise self.broken(viewer, kernel, f"is gone, which can be seen, and it is {said}")
        if kernel.is_alive and kernel is not viewer and shares_pids and said != "another kernel":
            raise self.broken(viewer, kernel, f"is alive, which can be seen, and it is {said}")
        if said == "another host" and is_near and same_boot and not viewer.space.id == kernel.space.id:
            raise self.broken(viewer, kernel, "is of this machine, and taken for another host's")

    def broken(self, viewer: Process, kernel: Process, what: str) -> Wrong:
        numbers = (viewer.owner.kernel.started, kernel.owner.kernel.started)
        text = "to kernel {:g}, kernel {:g} ".format(*numbers) + what
        return Wrong("\n  ".join([f"rule 20: {text}", *self.told]))
