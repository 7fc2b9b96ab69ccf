#!/usr/bin/env bash
# The whole way with the real TRL, on processors: a run is trained here, handed over, trained on there by two processes that
# talk by gloo, brought back and evaluated; once supervised, once by reinforcement, with reward.py compared with our own
# verifiers before. Needs a built checkout. The Python environment lies in build/trl and is kept; it
# takes PyTorch and transformers from build/python (test/python/run.sh makes that).
set -euo pipefail
cd "$(dirname "$0")/../.."
env=build/trl base=build/python root=$PWD
[ -x "$base/bin/python" ] || { echo "run test/python/run.sh first: it makes $base"; exit 1; }
if [ ! -x "$env/bin/python" ]; then
  python3 -m venv "$env.new"
  realpath "$("$base/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')" > "$("$env.new/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/base.pth"
  "$env.new/bin/python" -m pip --disable-pip-version-check install --quiet --no-input --no-deps trl==1.16.0 datasets==5.2.0 pyarrow dill multiprocess xxhash pandas python-dateutil pytz tzdata six aiohttp aiosignal aiohappyeyeballs attrs frozenlist multidict propcache yarl
  mv "$env.new" "$env"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TIEFSUCHE_HOME="$work/home" HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
tiefsuche() { node --import tsx src/cli/main.ts "$@"; }
tiefsuche train test/fixtures/handover/recipe.yaml --run calendar --json > "$work/trained.json"
tiefsuche handover calendar --to trl --gpus 0 --processes 2 --steps 6 --out "$work/out"
PATH="$root/$env/bin:$PATH" "$work/out/start.sh" > "$work/trl.log" 2>&1 || { tail -n 40 "$work/trl.log"; exit 1; }
tiefsuche import "$work/out" --run calendar-2 --json > "$work/imported.json"
tiefsuche eval calendar-2 --task calendar --n 20 --json > "$work/evaluated.json"

tiefsuche train test/fixtures/handover/grpo.yaml --run reinforced --json > "$work/reinforced.json"
tiefsuche handover reinforced --to trl --gpus 0 --processes 2 --steps 6 --out "$work/grpo"
node --import tsx test/python/reward-cases.ts > "$work/cases.jsonl"
(cd "$work/grpo" && python3 - "$work/cases.jsonl") <<'COMPARE'
import json, sys
sys.path.insert(0, ".")
from reward import reward
right = count = 0
for line in open(sys.argv[1]):
    case = json.loads(line)
    ours, theirs = case["reward"], reward(*(case[k] for k in ("text", "verifier", "expected", "numbers", "thinks")))
    assert abs(ours - theirs) < 1e-12, f"{case}: {theirs} in Python"
    count, right = count + 1, right + (ours > 0)
assert right > count / 20, (right, count)
print(f"reward.py judges {count} answers as we do, {right} of them right or partly right")
COMPARE
PATH="$root/$env/bin:$PATH" "$work/grpo/start.sh" > "$work/trl.log" 2>&1 || { tail -n 40 "$work/trl.log"; exit 1; }
tiefsuche import "$work/grpo" --run reinforced-2 --json > "$work/grpo-imported.json"
tiefsuche ledger verify
node --input-type=module - "$work" <<'CHECK'
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
const [work] = process.argv.slice(2), json = (name) => JSON.parse(readFileSync(`${work}/${name}.json`, 'utf8'));
const rows = (run) => readFileSync(`${work}/home/runs/${run}/metrics.jsonl`, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const ours = rows('calendar').at(-1).heldout_loss, theirs = rows('calendar-2');
assert.equal(json('imported').steps, 6);
assert.ok(Math.abs(theirs[0].loss - ours) < 0.4, `TRL begins where we ended: ${theirs[0].loss} beside ${ours}`);
assert.ok(theirs.at(-1).heldout_loss < ours, `and gets better: ${theirs.at(-1).heldout_loss}`);
console.log(`held-out loss ${ours.toFixed(3)} here, ${theirs.at(-1).heldout_loss.toFixed(3)} after 6 steps of TRL on two processes; evaluated:`, JSON.stringify(json('evaluated')).slice(0, 200));
const sampled = rows('reinforced-2').filter((r) => r.reward !== undefined), mean = sampled.reduce((sum, r) => sum + r.reward, 0) / sampled.length, here = rows('reinforced').at(-1);
assert.equal(json('grpo-imported').steps, 6);
assert.ok(sampled.length === 6 && sampled.every((r) => r.reward >= 0 && r.reward <= 1 && r.stage === '0.grpo'), JSON.stringify(sampled));
assert.ok(mean > 0, 'some of its answers were right');
console.log(`reward ${here.reward.toFixed(3)} in our last step, ${mean.toFixed(3)} in the mean of 6 steps of TRL`);
CHECK
