#!/bin/sh
# Train UniVS, stage 1: still images, from a Mask2Former trained on COCO panoptic.
#   sh tools/run/stage1.sh                               ResNet-50 on one GPU
#   BACKBONE=swinl NUM_GPUS=8 sh tools/run/stage1.sh     r50, swint, swinb or swinl
#   DATA=toy sh tools/run/stage1.sh                      small, on toy videos, on a CPU, in minutes
# Arguments go to train_net.py:
#   sh tools/run/stage1.sh --resume SOLVER.BASE_LR 0.0001
STAGE=1
. "$(dirname "$0")/univs_stage.sh"
