// Words and numbers in the reader's language. A new language is a file with the keys of en.ts and a line here.

import { computed, effect, signal } from '@preact/signals';
import { remembered } from '../parts/remembered.ts';
import { de } from './de.ts';
import { type WordKey, en } from './en.ts';

export const languages = { en: { words: en as Readonly<Record<WordKey, string>>, name: 'English', locale: 'en-GB' }, de: { words: de, name: 'Deutsch', locale: 'de-DE' } } as const;
export type Language = keyof typeof languages;

const ofTheBrowser = (): Language => navigator.languages.map((l) => l.slice(0, 2).toLowerCase()).find((l): l is Language => l in languages) ?? 'en';

const chosen = remembered<Language | null>('language', null);
const browser = signal(ofTheBrowser());
addEventListener('languagechange', () => { browser.value = ofTheBrowser(); });

export const language = computed((): Language => (chosen.value !== null && chosen.value in languages ? chosen.value : browser.value));
export const chooseLanguage = (to: Language): void => { chosen.value = to; };

// Before anything is drawn in it: a screen reader chooses its voice by this.
effect(() => { document.documentElement.lang = language.value; });

const locale = (): string => languages[language.value].locale;

export function t(key: WordKey, values: Readonly<Record<string, string | number>> = {}): string {
  return languages[language.value].words[key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}

/** What went wrong, in the reader's language where it has words for it, else as the server said it. */
export function reasonOf(error: unknown): string {
  const { message, code = '' } = error as { message: string; code?: string }, key = `error.${code}`;
  return key in en ? t(key as WordKey, { said: message }) : message;
}

export const number = (x: number, digits = 0): string => new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(x);
/** Few digits, whatever the size. */
export const figure = (x: number): string => new Intl.NumberFormat(locale(), { maximumSignificantDigits: 3 }).format(x);
export const compact = (x: number): string => new Intl.NumberFormat(locale(), { notation: 'compact', maximumSignificantDigits: 3 }).format(x);
export const percent = (x: number, digits = 0): string => new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: digits }).format(x);
export const euro = (x: number): string => new Intl.NumberFormat(locale(), { style: 'currency', currency: 'EUR', maximumFractionDigits: x < 0.01 ? 5 : x < 1 ? 3 : 2, minimumFractionDigits: 2 }).format(x);
export const moment = (iso: string): string => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso));
/** A day of the record, which counts in UTC. */
export const day = (iso: string): string => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(iso));

const units = (x: number, [base, ...bigger]: readonly string[], step: number): string => {
  let unit = base!, value = x;
  for (const next of bigger) {
    if (value < step) break;
    value /= step;
    unit = next;
  }
  return `${figure(value)} ${unit}`;
};

export const bytes = (x: number): string => units(x, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
export const joules = (x: number): string => (x < 0.1 ? `${figure(x * 1000)} mJ` : units(x, ['J', 'kJ', 'MJ', 'GJ'], 1000));

export function duration(seconds: number): string {
  if (seconds < 1) return `${figure(seconds * 1000)} ms`;
  if (seconds < 90) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 5400) return `${number(seconds / 60, seconds < 600 ? 1 : 0)} min`;
  return `${number(seconds / 3600, 1)} h`;
}
