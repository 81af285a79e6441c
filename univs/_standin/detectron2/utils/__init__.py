"""Distributed communication, event storage, logging, registries and file access."""
