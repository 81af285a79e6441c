"""The part of Detectron2's core that this project uses, on fvcore, iopath, yacs and pycocotools.

Found only where no Detectron2 is installed. Import paths, signatures, state-dict keys, checkpoint
files and log lines follow Detectron2, so that code and runs can move between the two.
"""

__version__ = "0.6+univs"
