// `tiefsuche audit`: what the server recorded of its answers (`tiefsuche serve --audit`), and how long it is kept.
import { AuditSums, purgeAudit, readAudit } from '../../serving/audit.ts';
import { TiefsucheError } from '../../errors.ts';
import type { Command } from '../command.ts';
import { grouped, table } from '../figures.ts';

export const audit: Command = {
  name: 'audit',
  summary: 'who asked which model how much, and how long that is kept',
  description: 'Sums up or deletes the records that `tiefsuche serve --audit` writes, one file for each day.',
  arguments: [{ name: '<action>', text: 'what to do', choices: ['sum', 'list', 'purge'] }],
  options: [
    { flags: '--before <date>', text: 'purge: delete the records of all days before this one, e.g. 2026-01-31' },
    { flags: '--user <name>', text: 'sum, list: of this user only' },
    { flags: '--from <date>', text: 'sum, list: from this day on (UTC)' },
    { flags: '--to <date>', text: 'sum, list: up to the end of this day' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche audit sum', text: 'answers, tokens and energy by user and model' },
    { line: 'tiefsuche audit purge --before 2026-01-01', text: 'forget everything of last year' },
  ],
  async run({ args: [action], options, json, terminal: { out, print } }) {
    const { before, user, from, to } = options as { before?: string; user?: string; from?: string; to?: string };
    if (action === 'purge') {
      if (before === undefined) throw new TiefsucheError('USAGE', 'purge deletes the records before a day, and none was named', { hint: 'E.g. --before 2026-01-31.' });
      const gone = purgeAudit(before);
      return print(json ? JSON.stringify({ deleted: gone }) : gone.length === 0 ? `there are no records before ${before}` : `deleted the records of ${grouped(gone.length)} ${gone.length === 1 ? 'day' : 'days'}, to ${gone.at(-1)}`);
    }
    const sums = new AuditSums();
    for await (const record of readAudit(undefined, { user, from, to })) {
      if (action === 'list') print(JSON.stringify(record));
      else sums.add(record);
    }
    if (action === 'list') return;
    const all = sums.list();
    if (json) return print(JSON.stringify(all));
    if (all.length === 0) return print('there are no records; `tiefsuche serve --audit` writes them');
    print(table([{ title: 'user' }, { title: 'model' }, ...['answers', 'prompt tokens', 'answer tokens', 'joules'].map((title) => ({ title, align: 'right' as const }))],
      all.map((s) => [out.bold(s.user), s.model, grouped(s.answers), grouped(s.prompt_tokens), grouped(s.completion_tokens), s.joules.toFixed(1)]), out.dim));
  },
};
