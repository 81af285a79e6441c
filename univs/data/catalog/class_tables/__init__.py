"""Class lists, one json file per domain; see :mod:`univs.data.catalog.classes`."""
