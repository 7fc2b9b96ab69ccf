// What `start` says on a machine without a C++ compiler.
import type { Terminal } from './terminal.ts';

export async function explainNoCompiler(terminal: Terminal): Promise<void> {
  terminal.warn('the native kernels are not built, so plain JavaScript computes, slowly');
  terminal.print(`With a C++ compiler the same takes minutes:
  Debian, Ubuntu  sudo apt install g++
  Fedora          sudo dnf install gcc-c++
  macOS           xcode-select --install
  Windows         winget install LLVM.LLVM
then run npm start again.`);
}
