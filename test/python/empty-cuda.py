"""Stands in for the CUDA libraries that PyTorch's Linux wheel links to, so that `import torch` works on a machine without
them: the wheel alone is 0.5 GB, with what it asks for 2.9 GB, and only its CPU half is used here.
For every NVIDIA library that torch/lib names and that is not there, writes an empty one with the same name, the same
symbol versions and functions that end the process when called. The CUDA run time (2 MB) must be the real one: it is
called when torch is loaded.

    python empty-cuda.py      # for the environment it runs in; needs cc and readelf
"""
import re
import subprocess
import sysconfig
import tempfile
from pathlib import Path

lib = Path(sysconfig.get_paths()["purelib"], "torch/lib")


def is_missing(name):
    """An NVIDIA library that is not installed; the driver itself is opened only where there is one."""
    return re.fullmatch(r"lib(cu|nv|nccl).*\.so\.\d+", name) and name != "libcuda.so.1" and not any(lib.parent.parent.glob(f"nvidia/*/lib/{name}"))


def elf(path, *options):
    return subprocess.run(["readelf", "-W", *options, path], check=True, capture_output=True, text=True).stdout


functions = {}  # library → version → names of functions; those without a version go to the first library, any will do
for path in lib.glob("*.so"):
    needed = [name for name in re.findall(r"NEEDED.*\[(.*)\]", elf(path, "-d")) if is_missing(name)]
    for name in needed:
        functions.setdefault(name, {"": set()})
    versions = {}
    for name, rest in re.findall(r"File: (\S+) .*\n((?:.*Name: .*\n)*)", elf(path, "-V")):
        if name in needed:
            versions |= {version: name for version in re.findall(r"Name: (\S+)", rest)}
    for function, version in re.findall(r" UND (\w+)(?:@(\S+))?", elf(path, "--dyn-syms")):
        if version in versions:
            functions[versions[version]].setdefault(version, set()).add(function)
        elif not version and needed and re.match(r"cu[A-Z]|cusparseLt|nccl|nvshmem", function):
            functions[needed[0]][""].add(function)

for name, versions in functions.items():
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "empty.c"), Path(folder, "empty.map")
        source.write_text("".join(f"void {f}(void) {{ __builtin_trap(); }}\n" for f in sorted(set().union(*versions.values()))))
        script.write_text("".join(f"{version} {{ {' '.join(f'{f};' for f in sorted(names))} }};\n" for version, names in versions.items() if version))
        subprocess.run(["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", *([f"-Wl,--version-script={script}"] if any(versions) else []),
                        "-o", lib / name, source], check=True)
print(f"{len(functions)} empty CUDA libraries in {lib}: {' '.join(sorted(functions))}")
