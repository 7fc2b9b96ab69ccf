// `tiefsuche ledger verify`: reads every record and says whether anything was changed, and where.
import { homeFolder } from '../../home.ts';
import { verifyLedger, type Problem } from '../../ledger/verify.ts';
import { ledgerFolder } from '../../ledger/workspace.ts';
import type { Command } from '../command.ts';
import { grouped } from '../figures.ts';

export const ledger: Command = {
  name: 'ledger',
  summary: 'check that the records of all runs are whole and unchanged',
  description: `Checks the hash chain of every record file, and the files against the workspace index.
Exit status 1 when anything was changed. Keep the printed hash elsewhere: it covers all that is closed.`,
  arguments: [{ name: '<action>', text: 'what to do', choices: ['verify'] }],
  reports: true,
  examples: [
    { line: 'tiefsuche ledger verify', text: 'read every record, say what was changed' },
    { line: 'tiefsuche ledger verify --json', text: 'problems with file and line' },
  ],
  run: ({ json, terminal: { out, print } }) => {
    const result = verifyLedger();
    const status = result.problems.length > 0 ? 1 : 0;
    if (json) {
      print(JSON.stringify({ intact: status === 0, ...result }, null, 2));
      return status;
    }
    const where = ({ file, line }: Problem): string => out.bold(line === null ? file : `${file}:${line}`);
    for (const problem of result.problems) print(`${out.red('changed')}  ${where(problem)}  ${problem.what}`);
    for (const note of result.notes) print(`${out.yellow('note')}     ${where(note)}  ${note.what}`);
    if (result.files === 0) print(`no records yet in ${ledgerFolder(homeFolder())}`);
    else {
      const counted = `${grouped(result.records)} records in ${result.files} files`;
      print(status === 0 ? `${out.green('intact')}   ${counted}` : `\n${out.red(result.problems.length === 1 ? '1 problem' : `${result.problems.length} problems`)} in ${counted}`);
      print(out.dim(`last hash of the index: ${result.head}`));
    }
    return status;
  },
};
