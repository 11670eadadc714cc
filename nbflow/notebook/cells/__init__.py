"""The cells of a flow: what each has added to it, which cell is which, and the flow that they make together."""
