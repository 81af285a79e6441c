#!/bin/sh
# Evaluate one UniVS model with ResNet-50 on all tasks: VIS (twice), VSS, VPS, VOS, PVOS and RefVOS.
#   WEIGHTS=univs_r50.pth sh tools/test/test_r50.sh
#   DATA=toy sh tools/test/test_r50.sh      the toy model on toy videos, whatever the backbone
# See tools/test/univs_tasks.sh for what else can be set.
BACKBONE=r50 TASKS="vis ovis vss vps vos pvos refvos"
. "$(dirname "$0")/univs_tasks.sh"
