#!/usr/bin/env bash
# Runs the benches on a bare machine with an NVIDIA GPU, from what bench/gpu/pack.sh packed. Needs nothing else but PyTorch's CUDA packages.
#
#     bash bench/gpu/run.sh take K        # keeps parcel K, .gpu/K
#     bash bench/gpu/run.sh unpack
#     bash bench/gpu/run.sh table FOLDER         # devices, all families and step times: FOLDER/table.txt, in ten minutes at most
#     bash bench/gpu/run.sh placement FOLDER SECONDS JOBS   # records to FOLDER/TASK.jsonl
#
# JOBS is a file with a line "BUDGET TASK SEEDS SELECTIONS LANES" a job, in order of weight. Jobs begin in that order, $PARALLEL (12) at once
# over one GPU by CUDA's MPS where it starts; what has not ended after SECONDS is ended, what was recorded stays. DEVICE=cpu tries it without a GPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${GPU_HOME:-$HOME/diffora-gpu}
device=${DEVICE:-cuda}
mkdir -p "$home/parcels"

libraries() {
  local name
  for name in libcublasLt.so libcudart.so libcurand.so libcudnn.so.9; do
    find / -name "$name*" -not -path '/proc/*' -printf '%h\n' 2>/dev/null | head -n 1
  done | sort -u | paste -sd:
}

# job FOLDER BUDGET TASK SEEDS SELECTIONS LANES: one process, whose records lie in a folder of its own.
job() {
  local own="$1/$3-$2-${4//,/_}-${5//,/_}"
  mkdir -p "$own"
  cp "$home/records/$3.jsonl" "$own/" 2>/dev/null || true
  "$home/node" "$home/placement.mjs" train --device "$device" --model "$home/model" --data-dir "$home/data" --choices "$home/records/choices" \
    --output "$own" --task "$3" --budgets "$2" --seeds "$4" --selections "$5" --lanes "$6" --threads 1 >"$own/log" 2>&1 || tail -n 3 "$own/log"
}

# gather FROM TO: the new records of all jobs, a file a task.
gather() {
  local file task
  for file in "$home"/data/*; do
    task=$(basename "$file")
    { cat "$1"/"$task"-*/"$task.jsonl" 2>/dev/null || true; } | sort -u | { grep -vxFf "$home/records/$task.jsonl" || true; } >"$2/$task.part"
    mv "$2/$task.part" "$2/$task.jsonl"
  done
}

# cuda_paths: what ONNX Runtime's CUDA provider is linked with, and NVIDIA's driver of Vulkan.
cuda_paths() {
  LD_LIBRARY_PATH=$(libraries):$home/node_modules/onnxruntime-node/bin/napi-v6/linux/x64
  export LD_LIBRARY_PATH
  local file
  file=$(find / -name nvidia_icd.json -not -path '/proc/*' 2>/dev/null | head -n 1)
  if [ -n "$file" ]; then export VK_DRIVER_FILES=$file; fi
}

# within SECONDS COMMAND...: its output, and a line where it failed or took too long; what comes after it runs all the same.
within() {
  local seconds=$1 code=0
  shift
  echo "== $*"
  timeout "$seconds" "$@" >"$home/said.txt" 2>&1 || code=$?
  grep -v 'onnxruntime:' "$home/said.txt" || true
  [ "$code" -eq 0 ] || echo "ended with exit code $code"
}

table() {
  nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader || echo 'no nvidia-smi'
  within 60 "$home/node" "$home/dist/cli/main.mjs" devices
  # Products in TF32 on CUDA, and gradients that cancel.
  within 60 "$home/node" "$home/bench/families.mjs" cuda 2e-2
  within 100 "$home/node" "$home/bench/families.mjs" webgpu 1e-3
  export PYTHONPATH=$home/python
  local preset provider
  for preset in minilm bert-base; do
    for provider in cuda webgpu; do
      within 90 "$home/node" "$home/bench/peer.mjs" --preset "$preset" --device "$provider" --rounds 3 --steps 10 --warm-up 5 \
        --json "$1/$preset-$provider.json"
    done
  done
}

case $1 in
  take) mv ".gpu/$2/"* "$home/parcels/"; ls -la "$home/parcels" ;;
  unpack)
    cat "$home"/parcels/part-* | xz -dT0 | tar -C "$home" -xf -
    rm -r "$home/parcels"
    for file in "$home"/debian/*.deb; do dpkg -x "$file" / || true; done
    ldconfig || true
    ls "$home"
    ;;
  table)
    folder=$(mkdir -p "$2" && realpath "$2")
    cuda_paths
    table "$folder" 2>&1 | tee "$folder/table.txt"
    ;;
  placement)
    folder=$(mkdir -p "$2" && realpath "$2") seconds=$3 jobs=$(realpath "$4") own=$(mktemp -d)
    if [ "$device" = cuda ]; then
      cuda_paths
      nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
      nvidia-cuda-mps-control -d || echo 'without MPS'
    fi
    export -f job
    export home device
    timeout "$seconds" xargs -P "${PARALLEL:-12}" -L 1 bash -c 'job "$@"' job "$own" <"$jobs" &
    waited=$!
    while kill -0 "$waited" 2>/dev/null; do
      sleep 5
      gather "$own" "$folder"
    done
    gather "$own" "$folder"
    [ "$device" != cuda ] || echo quit | nvidia-cuda-mps-control || true
    wc -l "$folder"/*.jsonl
    tail -qn 1 "$own"/*/log
    ;;
  *) echo "run.sh: take K, unpack, table or placement, not $1" >&2; exit 2 ;;
esac
