// Where all state lives: TIEFSUCHE_HOME, or ~/.tiefsuche. Every room takes its folder from here, so that one variable
// moves everything and a test never touches a user's own state.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Absolute path of the state folder; it need not exist yet. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.TIEFSUCHE_HOME ? resolve(env.TIEFSUCHE_HOME) : join(homedir(), '.tiefsuche');
}

/** Where the folders of all runs are. */
export function runsFolder(home: string = homeFolder()): string {
  return join(home, 'runs');
}
