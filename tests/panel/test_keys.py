"""The keys of the script and those that the buttons' tooltips name are the same."""

from __future__ import annotations

import json
import subprocess

from nbflow.panel.controls.controls import CONTROLS
from tests.panel.conftest import needs_node
from tests.panel.test_js_bundle import STATIC


@needs_node
def test_each_button_names_the_key_that_presses_it():
    code = f"import({str(STATIC / 'common/keys.mjs')!r}).then(m => console.log(JSON.stringify(m.KEYS)))"
    done = subprocess.run(
        ["node", "-e", code], capture_output=True, text=True, timeout=60, check=True
    )  # fmt: skip

    keys = {one["command"]: one["keys"][0] for one in json.loads(done.stdout) if "command" in one}

    assert keys.pop("hold") == "H"
    assert keys == {control.command: control.key for control in CONTROLS}
