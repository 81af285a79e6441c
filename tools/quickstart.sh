#!/bin/sh
# From nothing to a trained, scored and drawn model, in minutes, on a CPU:
#   sh tools/quickstart.sh              toy videos only
#   sh tools/quickstart.sh my.mp4       then your own video (or folder of images), too
. "$(dirname "$0")/environment.sh"

CONFIG=configs/toy/mask2former_video.yaml
OUTPUT=${OUTPUT:-output/quickstart}
USER_VIDEO=${1:-}
if [ -n "$USER_VIDEO" ] && [ ! -e "$USER_VIDEO" ]; then
  echo "There is no file or folder $USER_VIDEO (paths are relative to $PWD)." >&2
  exit 1
fi

# The toy model is trained on the CPU. Two processes with a thread each are faster than one with two.
export CUDA_VISIBLE_DEVICES=
PROCESSES=$("$PYTHON" -c \
  'import os, univs; print(2 if univs.DETECTRON2 == "standin" and (os.cpu_count() or 1) > 1 else 1)')
[ "$PROCESSES" = 1 ] || export OMP_NUM_THREADS=1

echo "1/4 Making toy videos"
"$PYTHON" -m univs.data.toy --layouts ytvis --train-videos 600

echo "2/4 Training, and scoring on held-back videos"
"$PYTHON" train_net.py --num-gpus "$PROCESSES" --config-file "$CONFIG" --resume OUTPUT_DIR "$OUTPUT"

echo "3/4 Segmenting a held-back video"
DATA=${UNIVS_DATASETS:-${DETECTRON2_DATASETS:-datasets}}
TOY_VIDEO=$(ls -d "$DATA"/toy/ytvis_2021/valid/JPEGImages/*/ | head -n 1)
"$PYTHON" -m univs segment "$TOY_VIDEO" \
  --config-file "$CONFIG" --weights "$OUTPUT/model_final.pth" --output "$OUTPUT/toy_video"

if [ -n "$USER_VIDEO" ]; then
  echo "4/4 Segmenting $USER_VIDEO (a toy model knows toy shapes only; expect fun, not accuracy)"
  "$PYTHON" -m univs segment "$USER_VIDEO" \
    --config-file "$CONFIG" --weights "$OUTPUT/model_final.pth" --output "$OUTPUT/my_video"
else
  echo "4/4 No video of yours was given: sh tools/quickstart.sh my.mp4"
fi

echo
echo "Look at:"
ls "$OUTPUT"/toy_video/*_overlay.mp4
[ -z "$USER_VIDEO" ] || ls "$OUTPUT"/my_video/*_overlay.mp4
echo "Scores:       $OUTPUT/metrics.json (last line)"
echo "Checkpoint:   $OUTPUT/model_final.pth"
echo "Loss curves:  tensorboard --logdir $OUTPUT"
