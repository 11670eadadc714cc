"""The places where tasks may run whose memory is another process's."""

PROCESSES = ["processes", "pool of processes"]
