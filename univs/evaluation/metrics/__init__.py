"""Benchmark metrics: pure functions on arrays and JSON dictionaries."""
