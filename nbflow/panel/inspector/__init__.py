"""The inspector: what is known of the selected task, and what can be done with it."""
