# Sourced by stage1.sh, stage2.sh and stage3.sh, which set STAGE and pass their arguments on.
. "$(dirname "$0")/../environment.sh"

DATA=${DATA:-real}
case $DATA in
  real) MODEL=${BACKBONE:-r50} CONFIG=configs/univs/${BACKBONE:-r50}_stage$STAGE.yaml ;;
  toy) MODEL=toy CONFIG=configs/toy/univs_stage$STAGE.yaml ;;
  *) echo "DATA must be real or toy, but is $DATA." >&2; exit 2 ;;
esac
if [ ! -f "$CONFIG" ]; then
  echo "BACKBONE must be r50, swint, swinb or swinl, but is ${BACKBONE:-}." >&2
  exit 2
fi
case ${NUM_GPUS:=1} in
  '' | *[!0-9]* | 0) echo "NUM_GPUS must be a positive number, but is $NUM_GPUS." >&2; exit 2 ;;
esac

if [ "$DATA" = toy ]; then
  "$PYTHON" -m univs.data.toy --train-videos "${TOY_VIDEOS:-200}" --val-videos 20 \
    --size 96 144 --layouts ytvis vipseg vspw viposeg davis youtube_vos refytvos burst
fi

# Long videos are trained one per process, whatever the number of processes.
[ "$STAGE" != 3 ] || set -- "$@" SOLVER.IMS_PER_BATCH "$NUM_GPUS"

echo "UniVS stage $STAGE ($MODEL): $CONFIG"
exec "$PYTHON" train_net.py --num-gpus "$NUM_GPUS" --config-file "$CONFIG" "$@"
