#!/usr/bin/env bash
# Exports proven by the other side itself: a Hugging Face folder by transformers, an adapter by peft, token by token and
# logit by logit (src/evaluation/prove-export.ts). Needs a built checkout and build/python (test/python/run.sh makes that).
set -euo pipefail
cd "$(dirname "$0")/../.."
export TIEFSUCHE_PYTHON="$PWD/build/python/bin/python"
[ -x "$TIEFSUCHE_PYTHON" ] || { echo 'run test/python/run.sh first: it makes build/python'; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TIEFSUCHE_HOME="$work/home"
tiefsuche() { node --import tsx src/cli/main.ts "$@"; }
proven() { # what parity.json must say: both sides spoke, and said the same
  node -e '
    const [file, what] = process.argv.slice(1), p = JSON.parse(require("fs").readFileSync(file, "utf8")), e = p.engineDifference;
    const good = p.passed && p.problems.length === 0 && e && e.top1 === 1 && e.greedy.same && p.tokens.same && p.template.same && e.largestLogitDifference < 1e-3;
    if (!good) { console.error(JSON.stringify(p, null, 1)); process.exit(1); }
    console.log(`${what}: proven over ${e.positions} positions, largest difference of a logit ${e.largestLogitDifference.toExponential(1)}`);
  ' "$1/parity.json" "$2"
}

tiefsuche export test/fixtures/thinker --to hf --out "$work/hf" > /dev/null 2>&1
proven "$work/hf" 'Hugging Face folder, by transformers'

cat > "$work/adapted.yaml" <<RECIPE
name: adapted
why: an adapter to be proven
seed: 1
model: {from: $work/hf}
lora: {rank: 4}
stages: [{method: sft, data: {tasks: [{task: calendar, difficulty: 1}], languages: [en]}, steps: 20, batch: 8, optimizer: {lr: 5e-3}}]
RECIPE
tiefsuche train "$work/adapted.yaml" --run adapted --json > /dev/null 2>&1
tiefsuche export adapted --to peft --out "$work/peft" > /dev/null 2>&1
proven "$work/peft" 'adapter, by peft'
tiefsuche export adapted --to hf --out "$work/merged" > /dev/null 2>&1
proven "$work/merged" 'the adapter merged, by transformers'
