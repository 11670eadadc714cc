"""What the ledger's file looks like: the schema of each version, and the statements that write and read it."""

from __future__ import annotations

from nbflow.ledger.ledger_record import MADE_WITH

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE IF NOT EXISTS kernels (
  id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started REAL NOT NULL, host TEXT NOT NULL, machine TEXT NOT NULL,
  boot TEXT NOT NULL, user INTEGER NOT NULL, reaper_pid INTEGER, reaper_started REAL)""",
        """CREATE TABLE IF NOT EXISTS resources (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kernel INTEGER NOT NULL REFERENCES kernels (id),
  flow TEXT NOT NULL, run TEXT NOT NULL, block TEXT NOT NULL, manager TEXT NOT NULL, state TEXT NOT NULL,
  handle TEXT, code TEXT, since REAL NOT NULL, until REAL, note TEXT NOT NULL)""",
    ),
    ("ALTER TABLE kernels ADD COLUMN space TEXT NOT NULL DEFAULT ''", "ALTER TABLE kernels ADD COLUMN lock TEXT"),
    (  # code once for each class, and neither code nor handle of what has ended
        "CREATE TABLE codes (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, code TEXT NOT NULL)",
        "ALTER TABLE resources ADD COLUMN code_id INTEGER REFERENCES codes (id)",
        "CREATE INDEX resources_of_code ON resources (code_id) WHERE code_id IS NOT NULL",
        """CREATE TRIGGER resource_ended AFTER UPDATE OF until ON resources WHEN NEW.until IS NOT NULL
AND coalesce(NEW.handle, NEW.code, NEW.code_id, OLD.code_id) IS NOT NULL BEGIN
  UPDATE resources SET handle = NULL, code = NULL, code_id = NULL WHERE id = NEW.id;
  DELETE FROM codes WHERE id IN (OLD.code_id, NEW.code_id)
    AND NOT EXISTS (SELECT 1 FROM resources WHERE code_id = codes.id);
END""",
        "UPDATE resources SET handle = NULL, code = NULL WHERE until IS NOT NULL",
    ),
    (  # how many bytes of each are taken in
        "CREATE TABLE journals (name TEXT PRIMARY KEY, folded INTEGER NOT NULL)",
    ),
)
"""What makes the schema of each version of that of the one before. A kernel of an older nbflow may have the file open
while it is migrated, so what its statements name has to stay."""
VERSION = len(MIGRATIONS)
INSERT = f"""INSERT INTO resources (key, kernel, state, handle, code_id, until, note, {", ".join(MADE_WITH)})
VALUES (?, ?, ?, ?, ?, ?, ?{", ?" * len(MADE_WITH)}) ON CONFLICT (key) DO UPDATE SET state = excluded.state,
handle = coalesce(excluded.handle, handle), code_id = coalesce(excluded.code_id, code_id), until = excluded.until,
note = excluded.note WHERE until IS NULL"""
# The conflict is with ourselves: an interrupt came between the commit and the note that it was made, or the file was
# begun again and a journal is taken in again.
UPDATE = """UPDATE resources SET state = ?, handle = ?, code_id = ?, until = ?, note = ? WHERE key = ?
AND until IS NULL"""  # what ended, perhaps by the reaper, does not come back
MARK = "UPDATE resources SET state = ?, until = ?, note = ? WHERE key = ? AND until IS NULL"
PRUNE = "DELETE FROM resources WHERE until IS NOT NULL AND id <= (SELECT max(id) FROM resources) - ?"
IDLE = """SELECT id, lock, pid, started, host, machine, boot, user, space FROM kernels
WHERE id NOT IN (SELECT kernel FROM resources)"""
LOCK = "UPDATE kernels SET lock = ? WHERE id = ?"
SELECT = """SELECT r.id, r.key, r.state, r.flow, r.run, r.block, r.manager, r.handle,
coalesce(c.code, r.code), r.since, r.until,
r.note, k.reaper_pid, k.reaper_started, k.lock, k.pid, k.started, k.host, k.machine, k.boot, k.user, k.space
FROM resources r JOIN kernels k ON k.id = r.kernel LEFT JOIN codes c ON c.id = r.code_id """
