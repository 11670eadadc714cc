"""What a hand makes of a worker process that dies at a bad moment; the process is a script of what it says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nbflow.engine.attempt import RECALLED, Call
from nbflow.executors.bundle import Bundle
from nbflow.executors.errors import CannotReturnError, WorkerDiedError
from nbflow.executors.parcel import unpacked
from nbflow.executors.process_executor import ProcessExecutor
from nbflow.executors.process_hand import ProcessHand
from nbflow.executors.remote_call import call_of, made
from nbflow.executors.worker_process import WorkerLost, WorkerProcess


class ScriptedProcess(WorkerProcess):
    """Says what it is to say, reads so much, and is no more."""

    name, pid, is_alive, knows_base, made = "a worker", 1, True, True, 0

    def __init__(self, said, *, reads=10):
        self.said, self.reads, self.heard = list(said), reads, []
        self._place = None

    def send_calls(self, parts):
        self._send("calls", parts)

    def _send(self, kind, parts):
        self.heard.append((kind, parts))
        self.reads -= 1
        if self.reads < 0:
            raise WorkerLost

    def receive(self, timeout_s):
        if not self.said:
            raise WorkerLost
        return self.said.pop(0)

    def death(self, task_name):
        return WorkerDiedError(task_name, self.name, "died")

    def kill(self):
        self.is_alive = False

    def close(self):
        self.kill()


class Processes(ProcessExecutor):
    """Starts this one."""

    def __init__(self, process):
        super().__init__(1)
        self.start = lambda: process


def give(x):
    return x


def bundle_of(count):
    calls = [Call(x, SimpleNamespace(name=f"t{x}"), give, {"x": x}, lambda *_: {}) for x in range(count)]
    for call in calls:
        call.is_ahead = True
    session = SimpleNamespace(_recalls=0, report=lambda *_, **options: None, awaits=lambda call: False)
    return calls, Bundle(session, calls.copy(), 0)


def ended(x):
    from nbflow.executors.parcel import Shipped

    shipped = Shipped(f"t{x}", None, give, {"x": x}, {}, {})
    return "ended", [bytes(part) for part in made(call_of(shipped, {}), shipped, lambda: None)]


@pytest.fixture
def shipper():
    return SimpleNamespace(ship=lambda bundle, knows_base: [b"calls"])


def test_what_a_worker_has_said_before_it_died_is_read_although_it_hears_no_recall(shipper):
    calls, bundle = bundle_of(5)
    process = ScriptedProcess([None, ended(0), ended(1), ended(2)], reads=1)
    bundle._session._recalls += 1

    ProcessHand(shipper, Processes(process)).perform(bundle)

    outcomes = dict(bundle._ended)
    assert [outcomes[call].value for call in calls[:3]] == [0, 1, 2]
    assert isinstance(outcomes[calls[3]].error, WorkerDiedError)
    assert bundle.left == calls[4:]


def test_nothing_fails_with_a_worker_that_died_while_it_was_idle(shipper):
    calls, bundle = bundle_of(1)
    process = ScriptedProcess([ended(0)], reads=1)
    hand = ProcessHand(shipper, Processes(process))
    hand.perform(bundle)
    calls, bundle = bundle_of(2)

    hand.perform(bundle)

    assert bundle._ended == []
    assert bundle.left == calls


def test_a_task_that_no_new_worker_takes_fails(shipper):
    calls, bundle = bundle_of(2)

    ProcessHand(shipper, Processes(ScriptedProcess([], reads=0))).perform(bundle)

    assert isinstance(dict(bundle._ended)[calls[0]].error, WorkerDiedError)
    assert bundle.left == calls[1:]


# -- a bundle in which calls expect others --------------------------------------------------------------------------


def pairs():
    """Return four calls, of which the second expects the first, and the fourth the third."""
    calls, bundle = bundle_of(4)
    calls[1].expects, calls[3].expects = (calls[0],), (calls[2],)
    return calls, bundle


def ends_of(bundle):
    return [(call.node, outcome) for call, outcome in bundle._ended]


def test_what_expects_the_task_that_a_worker_died_in_goes_back_and_the_others_elsewhere(shipper):
    calls, bundle = pairs()

    ProcessHand(shipper, Processes(ScriptedProcess([]))).perform(bundle)

    (dead, outcome), back = ends_of(bundle)
    assert (dead, type(outcome.error)) == (0, WorkerDiedError)
    assert back == (1, RECALLED)
    assert bundle.left == calls[2:]


def test_what_a_worker_passes_over_goes_back_and_is_never_said_to_have_begun(shipper):
    told = []
    calls, bundle = pairs()
    bundle._session.report = lambda ended, begun=None, **_: told.append((ended, begun))
    _, parts = ended(0)

    ProcessHand(shipper, Processes(ScriptedProcess([("apart", parts), ended(2), ended(3)]))).perform(bundle)

    bundle.report()
    ends = [(call.node, outcome) for some, _ in told for call, outcome in some]
    assert [node for node, _ in ends] == [0, 1, 2, 3]
    assert ends[1][1] is RECALLED
    assert [outcome.value for node, outcome in ends if node != 1] == [0, 2, 3]
    assert calls[1] not in [begun for _, begun in told]


def test_a_stop_names_the_call_by_its_place_among_those_that_were_sent(shipper):
    calls, bundle = pairs()
    _, parts = ended(0)
    process = ScriptedProcess([("apart", parts), None, ended(2)])
    calls[2].stop_requested = True

    ProcessHand(shipper, Processes(process)).perform(bundle)

    assert [unpacked(parts) for kind, parts in process.heard if kind == "stop"] == [(2, None)]


def test_a_worker_goes_no_further_with_a_value_that_cannot_be_read_here(shipper):
    calls, bundle = pairs()
    process = ScriptedProcess([("ended", [b"nonsense"]), ended(1)])

    ProcessHand(shipper, Processes(process)).perform(bundle)

    assert not process.is_alive
    (first, outcome), back = ends_of(bundle)
    assert (first, type(outcome.error)) == (0, CannotReturnError)
    assert back == (1, RECALLED)
    assert bundle.left == calls[2:]


def test_a_value_that_cannot_be_read_here_harms_nobody_that_does_not_expect_it(shipper):
    _, bundle = bundle_of(2)
    process = ScriptedProcess([("ended", [b"nonsense"]), ended(1)])

    ProcessHand(shipper, Processes(process)).perform(bundle)

    assert process.is_alive
    assert bundle.left == []
