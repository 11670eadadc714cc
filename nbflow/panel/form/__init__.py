"""The form of the parameters: a field for each, made of what the flow says about it."""
