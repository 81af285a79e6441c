"""Datasets, video records, clip mappers and loaders."""
