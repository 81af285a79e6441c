# Sourced by the scripts of this folder, which set TASKS: evaluate one UniVS model on a benchmark of
# each task.
#   BACKBONE   r50, swint, swinb or swinl
#   WEIGHTS    the checkpoint (default: what tools/run/stage3.sh writes)
#   DATA       real (default) or toy: toy videos and the toy model, on a CPU
#   NUM_GPUS   1 by default
# Arguments, KEY VALUE, change the config after what the published protocol sets.
. "$(dirname "$0")/${UP:-}../environment.sh"

BACKBONE=${BACKBONE:-r50} DATA=${DATA:-real} NUM_GPUS=${NUM_GPUS:-1}
case $DATA in
  real) MODEL=$BACKBONE ;;
  toy) MODEL=toy ;;
  *) echo "DATA must be real or toy, but is $DATA." >&2; exit 2 ;;
esac
case $BACKBONE in
  r50 | swint | swinb | swinl) ;;
  *) echo "BACKBONE must be r50, swint, swinb or swinl, but is $BACKBONE." >&2; exit 2 ;;
esac
WEIGHTS=${WEIGHTS:-output/univs/${MODEL}_stage3/model_final.pth}
if [ ! -f "$WEIGHTS" ]; then
  echo "There is no checkpoint $WEIGHTS: set WEIGHTS, or train one with tools/run/stage{1,2,3}.sh." >&2
  exit 1
fi

# The data sets of the published scripts, and the toy data set of the same task.
dataset_of() {
  case $1/$DATA in
    vis/real) echo ytvis_2021_dev ;; vis/toy) echo toy_ytvis_val ;;
    ovis/real) echo ovis_dev ;; ovis/toy) echo toy_ytvis_val ;;
    vss/real) echo vspw_vss_video_dev ;; vss/toy) echo toy_vspw_val ;;
    vps/real) echo vipseg_panoptic_dev ;; vps/toy) echo toy_vipseg_val ;;
    vos/real) echo sot_davis17_val ;; vos/toy) echo toy_davis_val ;;
    pvos/real) echo pvos_viposeg_dev ;; pvos/toy) echo toy_viposeg_val ;;
    refvos/real) echo rvos-refdavis-val-1 ;; refvos/toy) echo toy_refytvos_val ;;
  esac
}

config_of() {
  case $1 in
    vis) echo "vis/${BACKBONE}_ytvis_2021" ;;
    ovis) echo "vis/${BACKBONE}_ovis" ;;
    vss) echo "vss/${BACKBONE}_vspw" ;;
    vps) echo "vps/${BACKBONE}_vipseg" ;;
    vos) echo "vos/${BACKBONE}_davis17" ;;
    pvos) echo "pvos/${BACKBONE}_viposeg" ;;
    refvos) echo "refvos/${BACKBONE}_refdavis" ;;
  esac
}

# Remembered frames, and whether frames are padded to squares, as each published model was tested.
case $BACKBONE in r50) MEMORY=5 SQUARE=False ;; *) MEMORY=6 SQUARE=True ;; esac

evaluate_task() {
  task=$1
  shift
  echo "== $task: $MODEL on $(dataset_of "$task") =="
  if [ "$DATA" = toy ]; then
    set -- configs/toy/univs_stage3.yaml "$@"
  else
    [ "$task" != refvos ] || MEMORY=5
    set -- "configs/univs_inf/$(config_of "$task").yaml" \
      INPUT.SAMPLING_FRAME_NUM 5 INPUT.MIN_SIZE_TEST 640 \
      INPUT.LSJ_AUG.SQUARE_ENABLED "$SQUARE" MODEL.UniVS.TEST.NUM_PREV_FRAMES_MEMORY "$MEMORY" "$@"
  fi
  config=$1
  shift
  "$PYTHON" train_net.py --num-gpus "$NUM_GPUS" --eval-only --config-file "$config" \
    MODEL.WEIGHTS "$WEIGHTS" DATASETS.TEST "('$(dataset_of "$task")',)" \
    OUTPUT_DIR "output/univs_test/$MODEL/$task" "$@"
}

for name in $TASKS; do
  evaluate_task "$name" "$@"
done
