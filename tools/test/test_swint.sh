#!/bin/sh
# Evaluate one UniVS model with Swin-T on all tasks: VIS (twice), VSS, VPS, VOS, PVOS and RefVOS.
#   WEIGHTS=univs_swint.pth sh tools/test/test_swint.sh
#   DATA=toy sh tools/test/test_swint.sh      the toy model on toy videos, whatever the backbone
# See tools/test/univs_tasks.sh for what else can be set.
BACKBONE=swint TASKS="vis ovis vss vps vos pvos refvos"
. "$(dirname "$0")/univs_tasks.sh"
