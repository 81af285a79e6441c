#!/bin/sh
# Evaluate one UniVS model on video panoptic segmentation.
#   BACKBONE=swinb WEIGHTS=univs_swinb.pth sh tools/test/individual_task/vps.sh
# See tools/test/univs_tasks.sh for what else can be set.
UP=../ TASKS=vps
. "$(dirname "$0")/../univs_tasks.sh"
