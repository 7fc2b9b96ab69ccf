// This program as a command line of its own, for work in a process of its own: node with its options (tsx, where it runs
// from source), and the file it was started with.

export const commandLine = (): string[] => [process.execPath, ...process.execArgv, process.argv[1]!];
