"""Texts and objects of users that are out to harm whoever shows them. Needs nothing, so that a notebook can hold it."""

import threading

TEXTS = {
    "a script": "<script>window.harmed = 1; alert(1)</script>",
    "the end of a script": "</script><script>window.harmed = 1</script>",
    "an event handler": "<img src=x onerror='window.harmed = 1; alert(1)'>",
    "an SVG that loads": "<svg onload='window.harmed = 1'><use href='http://harm.invalid/a.svg#b'/></svg>",
    "a link": "<a href='javascript:window.harmed = 1'>click</a>",
    "a template": "${window.harmed = 1} {{constructor.constructor('window.harmed = 1')()}} #{1} %s %(a)s {0}",
    "quotes": "\"'`--><!--]]>&lt;&amp;&#60;",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\x9b31m\x9f",
    "another direction": "\u202ecod.exe\u202c \u2066a\u2069 \u200fb",
    "colours of terminals": (
        "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b]8;;http://harm.invalid\x1b\\a\x1b]8;;\x07"
    ),
    "a lone surrogate": "a \ud800 b \udfff",
    "no character": "\ufffe\uffff\ufeff\U0010ffff",
    "line ends": "a\rb\r\nc\u2028d\u2029e\x85f\vg\fh",
    "combining marks": "Z" + "\u0300\u0316\u0489" * 500,
    "a long word": "w" * 100_000,
    "megabytes": "all work and no play makes a dull boy\n" * 60_000,
    "nothing": "",
    "spaces": " \t\u00a0\u3000",
    "prototypes": "__proto__ constructor toString hasOwnProperty",
    "a path": "../../etc/passwd\x00.png",
}


class ReprRaises:
    def __repr__(self):
        raise ValueError("<b>repr</b>")


class ReprGivesNoText:
    def __repr__(self):
        return 7


class ReprExits:
    def __repr__(self):
        raise SystemExit(3)


class ReprRecurses:
    def __repr__(self):
        return f"<{self!r}>"


class ReprIsHuge:
    def __repr__(self):
        return "<script>" * 1_000_000


class ReprHangs:
    def __init__(self):
        self.begun, self.end = threading.Event(), threading.Event()

    def __repr__(self):
        self.begun.set()
        self.end.wait(60)
        return "at last"


class HtmlRaises:
    def _repr_html_(self):
        raise RuntimeError("<i>html</i>")

    def __repr__(self):
        return "no html"


class HtmlIsNoText:
    def _repr_html_(self):
        return object()


class HtmlIsHuge:
    def _repr_html_(self):
        return "<p>" * 1_000_000


class Html:
    """What a page of an attacker would try."""

    def _repr_html_(self):
        return (
            "<h5>harmless</h5><script>parent.harmed = 1; alert(1)</script>"
            "<img src=x onerror='parent.harmed = 1'><img src='http://harm.invalid/i.png'>"
            "<a id=evil href='javascript:parent.harmed = 1'>click me</a><a id=out href='http://harm.invalid/out'>out</a>"
            "<iframe src='http://harm.invalid/frame'></iframe>"
            "<iframe srcdoc='<script>top.harmed = 1</script>'></iframe>"
            "<form action='http://harm.invalid/form'><input name=a><button>send</button></form>"
            "<meta http-equiv=refresh content='0;url=http://harm.invalid/refresh'><base href='http://harm.invalid/'>"
            "<object data='http://harm.invalid/o'></object><embed src='http://harm.invalid/e'>"
            "<link rel=stylesheet href='http://harm.invalid/s.css'><style>@import url(http://harm.invalid/t.css);"
            "h5 {background: url(http://harm.invalid/b.png)}</style><svg><script>parent.harmed = 1</script>"
            "<image href='http://harm.invalid/v.png'/></svg><video src='http://harm.invalid/v' autoplay></video>"
            "<details open ontoggle='parent.harmed = 1'>x</details><input autofocus onfocus='parent.harmed = 1'>"
            "<b style='background-image: url(http://harm.invalid/c.png)'>styled</b></body></html><script>"
        )


class Svg:
    def _repr_svg_(self):
        return (
            "<svg xmlns='http://www.w3.org/2000/svg' width='80' height='30' onload='parent.harmed = 1'>"
            "<script>parent.harmed = 1</script><image href='http://harm.invalid/s.png' width='9' height='9'/>"
            "<rect width='80' height='30' fill='#3a7'/></svg>"
        )


class Png:
    def _repr_png_(self):
        return b"<script>not a picture</script>"


class MimebundleRaises:
    def _repr_mimebundle_(self, include=None, exclude=None):
        raise KeyError("bundle")


class MimebundleIsOdd:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": {"not": "text"}, 7: None, "image/png": 3, "application/json": {1: object()}}


class DisplaysItself:
    def _ipython_display_(self):
        raise RuntimeError("it was told to display itself")

    def __repr__(self):
        return "displays itself"


class LengthRaises:
    def __len__(self):
        raise RuntimeError("length")


class LengthIsHuge:
    def __len__(self):
        return 2**62


class ClassRaises:
    @property
    def __class__(self):
        raise RuntimeError("class")


class ClassLies:
    @property
    def __class__(self):
        return dict


class AnyAttribute:
    def __getattr__(self, name):
        return lambda *args, **kwargs: "<script>window.harmed = 1</script>"


class AttributeRaises:
    def __getattribute__(self, name):
        raise RuntimeError("attribute " + name)


class EqualRaises:
    def __eq__(self, other):
        raise RuntimeError("equal")

    def __bool__(self):
        raise RuntimeError("bool")

    __hash__ = None


class ShapeIsOdd:
    shape = (3, "<b>")


class TextLies(str):
    def __str__(self):
        raise RuntimeError("str")

    def __len__(self):
        return -5

    def __getitem__(self, key):
        raise RuntimeError("getitem")

    def __repr__(self):
        return "<script>" * 10


class Meta(type):
    @property
    def __name__(cls):
        raise RuntimeError("name")

    @property
    def __module__(cls):
        raise RuntimeError("module")


class NamelessClass(metaclass=Meta):
    pass


class MessageRaises(Exception):
    def __str__(self):
        raise RuntimeError("message")


class MessageHangs(Exception):
    def __init__(self):
        self.end = threading.Event()

    def __str__(self):
        self.end.wait(60)
        return "at last"


def endless_list():
    items = []
    items.append(items)
    return items


def deep_list():
    items = []
    for _ in range(100_000):
        items = [items]
    return items


OBJECTS = (
    *(ReprRaises, ReprGivesNoText, ReprExits, ReprRecurses, ReprIsHuge, HtmlRaises, HtmlIsNoText, HtmlIsHuge),
    *(Html, Svg, Png, MimebundleRaises, MimebundleIsOdd, DisplaysItself, LengthRaises, LengthIsHuge),
    *(ClassRaises, ClassLies, AnyAttribute, AttributeRaises, EqualRaises, ShapeIsOdd, NamelessClass),
    *(
        lambda: TextLies("abc"),
        lambda: AnyAttribute,
        endless_list,
        lambda: list(range(10_000_000)),
        deep_list,
    ),
    *(
        lambda: b"\x00\xff" * 5_000_000,
        lambda: 10**100_000,
        lambda: float("nan"),
        lambda: {"\ud800": "\udfff"},
    ),
    *(lambda: ValueError("\ud800"), lambda: (i for i in ()), lambda: threading.Lock()),
)
"""What makes each of the objects; a task may return any of them."""
