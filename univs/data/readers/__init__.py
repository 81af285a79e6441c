"""Readers: official downloads, as they are unpacked, to video records. One format per file."""
