// A value this browser remembers for its user: appearance, language, the last choice of a model; or this tab, what was not
// sent yet. Nothing of it leaves.

import { type Signal, effect, signal } from '@preact/signals';

export function remembered<T>(name: string, fallback: T, storage: Storage = localStorage): Signal<T> {
  const key = `tiefsuche.${name}`, kept = storage.getItem(key);
  let value = fallback;
  try { if (kept !== null) value = JSON.parse(kept) as T; } catch { /* someone else's value: ours begins anew */ }
  const made = signal(value);
  effect(() => { storage.setItem(key, JSON.stringify(made.value)); });
  return made;
}
