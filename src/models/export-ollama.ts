// An Ollama Modelfile for a GGUF file: FROM, TEMPLATE, stop texts, sampling parameters. Ollama's templates are Go's, chat
// templates are Jinja, so the parts are found by rendering conversations of marked messages: what stands before and after
// a message of each role, what opens an answer, what is said when no system message is given. The parts are then put
// together for other conversations and compared with what the template renders; a template that is more than its parts
// (that looks at positions, tools or thoughts) is not written down wrongly but reported.
// Source: Ollama docs (modelfile.md, template.md), read, not copied.

import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { stopIds, type TextSide } from './language-model.ts';

interface Around { readonly before: string; readonly after: string }

export interface TemplateParts {
  readonly system: Around | null;
  readonly user: Around;
  readonly assistant: Around;
  /** Opens the answer. */
  readonly opening: string;
  /** Stands first when there is no system message. */
  readonly preamble: string;
  /** Stands before everything. */
  readonly beginning: string;
}

const message = (role: string, content: string): ChatMessage => ({ role, content });

/** The parts of a template, or why it has none. */
export function templateParts({ template }: TextSide): TemplateParts | { readonly why: string } {
  if (!template) return { why: 'the model has no chat template' };
  const render = (messages: readonly ChatMessage[], addGenerationPrompt = false): string => template.render(messages, { addGenerationPrompt });
  try {
    const [u, a, v, w, s] = ['Ux1', 'Ax2', 'Vx3', 'Wx4', 'Sx5'] as const;
    const dialogue = render([message('user', u), message('assistant', a), message('user', v), message('assistant', w)]);
    const one = render([message('user', u)]), asked = render([message('user', u)], true);
    if (!asked.startsWith(one)) return { why: 'its template does not just append the opening of the answer' };
    const opening = asked.slice(one.length), toU = dialogue.indexOf(u), toA = dialogue.indexOf(a), toV = dialogue.indexOf(v), toW = dialogue.indexOf(w);
    if (toU < 0 || toA < toU || toV < toA || toW < toV) return { why: 'its template changes or reorders messages' };
    const userAfter = one.slice(one.indexOf(u) + u.length), answerBefore = dialogue.slice(toU + u.length + userAfter.length, toA), between = dialogue.slice(toA + a.length, toV), end = dialogue.slice(toW + w.length);
    if (!between.startsWith(end)) return { why: 'its template closes the last answer differently' };
    const userBefore = between.slice(end.length), head = dialogue.slice(0, toU);
    if (!head.endsWith(userBefore)) return { why: 'its template opens the first question differently' };
    let preamble = head.slice(0, head.length - userBefore.length), system: Around | null = null, beginning = '';
    try {
      const withSystem = render([message('system', s), message('user', u)]), toS = withSystem.indexOf(s), rest = withSystem.indexOf(userBefore + u, toS);
      if (toS >= 0 && rest > toS) {
        const before = withSystem.slice(0, toS);
        system = { before, after: withSystem.slice(toS + s.length, rest) };
      }
    } catch { /* no system messages */ }
    if (system && preamble !== '' && !preamble.startsWith(system.before) && system.before.startsWith(preamble)) { beginning = preamble; system = { ...system, before: system.before.slice(preamble.length) }; preamble = ''; }
    const parts: TemplateParts = { system, user: { before: userBefore, after: userAfter }, assistant: { before: answerBefore, after: end }, opening, preamble, beginning };
    const probes: ChatMessage[][] = [[message('user', 'Hi?')], [message('user', 'a b'), message('assistant', 'c\nd'), message('user', 'é')], ...(system ? [[message('system', 'Be brief.'), message('user', 'Hi'), message('assistant', 'Yes'), message('user', 'So?')]] : [])];
    for (const probe of probes) if (assemble(parts, probe) !== render(probe, true)) return { why: 'its template is more than what stands around each message' };
    return parts;
  } catch (error) {
    return { why: `its template fails on a plain conversation (${(error as Error).message.split('\n')[0]})` };
  }
}

function assemble({ beginning, preamble, system, user, assistant, opening }: TemplateParts, messages: readonly ChatMessage[]): string {
  const around = { system: system!, user, assistant } as Record<string, Around>;
  return beginning + (messages[0]?.role === 'system' ? '' : preamble) + messages.map((m) => around[m.role]!.before + String(m.content) + around[m.role]!.after).join('') + opening;
}

/** Text inside a Go template: braces that would open an action are written as an action. */
const literal = (text: string): string => text.replaceAll('{{', '{{ "{{" }}');

function goTemplate({ beginning, preamble, system, user, assistant, opening }: TemplateParts): string {
  const role = (name: string, { before, after }: Around): string => `{{ if eq .Role "${name}" }}${literal(before)}{{ .Content }}${literal(after)}{{ end }}`;
  return [
    literal(beginning), ...(preamble === '' ? [] : [`{{ if ne (index .Messages 0).Role "system" }}${literal(preamble)}{{ end }}`]),
    '{{ range .Messages }}', ...(system ? [role('system', system)] : []), role('user', user), role('assistant', assistant), '{{ end }}', literal(opening),
  ].join('');
}

/** The parts without the token that begins a text: Ollama puts it there itself where the file says that texts begin with it, and would do so twice. */
function withoutBeginning(parts: TemplateParts, { tokenizer }: TextSide): TemplateParts {
  const { bos } = tokenizer.specialTokens, text = bos === undefined ? undefined : tokenizer.idToToken(bos);
  if (text === undefined || tokenizer.encode('', { addSpecialTokens: true })[0] !== bos) return parts;
  const without = (part: string): string => (part.startsWith(text) ? part.slice(text.length) : part), { beginning, preamble, system } = parts;
  return beginning === '' ? { ...parts, preamble: without(preamble), system: system && { ...system, before: without(system.before) } } : { ...parts, beginning: without(beginning) };
}

export interface Modelfile { readonly text: string; /** Why there is no TEMPLATE; then Ollama takes its guess. */ readonly noTemplate: string | null }

export function modelfile(side: TextSide, gguf: string, contextLength: number, licence?: string): Modelfile {
  const parts = templateParts(side), { generationConfig, tokenizer } = side, lines = [`FROM ./${gguf}`];
  const quoted = (text: string): string => (text.includes('"""') ? JSON.stringify(text) : `"""${text}"""`);
  if (!('why' in parts)) lines.push(`TEMPLATE ${quoted(goTemplate(withoutBeginning(parts, side)))}`);
  for (const id of stopIds(side)) {
    const text = tokenizer.idToToken(id);
    // One letter, as some small models have it, would stop at every such letter of a text; the file's end token does it.
    if (text !== undefined && text.length > 1) lines.push(`PARAMETER stop ${JSON.stringify(text)}`);
  }
  for (const [from, to] of [['temperature', 'temperature'], ['top_p', 'top_p'], ['top_k', 'top_k'], ['min_p', 'min_p'], ['repetition_penalty', 'repeat_penalty']] as const) {
    if (typeof generationConfig[from] === 'number') lines.push(`PARAMETER ${to} ${generationConfig[from]}`);
  }
  if (generationConfig['repetition_penalty'] === undefined) lines.push('PARAMETER repeat_penalty 1');
  lines.push(`PARAMETER num_ctx ${Math.min(contextLength, 8192)}`);
  if (licence !== undefined) lines.push(`LICENSE ${quoted(licence)}`);
  return { text: `${lines.join('\n')}\n`, noTemplate: 'why' in parts ? parts.why : null };
}
