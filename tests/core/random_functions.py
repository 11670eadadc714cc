# ruff: noqa: E501 - tables of one-line programs
"""Random small functions of one argument, to hold what is said of them against what they do."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import sys
from collections import Counter, OrderedDict, defaultdict, deque

import numpy as np
import pandas as pd

__all__ = ["call_briefly", "random_function", "random_value"]


class Box:
    def __init__(self, item):
        self.item = item
        self.held = []

    def put(self, item):
        self.held.append(item)
        return self

    def first(self):
        return self.held[0]

    @property
    def inner(self):
        return self.item

    def __iter__(self):
        return iter(self.held)

    def __getitem__(self, key):
        return self.item[key]

    def __add__(self, other):
        return self

    def __iadd__(self, other):
        self.held.append(other)
        return self

    def __repr__(self):
        return f"Box({self.item!r}, {self.held!r})"


def same(v):
    return v


def first_of(v):
    return v[0]


def in_list(v):
    return [v]


def all_of(v):
    yield from v


def put(v, w):
    v.append(w)


def change(v):
    v[0] = 9


def change_inside(v):
    for one in v:
        one[0] = 9


def sometimes(v, *rest, **named):
    if rest:
        return rest
    return named or v


def remember(v, kept={}):  # noqa: B006 - meant
    kept["v"] = v
    return kept


NAMES = {
    **{one.__name__: one for one in (Box, same, first_of, in_list, all_of, put, change, change_inside, sometimes)},
    "remember": remember,
    "np": np,
    "pd": pd,
    "copy": copy,
    "itertools": itertools,
    "functools": functools,
    "Counter": Counter,
    "OrderedDict": OrderedDict,
    "defaultdict": defaultdict,
    "deque": deque,
    "nullcontext": contextlib.nullcontext,
}
EXPRESSIONS = (
    """
{v}|{v}[0]|{v}[-1]|{v}['a']|{v}[:]|{v}[1:]|list({v})|tuple({v})|dict({v})|[{v}]|({v}, {w})|{{'a': {v}}}|{{**{v}}}
[*{v}]|{v}.copy()|sorted({v}, key=str)|next(iter({v}))|{v}.get('a')|[e for e in {v}]|{{k: u for k, u in {v}.items()}}
list({v}.values())|list({v}.items())|{v}.values()|{v}.items()|{v} + {w}|{v} * 2|list(zip({v}, {w}))|max({v}, key=str)
{v} if {v} else {w}|same({v})|first_of({v})|in_list({v})|(lambda q: q)({v})|(lambda: {v})()|list(map(same, {v}))
list(filter(None, {v}))|list(reversed({v}))|getattr({v}, 'copy')()|copy.copy({v})|copy.deepcopy({v})
list(enumerate({v}))|functools.reduce(lambda a, b: a, {v})|Box({v})|Box({v}).put({w})|{v}.item|{v}.held|{v}.inner
{v}.first()|list(all_of({v}))|next(all_of({v}))|sometimes({v})|sometimes({v}, {w})|sometimes({v}, named={w})|[*{v}, {w}]
sometimes(*{v})|min({v}, {w}, key=str)|sum({v}, [])|list(itertools.chain({v}, {w}))|deque({v})|set({v})|len({v})|str({v})
defaultdict(list, {v})|OrderedDict({v})|Counter({v})|{v}.pop|{v}.append|[r[0] for r in {v}]|[[r] for r in {v}]
(u for u in {v})|map(same, {v})|{v} or {w}|{v} and {w}|list({v})[0]|functools.partial(same, {v})()
{v}.T|{v}.reshape(-1)|{v}.ravel()|np.asarray({v})|np.array({v})|{v} > 1|{v}[{v} > 1]|{v}[0:1]|{v}[..., 0]|{v}.flatten()
np.concatenate([{v}, {w}])|np.squeeze({v})|{v}.view()|np.where({v} > 1, {v}, {w})|np.transpose({v})|{v}.real|{v}.astype(float)
np.atleast_2d({v})|np.split({v}, 2)|np.broadcast_to({v}, (2, 2, 3))|{v}.tolist()|np.sort({v})|np.nan_to_num({v})|{v}.flat
{v}['n']|{v}.n|{v}.loc[0]|{v}.iloc[0:1]|{v}[['n']]|{v}.assign(m=1)|{v}.values|{v}.to_numpy()|{v}.index|{v}.columns
{v}.head(1)|{v}.reset_index()|{v}.groupby('k')|{v}.set_index('k')|pd.concat([{v}, {w}])|pd.DataFrame({v})|pd.Series({v})
{v}.sort_values('n')|{v}.pipe(same)|{v}.fillna(0)|{v}.astype('object')|{v}.rename(columns={{'n': 'm'}})|{v}.T.T|{v}.squeeze()
""".strip()
    .replace("\n", "|")
    .split("|")
)
STATEMENTS = (
    """
{n} = {e}|{n} = {e}|{n} = {e}|{n} = {e}|{n} = {e}|{n} = {e}|{v}.append({e})|{v}[0] = {e}|{v}['a'] = {e}|{v} += {e}
{v}.extend({e})|{v}.sort(key=str)|del {v}[0]|{v}.update({e})|{v}.pop()|{v}.setdefault('z', {e})|put({v}, {e})|change({v})
change_inside({v})|{n}, *{v} = {e}|({n} := {e})|{v}.item = {e}|{v}.held.append({e})|{v}.put({e})|{v}[0].append({e})
{v}['a'].append({e})|{v}[0][0] = {e}|next({v})|{v}.clear()|{v} *= 2|{v} ^= {e}|{v}.add(1)|remember({e})|{v}()|{v}(1)
{v}[...] = 0|{v}.fill(7)|{v}.sort()|np.add({v}, 1, out={v})|{v} -= 1|{v}['n'] = 5|{v}.loc[0, 'n'] = 7|{v}.n = 3
{v}.drop(columns='n', inplace=True)|{v}.columns = ['p', 'q']|{v}.insert(0, 'r', 1)|{v}.iloc[0, 0] = 7|{v}.pop('n')
{v}.values[0] = 8|{v}.index.name = 'z'|list(map({v}.append, [{w}]))|[r.append(1) for r in {v}]|sorted({v}, key=lambda r: r.pop())
""".strip()
    .replace("\n", "|")
    .split("|")
)


def _expression(random, names):
    text = random.choice(EXPRESSIONS)
    return text.format(v=random.choice(names), w=random.choice(names))


def _statement(random, names, depth):
    kind = random.random() if depth < 2 else 1.0
    if kind < 0.15:
        loop = f"for {_new(random, names)} in {_expression(random, names)}:"
        return [loop, *_indented(_block(random, names, depth + 1))]
    if kind < 0.22:
        return [f"if {random.choice(names)}:", *_indented(_block(random, names, depth + 1))]
    if kind < 0.28:
        manager = f"with nullcontext({_expression(random, names)}) as {_new(random, names)}:"
        return [manager, *_indented(_block(random, names, depth + 1))]
    if kind < 0.34:
        inside = _indented(_block(random, [*names], depth + 1))
        return [
            "def inner():",
            "    nonlocal_ = 1",
            *[line.replace("x = ", "xx = ") for line in inside],
            "inner()",
        ]
    text = "{n} = {e}" if random.random() < 0.5 else random.choice(STATEMENTS)
    filled = text.format(
        v=random.choice(names), w=random.choice(names), e=_expression(random, names), n=_new(random, names)
    )
    return ["try:", f"    {filled}", "except Exception: pass"]


def _new(random, names):
    name = random.choice("abcd")
    if name not in names:
        names.append(name)
    return name


def _block(random, names, depth):
    return [line for _ in range(random.randint(1, 3)) for line in _statement(random, names, depth)]


def _indented(lines):
    return [f"    {line}" for line in lines]


def random_function(random):
    """Return a function of `x` and its text."""
    names = ["x", "x", "a"]
    lines = [line for _ in range(random.randint(1, 3)) for line in _statement(random, names, 0)]
    text = "\n".join(
        ["def function(x):", "    a = b = c = d = x", *_indented(lines), f"    return {random.choice(names)}"]
    )
    space = {**NAMES, "__name__": "__main__"}
    exec(text, space)
    return space["function"], text


def call_briefly(function, value):
    """Call a function until it ends, raises or has done enough: it may feed a list with what it reads from it."""
    left = itertools.count(3_000, -1)

    def trace(*_):
        if next(left) < 0:
            raise _EnoughError
        return trace

    sys.settrace(trace)
    try:
        function(value)
    except (Exception, _EnoughError):
        pass
    finally:
        sys.settrace(None)


class _EnoughError(BaseException):
    pass


def random_value(random, depth=0):
    """Return a value that functions may change."""
    kind = random.randint(0, 9 if depth == 0 else 5)
    more = [random_value(random, depth + 1) if depth < 2 else random.randint(0, 5) for _ in range(2)]
    if kind == 0:
        return [1, 2, 3]
    if kind in (1, 2):
        return more
    if kind == 3:
        return {"a": more[0], "b": more[1]}
    if kind == 4:
        return tuple(more)
    if kind == 5:
        return Box(more[0]).put(more[1])
    if kind == 6:
        return np.arange(6).reshape(2, 3)
    if kind == 7:
        return np.arange(4.0)
    if kind == 8:
        return pd.DataFrame({"k": ["a", "b"], "n": [1, 2]})
    return pd.Series([3, 1, 2])
