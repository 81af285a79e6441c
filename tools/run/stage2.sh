#!/bin/sh
# Train UniVS, stage 2: short clips of all tasks, from the weights of stage 1.
# BACKBONE, NUM_GPUS, DATA and arguments as for stage1.sh:
#   BACKBONE=swint NUM_GPUS=8 sh tools/run/stage2.sh
#   sh tools/run/stage2.sh MODEL.WEIGHTS path/to/stage1.pth
STAGE=2
. "$(dirname "$0")/univs_stage.sh"
