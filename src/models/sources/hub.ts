// hf:OWNER/NAME[@REVISION][:FILE], or the address of a model's page: the Hugging Face hub, or the mirror in HF_ENDPOINT.
// The library lists what there is; files come by plain HTTP with ranges, so that a killed download goes on. Only what a
// model needs is taken: settings, tokenizer, safetensors (or the one GGUF file named), card and licence.

import { listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub';
import { TiefsucheError } from '../../errors.ts';
import { architectureOf } from '../index.ts';
import { ggufPartPaths, withoutPart } from '../formats/gguf-parts.ts';
import { download } from './download.ts';
import { patientFetch } from './patient-fetch.ts';
import type { Offer, OfferedFile, Source } from './source.ts';

const publicHub = 'https://huggingface.co';
const needed = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja'];
const papers = /^(README\.md|NOTICE|LICEN[CS]E(\.txt|\.md)?)$/i;
const index = 'model.safetensors.index.json', single = 'model.safetensors';

interface Reference { readonly repo: string; readonly revision: string | undefined; readonly file: string | undefined }

const hubOf = (env: NodeJS.ProcessEnv): string => (env['HF_ENDPOINT'] || publicHub).replace(/\/+$/, '');

/** @param hub beside the public one, whose pages count as references too */
export function parseHubReference(text: string, hub: string = publicHub): Reference | null {
  const short = /^hf:([\w.-]+\/[\w.-]+)(?:@([^:\s]+))?(?::([^\s]+))?$/.exec(text);
  if (short) return { repo: short[1]!, revision: short[2], file: short[3] };
  for (const base of new Set([publicHub, hub])) {
    if (!text.startsWith(`${base}/`)) continue;
    const page = /^([\w.-]+\/[\w.-]+)(?:\/(?:tree|blob|resolve)\/([^/?#]+)(?:\/([^?#]+))?)?\/?(?:[?#].*)?$/.exec(text.slice(base.length + 1));
    if (page) return { repo: page[1]!, revision: page[2], file: page[3] && decodeURIComponent(page[3]) };
  }
  return null;
}

export const hub: Source = {
  name: 'hub',
  form: 'hf:OWNER/NAME[@REVISION][:FILE]',
  matches: (text) => text.startsWith('hf:') || parseHubReference(text, hubOf(process.env)) !== null,
  async open(text, options) {
    const { env, patience } = options, hubUrl = hubOf(env), reference = parseHubReference(text, hubUrl), token = env['HF_TOKEN'] || undefined;
    if (!reference) throw new TiefsucheError('USAGE', `"${text}" is not hf:OWNER/NAME[@REVISION][:FILE]`, { hint: 'For example: tiefsuche pull hf:HuggingFaceTB/SmolLM2-135M-Instruct' });
    const { repo, file } = reference, access = { hubUrl, ...(token !== undefined && { accessToken: token }), fetch: ((url: string, init: RequestInit) => patientFetch(url, init, patience)) as typeof fetch };
    const info = await modelInfo({ name: repo, revision: reference.revision ?? 'main', additionalFields: ['sha', 'cardData', 'tags'], ...access });
    const commit = String(info.sha), listed: ListFileEntry[] = [];
    for await (const entry of listFiles({ repo, revision: commit, recursive: true, ...access })) if (entry.type === 'file') listed.push(entry);

    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const address = (path: string): string => `${hubUrl}/${repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const read = async (path: string): Promise<Record<string, unknown>> => {
      const answer = await (await patientFetch(address(path), { headers }, patience)).text();
      try { return JSON.parse(answer) as Record<string, unknown>; } catch { throw new TiefsucheError('FORMAT', `${path} of ${repo} is not valid JSON`, { hint: 'Report it to its publisher, or try another revision.' }); }
    };
    const chosen = file === undefined ? await folderFiles(repo, listed, read) : ggufFiles(repo, listed, file);
    return {
      source: `hf:${repo}${file === undefined ? '' : `:${chosen[0]!.path}`}`, revision: commit, licence: licenceOf(info.cardData, info.tags),
      name: file === undefined ? repo.split('/')[1]! : withoutPart(baseName(chosen[0]!.path)),
      files: chosen.map((entry): OfferedFile => ({
        name: baseName(entry.path), bytes: entry.lfs?.size ?? entry.size,
        fetch: (to, onBytes) => download({
          url: address(entry.path), headers, bytes: entry.lfs?.size ?? entry.size,
          check: entry.lfs ? { algorithm: 'sha256', hex: entry.lfs.oid.replace(/^sha256:/, '') } : entry.oid === undefined ? null : { algorithm: 'git', hex: entry.oid },
        }, to, patience, onBytes),
      })),
    } satisfies Offer;
  },
};

const baseName = (path: string): string => path.split('/').at(-1)!;

/** Settings, tokenizer, papers and the shards the index names; refused before the weights if the model will not load. */
async function folderFiles(repo: string, listed: readonly ListFileEntry[], read: (path: string) => Promise<Record<string, unknown>>): Promise<ListFileEntry[]> {
  const byPath = new Map(listed.map((e) => [e.path, e])), ggufs = listed.filter((e) => e.path.endsWith('.gguf'));
  if (!byPath.has('config.json') || !(byPath.has(single) || byPath.has(index))) {
    if (ggufs.length > 0) throw new TiefsucheError('USAGE', `${repo} holds GGUF files; which one?\n${ggufs.map((e) => `  hf:${repo}:${e.path}  ${((e.lfs?.size ?? e.size) / 1e6).toFixed(0)} MB`).join('\n')}`, { hint: 'Name it after the colon.' });
    throw new TiefsucheError('UNSUPPORTED', `${repo} has no safetensors weights${byPath.has('config.json') ? '' : ' and no config.json'}`, { hint: 'Look for a repository of the same model with model.safetensors or a GGUF file.' });
  }
  const config = await read('config.json');
  architectureOf(config['model_type']);
  const quantised = (config['quantization_config'] as { quant_method?: unknown } | undefined)?.quant_method;
  if (quantised !== undefined && quantised !== 'fp8') throw new TiefsucheError('UNSUPPORTED', `the weights of ${repo} are quantised by ${String(quantised)}`, { hint: 'Take the original model, or a GGUF file.' });
  const shards = byPath.has(single) ? [single] : [index, ...new Set(Object.values((await read(index))['weight_map'] as Record<string, string> ?? {}))];
  return [...needed.filter((n) => byPath.has(n)), ...[...byPath.keys()].filter((n) => papers.test(n)), ...shards].map((path) => {
    const entry = byPath.get(path);
    if (!entry) throw new TiefsucheError('FORMAT', `${index} of ${repo} names ${path}, which the repository does not hold`, { hint: 'Report it to its publisher, or try another revision.' });
    return entry;
  });
}

/** The file named, in full or by what only one name contains (such as Q4_K_M); with the papers beside it. */
function ggufFiles(repo: string, listed: readonly ListFileEntry[], file: string): ListFileEntry[] {
  const ggufs = listed.filter((e) => e.path.endsWith('.gguf')), exact = ggufs.find((e) => e.path === file);
  const named = exact ? [exact] : ggufs.filter((e) => e.path.toLowerCase().includes(file.toLowerCase()));
  const parts = named.length === 0 ? [] : ggufPartPaths(named[0]!.path), near = named.every((e) => parts.includes(e.path)) ? named.slice(0, 1) : named; // parts of one model count once
  if (near.length !== 1) {
    throw new TiefsucheError(near.length === 0 ? 'NOT_FOUND' : 'USAGE', near.length === 0 ? `${repo} has no GGUF file "${file}"` : `"${file}" stands for several files of ${repo}`,
      { hint: (near.length === 0 ? ggufs : near).length === 0 ? 'Without a file name the whole model folder is taken.' : `There are ${(near.length === 0 ? ggufs : near).map((e) => e.path).join(', ')}.` });
  }
  const all = parts.map((path) => ggufs.find((e) => e.path === path)), missing = parts.filter((_, i) => !all[i]);
  if (missing.length > 0) throw new TiefsucheError('FORMAT', `of the ${parts.length} parts of ${near[0]!.path} the repository lacks ${missing.join(', ')}`, { hint: 'Report it to its publisher, or take another file.' });
  return [...all.map((e) => e!), ...listed.filter((e) => papers.test(e.path))];
}

/** What the card says; "other" with the name it gives. */
function licenceOf(card: unknown, tags: unknown): string | null {
  const { license, license_name: own } = (card ?? {}) as { license?: unknown; license_name?: unknown };
  const said = Array.isArray(license) ? license.join(', ') : license;
  if (typeof said === 'string' && said !== '') return said === 'other' && typeof own === 'string' ? own : said;
  return Array.isArray(tags) ? tags.map(String).find((t) => t.startsWith('license:'))?.slice('license:'.length) ?? null : null;
}
