"""The ``univs`` command: segment a video, look after the installation."""
