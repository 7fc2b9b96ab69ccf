// Values of options: text from the command line turned into numbers, or refused with what was expected.
import { TiefsucheError } from '../errors.ts';

/** How weights are held while a model is only used. */
export const precisionOption = (fallback: 'f32' | 'file') => ({
  flags: '--precision <how>', choices: ['file', 'f32', 'bf16'], fallback,
  text: 'weights as in the file (quantised ones stay so), all in f32, or rounded to bf16',
});

/** How keys and values are held while a model is only used. */
export const cacheOption = { flags: '--cache <how>', choices: ['f32', 'f16', 'q8'], fallback: 'f32', text: 'keys and values in f32, or in half or about a quarter of the memory' };

/** A PEFT adapter on top of the model. */
export const adapterOption = { flags: '--adapter <folder>', text: 'LoRA adapter (PEFT) to put on the model' };

/** Reads a whole number within bounds. */
export function wholeNumber(what: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw new TiefsucheError('USAGE', `${what}: expected a whole number${bounds(min, max)}, got "${text}"`);
  };
}

/** Reads a decimal number within bounds. */
export function decimal(what: string, { min = -Infinity, max = Infinity } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value >= min && value <= max) return value;
    throw new TiefsucheError('USAGE', `${what}: expected a number${bounds(min, max)}, got "${text}"`);
  };
}

function bounds(min: number, max: number): string {
  const low = Number.isFinite(min) ? ` from ${min}` : '';
  return max < Number.MAX_SAFE_INTEGER ? `${low} to ${max}` : low && `${low} up`;
}
