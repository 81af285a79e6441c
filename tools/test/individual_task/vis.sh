#!/bin/sh
# Evaluate one UniVS model on video instance segmentation.
#   BACKBONE=swinb WEIGHTS=univs_swinb.pth sh tools/test/individual_task/vis.sh
# See tools/test/univs_tasks.sh for what else can be set.
UP=../ TASKS=vis
. "$(dirname "$0")/../univs_tasks.sh"
