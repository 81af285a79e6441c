#!/bin/sh
# Train UniVS, stage 3: longer videos, one per GPU, from the weights of stage 2.
# BACKBONE, NUM_GPUS, DATA and arguments as for stage1.sh:
#   BACKBONE=swinb NUM_GPUS=4 sh tools/run/stage3.sh
STAGE=3
. "$(dirname "$0")/univs_stage.sh"
