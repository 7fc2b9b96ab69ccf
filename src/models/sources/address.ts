// An https address of a GGUF file. Nothing vouches for the content but --sha256 and what the server says of its size.

import { TiefsucheError } from '../../errors.ts';
import { download } from './download.ts';
import { patientFetch } from './patient-fetch.ts';
import type { Source } from './source.ts';

export const address: Source = {
  name: 'address',
  form: 'https://HOST/FILE.gguf',
  matches: (text) => /^https?:\/\//.test(text),
  async open(text, { patience, sha256 }) {
    const url = new URL(text), file = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
    if (!/^[^/\\\0.][^/\\\0]*\.gguf$/.test(file)) throw new TiefsucheError('USAGE', `${text} is not the address of a GGUF file`, { hint: 'A model folder is several files: take it from the hub (hf:OWNER/NAME), or fetch it and name the folder.' });
    const head = await patientFetch(url, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } }, patience, [405, 501]), length = head.ok ? head.headers.get('content-length') : null;
    const bytes = length === null ? null : Number(length);
    return {
      source: `${url.origin}${url.pathname}`, revision: head.headers.get('etag') ?? head.headers.get('last-modified'), name: file.replace(/\.gguf$/, ''), licence: null,
      files: [{ name: file, bytes, fetch: (to, onBytes) => download({ url: url.href, bytes, check: sha256 === undefined ? null : { algorithm: 'sha256', hex: sha256.toLowerCase() } }, to, patience, onBytes) }],
    };
  },
};
