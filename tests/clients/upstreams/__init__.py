"""What stands behind the proxy, or beside it: servers that others wrote, and APIs of ours where there are none."""
