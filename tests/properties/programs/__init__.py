"""Random programs, played in nbflow and in a plain interpreter that runs the final text (V1 to V8).

`generate` makes the text of a flow, `steps` what its user does with it, `player` does it in nbflow, `reference` runs it
plainly, `verdict` puts the two side by side. `shell` plays the same in `%%task` cells, here or in a kernel; `files` has
tasks that are joined by files. `campaign` plays many of them:

``python -m tests.properties.programs N --seed S`` prints what was found; ``--family kernels`` plays in real kernels.
"""
