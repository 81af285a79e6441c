"""Parts of Detectron2's projects that segmentation models build on."""
