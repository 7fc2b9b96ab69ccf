export * from '../engine/random.ts';
