"""The data that tasks give and take: types, shapes, fingerprints and copies, found without disturbing a value."""
