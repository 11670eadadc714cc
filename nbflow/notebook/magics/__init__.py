"""The magics `%flow`, `%%flow` and `%%task`, and their commands."""
