#!/bin/sh
# Evaluate one UniVS model on video semantic segmentation.
#   BACKBONE=swinb WEIGHTS=univs_swinb.pth sh tools/test/individual_task/vss.sh
# See tools/test/univs_tasks.sh for what else can be set.
UP=../ TASKS=vss
. "$(dirname "$0")/../univs_tasks.sh"
