#!/usr/bin/env bash
# Do models that tiefsuche trained load in transformers and say the same there? Called at the end of .ci/run; needs a built
# checkout. Its own Python environment lies in build/python and is kept between calls.
# Versions are those of bench/peers/requirements.txt. PyTorch's wheel asks for 2.4 GB of CUDA libraries that a CPU never
# calls: of these only the run time (2 MB) is installed, empty-cuda.py stands in for the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."
env=build/python pins=bench/peers/requirements.txt
limit=600 # seconds for all of this

install() {
  local pip=("$env/bin/pip" --disable-pip-version-check install --quiet --no-input)
  pinned() { grep -E "^$1==" "$pins"; }
  rm -rf "$env"
  python3 -m venv "$env"
  "${pip[@]}" --no-deps "$(pinned torch)" nvidia-cuda-runtime==13.2.86 "$(pinned peft)" 'accelerate==1.15.0'
  "${pip[@]}" "$(pinned transformers)" "$(pinned safetensors)" "$(pinned tokenizers)" "$(pinned numpy)" \
    filelock typing-extensions sympy networkx jinja2 fsspec psutil 2> >(grep -v -e 'dependency resolver' -e '^torch .* requires' >&2)
  "$env/bin/python" test/python/empty-cuda.py
  "$env/bin/python" -c 'import torch, transformers, peft; print("PyTorch", torch.__version__, "transformers", transformers.__version__, "peft", peft.__version__)'
  cat "$pins" test/python/run.sh test/python/empty-cuda.py | cksum > "$env/stamp"
}

started=$SECONDS
if [ "$(cat "$pins" test/python/run.sh test/python/empty-cuda.py | cksum)" != "$(cat "$env/stamp" 2>/dev/null)" ]; then
  install
  echo "Python packages: $((SECONDS - started)) s, $(du -sh "$env" | cut -f1)"
fi
timeout "$((limit - SECONDS + started))" "$env/bin/python" test/python/loads-in-transformers.py "$@"
echo "in $((SECONDS - started)) s"
