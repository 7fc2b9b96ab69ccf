// Where one is: the part of the address behind #, so that links, back and reload work.

import { computed, signal } from '@preact/signals';

const hash = signal(location.hash);
addEventListener('hashchange', () => { hash.value = location.hash; });

/** #/runs/quickstart → ['runs', 'quickstart'] */
export const path = computed((): readonly string[] => hash.value.replace(/^#\/?/, '').split('/').filter((p) => p !== '').map(decodeURIComponent));

export const to = (...parts: readonly string[]): string => `#/${parts.map(encodeURIComponent).join('/')}`;
export const go = (...parts: readonly string[]): void => { location.hash = to(...parts); };
/** Without a step in the history. */
export const goInstead = (...parts: readonly string[]): void => { history.replaceState(null, '', to(...parts)); hash.value = location.hash; };
