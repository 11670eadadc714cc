"""Pictures of a flow: SVG, HTML, DOT, Mermaid and text, all from one `Drawing` and one palette.

`build.draw` turns a graph into a `Drawing` (what is shown and how it hangs together), `marks.marks` says what
states and block statuses look like on it; the formats (`svg`, `html`, `dot`, `mermaid`, `text`) only write these
two down. Import from the modules: functions have their names.
"""
