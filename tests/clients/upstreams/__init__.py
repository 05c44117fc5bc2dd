"""What stands behind the proxy, or beside it, for the DNS clients: two small APIs of ours, PowerDNS, and an ACME server."""
