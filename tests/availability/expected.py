"""What the suite expects of the proxy, in one place: keys of its configuration, codes of its refusals, bounds.

A bound is a number of units (connections, streams, resets, bytes, rows), never a wall-clock time. The one clock is `GUARD`, which
only ends what hangs. `WORK_AHEAD` is CPU time of the proxy's process: the work that it does for others while one honest request
waits. It does not depend on what else the machine does.
"""

KIB = 1024
MIB = 1024 * KIB

#: Seconds after which a request or a condition that never comes is given up.
GUARD = 30

# --- the configuration: (table, key)

PROTOCOL = ("upstream", "protocol")
CONNECTIONS = ("limits", "connections")
CONNECTIONS_PER_PEER = ("limits", "connections_per_peer")
UPSTREAM_CONNECTIONS = ("limits", "upstream_connections")
UPSTREAM_CONNECTIONS_PER_OWNER = ("limits", "upstream_connections_per_owner")
UPSTREAM_CONNECTIONS_PER_PEER = ("limits", "upstream_connections_per_peer")
UPSTREAM_CONNECTIONS_RESERVED = ("limits", "upstream_connections_reserved")
BUFFERED_BYTES = ("limits", "buffered_bytes")
STATE_ROWS = ("limits", "state_rows")
STATE_ROWS_PER_OWNER = ("limits", "state_rows_per_owner")
STATE_ROWS_PER_PEER = ("limits", "state_rows_per_peer")
WEBSOCKET_IDLE = ("timeouts", "websocket_idle")

# --- codes of refusals that an attacker may get

TOO_COSTLY = "decision_too_costly"
STATE_NEEDS_MINTER = "unlisted_minter"

# --- bounds

#: CPU seconds of the proxy between the first byte of an honest request and the last of its response.
WORK_AHEAD = 1.0
#: Streams on one connection to an upstream that allows 100: what `limits.upstream_streams_per_connection` is by default.
STREAMS_PER_CONNECTION = 32
#: Resets on one connection to an upstream before it is retired. Servers end connections from some hundreds on.
RESETS_PER_CONNECTION = 100
#: Connections to the upstream of a proxy that may open 1,024 files.
CONNECTIONS_OF_1024_FILES = 700
#: Memory above that of the idle proxy, for 100 connections with 100 refusals each.
REFUSALS_BYTES = 32 * MIB
#: For 400 connections with 60 KiB of a head, of which `buffered_bytes` lets one address keep 8 MiB.
HEADS_BYTES = 24 * MIB
#: For 300 uploads over HTTP/2 of which no byte is taken, where `buffered_bytes` lets one address keep 8 MiB.
UPLOADS_BYTES = 40 * MIB
#: For 20 listings of 4 MiB each.
LISTINGS_BYTES = 160 * MIB
#: Growth of the state file by 1,200 tokens of strangers, 200 of which may have a row; a file grows in steps.
STATE_BYTES = 256 * KIB
