#!/bin/sh
# Evaluate one UniVS model on panoptic video object segmentation.
#   BACKBONE=swinb WEIGHTS=univs_swinb.pth sh tools/test/individual_task/pvos.sh
# See tools/test/univs_tasks.sh for what else can be set.
UP=../ TASKS=pvos
. "$(dirname "$0")/../univs_tasks.sh"
