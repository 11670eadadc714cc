"""Two views of one panel, such as a cell's output and a copy of it beside the notebook."""

from __future__ import annotations


def test_all_views_are_told_what_is_selected_in_one_before_anything_is_told_of_it(make_panel, sent, flow):
    panel = make_panel(flow)
    sent.clear()

    panel._body._handle_custom_msg({"kind": "select", "key": "first-1", "index": None, "by": "one"}, [])

    said = [data["content"] for _, data in sent if data.get("method") == "custom"]
    assert said[0] == {"kind": "selected", "key": "first-1", "index": None, "by": "one"}
