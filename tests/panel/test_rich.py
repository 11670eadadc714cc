"""How users' values are shown: richly where they can be, and as text, whatever they are and do."""

from __future__ import annotations

import base64
import gc
import json
import threading
import time
import weakref

import pytest

from nbflow.panel.inspector.rich_repr import IMAGE_LIMIT, TEXT_LIMIT, rich, short
from nbflow.panel.inspector.safe_eval import SafeEvaluator
from nbflow.panel.sanitize import plain
from tests.panel import hostile
from tests.panel.conftest import until
from tests.patience import PATIENCE_S

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def sent(told):
    """Give what arrives in the browser, or fail as the sending would."""
    text = json.dumps(told, allow_nan=False)
    text.encode("utf-8")
    json.dumps(told, ensure_ascii=False).encode("utf-8")  # no lone surrogate is in it
    return text


def name_of(make):
    return getattr(make, "__qualname__", None) or "odd"


class Table:
    def _repr_html_(self):
        return "<table><tr><td>1</td></tr></table>"

    def __repr__(self):
        return "Table(1)"

    def __len__(self):
        return 3


def test_html_is_given_with_the_text_beside_it():
    told = rich(Table())

    assert (told["mime"], told["data"]) == ("text/html", "<table><tr><td>1</td></tr></table>")
    assert told["text"] == "Table(1)"
    assert (told["type"], told["size"]) == ("tests.Table", "3 items")


def test_plain_values_are_text_with_type_and_size():
    assert rich([1, 2, 3]) == {
        "type": "list", "size": "3 items", "mime": "text/plain", "data": "", "text": "[1, 2, 3]", "note": "",
    }  # fmt: skip
    assert (rich("abc")["text"], rich("abc")["size"]) == ("'abc'", "3 characters")
    assert (rich(None)["text"], rich(None)["type"]) == ("None", "NoneType")


def test_an_array_is_told_by_its_shape():
    class Array:
        shape = (3, 20_000)

    assert rich(Array())["size"] == "3 \u00d7 20,000"


def test_a_picture_is_given_as_base64_whether_it_came_so_or_as_bytes():
    class Raw:
        def _repr_png_(self):
            return PNG

    class Coded:
        def _repr_mimebundle_(self, include=None, exclude=None):
            return {"image/png": base64.b64encode(PNG).decode(), "text/plain": "x"}, {"image/png": {"width": 1}}

    for value in (Raw(), Coded()):
        told = rich(value)
        assert told["mime"] == "image/png"
        assert base64.b64decode(told["data"]) == PNG


def test_a_picture_that_is_too_large_is_left_out_with_a_note():
    class Large:
        def _repr_png_(self):
            return PNG + bytes(IMAGE_LIMIT)

    told = rich(Large())

    assert told["mime"] == "text/plain"
    assert "its image/png has" in told["note"]
    assert "is left out" in told["note"]


def test_formatters_that_a_user_has_registered_are_used(shell):
    class Own:
        pass

    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(Own, lambda value: "<b>own</b>")

    assert rich(Own())["data"] == "<b>own</b>"


def test_an_error_in_a_rich_repr_is_noted_and_the_next_one_is_shown(capsys):
    told = rich(hostile.HtmlRaises())

    assert told["text"] == "no html"
    assert told["note"] == "its HTML raised RuntimeError: <i>html</i>"
    assert capsys.readouterr() == ("", "")


def test_an_error_in_the_plain_repr_is_the_text():
    assert rich(hostile.ReprRaises())["text"] == "its repr raised ValueError: <b>repr</b>"


def test_a_long_value_is_cut_and_says_so():
    told = rich(list(range(10_000_000)))
    assert len(told["text"]) < TEXT_LIMIT + 100
    assert "..." in told["text"]

    told = rich("x" * 10_000_000)
    assert told["text"].endswith("… cut here, of 10,000,000 characters")

    assert len(short(b"x" * 10_000)["text"]) < 4_200


@pytest.mark.parametrize("make", hostile.OBJECTS, ids=name_of)
def test_no_object_breaks_or_swells_what_is_told(make):
    evaluator, news = SafeEvaluator(lambda: news.set(), limit_s=20), threading.Event()
    value = make()

    for look in (rich, short):
        news.clear()
        evaluator.ask(look, (value,), lambda look=look: look(value))
        assert news.wait(PATIENCE_S)
        answer = evaluator.ask(look, (value,), lambda: None)
        told = answer.value or {"problem": answer.problem}
        assert 0 < len(sent(told)) < 200_000


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS)
def test_every_text_can_be_sent_and_is_cut(text):
    shown = plain(text, 5_000)

    sent(shown)
    assert len(shown) < 30_000
    assert not set(shown) & {*map(chr, range(9)), "\r", "\x0b", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066"}
    assert ("cut here" in shown) == (len(text) > 5_000)


def test_nothing_of_a_harmless_text_is_lost():
    text = "naïve 🙂 日本語\n\ttab <b>&amp;</b> a\u0301"

    assert plain(text, 1_000) == text


# Users' code that hangs


def test_a_repr_that_hangs_is_given_up_and_the_next_question_is_answered():
    news, value = threading.Semaphore(0), hostile.ReprHangs()
    evaluator = SafeEvaluator(news.release, limit_s=0.05)

    assert evaluator.ask("a", (value,), lambda: repr(value)) is None
    assert evaluator.ask("b", (), lambda: 7) is None
    assert news.acquire(timeout=PATIENCE_S)
    assert news.acquire(timeout=PATIENCE_S)

    assert evaluator.ask("a", (value,), lambda: repr(value)).problem == "took longer than 0.05 s"
    assert evaluator.ask("b", (), lambda: 8).value == 7
    value.end.set()


def test_a_value_whose_repr_hangs_is_not_asked_twice_at_once():
    news, value, asked = threading.Semaphore(0), hostile.ReprHangs(), []
    for _ in range(3):
        evaluator = SafeEvaluator(news.release, limit_s=0.05)
        if evaluator.ask("a", (value,), lambda: asked.append(repr(value))) is None:
            assert news.acquire(timeout=PATIENCE_S)
        assert "longer" in evaluator.ask("a", (value,), lambda: None).problem

    hanging = [thread for thread in threading.enumerate() if thread.name == "nbflow-repr"]
    assert len(hanging) == 1
    value.end.set()
    hanging[0].join(PATIENCE_S)
    assert asked == ["at last"]


def test_a_value_is_asked_again_only_when_it_is_another_object():
    news, asked = threading.Semaphore(0), []
    evaluator = SafeEvaluator(news.release)
    one, other = [1], [1]

    for value in (one, one, other):
        if evaluator.ask("result", (value,), lambda value=value: asked.append(value)) is None:
            assert news.acquire(timeout=PATIENCE_S)

    assert [id(value) for value in asked] == [id(one), id(other)]


def test_what_was_forgotten_is_kept_alive_by_nothing():
    class Value:
        pass

    evaluator, value = SafeEvaluator(lambda: None), Value()
    evaluator.ask("result", (value,), lambda value=value: repr(value))
    assert evaluator.settle(10)
    gone = weakref.ref(value)

    evaluator.forget()
    del value

    until(lambda: gc.collect() is not None and gone() is None)  # the thread may be about to let go of its last answer


def test_the_threads_end_when_there_is_nothing_to_ask():
    evaluator = SafeEvaluator(lambda: None)
    for n in range(20):
        evaluator.ask(n, (), lambda: 1)
    assert evaluator.settle(10)

    end = time.monotonic() + PATIENCE_S
    while any(thread.name in ("nbflow-repr", "nbflow-panel") for thread in threading.enumerate()):
        assert time.monotonic() < end
        threading.Event().wait(0.01)
