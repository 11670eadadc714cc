"""When tasks and the children of maps worked, and what they waited for: told while somebody looks at it."""
