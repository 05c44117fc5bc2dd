"""What the runners in `tests/` share: cases, child processes, a recording upstream, a small HTTP client."""
