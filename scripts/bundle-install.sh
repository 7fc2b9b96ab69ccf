#!/bin/sh
# Installs tiefsuche from this folder: no registry, no compiler, nothing leaves the machine.
#   PREFIX=/opt/tiefsuche ./install.sh     program and command under PREFIX (default: ~/.local)
# Models in the bundle go to $TIEFSUCHE_HOME/models (default: ~/.tiefsuche). Run again to replace an older version.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
prefix=${PREFIX:-$HOME/.local}
home=${TIEFSUCHE_HOME:-$HOME/.tiefsuche}
stop() { printf 'install: %s\n  %s\n' "$1" "$2" >&2; exit 1; }

cd "$here"
sha256sum -c --quiet SHA256SUMS >&2 || stop 'the bundle is damaged: the files above are not what they were.' 'Copy the archive again and compare its sha256.'

if [ -x node ]; then node=$prefix/lib/tiefsuche/node; check=./node
else node=node; check=$(command -v node) || stop 'there is no node here.' 'Install Node 20.19 or newer, or make the bundle with --with-node.'
fi
"$check" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  stop "node is $("$check" --version); 20.19 or newer is needed." 'Install a newer Node, or make the bundle with --with-node.'

mkdir -p "$prefix/lib" "$prefix/bin"
rm -rf "$prefix/lib/tiefsuche.new"
mkdir "$prefix/lib/tiefsuche.new"
for entry in *; do [ "$entry" = models ] || cp -R "$entry" "$prefix/lib/tiefsuche.new/"; done
# Loading it is the test that the kernels fit this system, before anything older is replaced.
"$check" "$prefix/lib/tiefsuche.new/bin/tiefsuche.js" --version >/dev/null || stop 'the program does not start here.' 'See above; nothing was replaced.'
rm -rf "$prefix/lib/tiefsuche"
mv "$prefix/lib/tiefsuche.new" "$prefix/lib/tiefsuche"
printf '#!/bin/sh\nexec "%s" "%s/lib/tiefsuche/bin/tiefsuche.js" "$@"\n' "$node" "$prefix" > "$prefix/bin/tiefsuche"
chmod 755 "$prefix/bin/tiefsuche"

if [ -d models ]; then
  mkdir -p "$home/models"
  for model in models/*; do
    name=${model#models/}
    if [ -e "$home/models/$name" ]; then printf 'kept the model that is there: %s\n' "$home/models/$name"
    else cp -R "$model" "$home/models/.$name.new" && mv "$home/models/.$name.new" "$home/models/$name"; fi
  done
fi
printf 'installed: %s/bin/tiefsuche\n' "$prefix"
case ":$PATH:" in *":$prefix/bin:"*) ;; *) printf 'Add it to your path: export PATH="%s/bin:$PATH"\n' "$prefix" ;; esac
