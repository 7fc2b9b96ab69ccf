// What all pages share: who one is, the models, the runs.

import { computed, signal } from '@preact/signals';
import { type RunReport, type Shelf, type Studio, api } from '../api.ts';
import { poll } from './poll.ts';

export const studio = signal<Studio | null>(null);
export const shelf = signal<Shelf | null>(null);
export const runs = signal<readonly RunReport[] | null>(null);

export const isOperator = computed(() => studio.value?.user.role === 'operator');
export const training = computed(() => runs.value?.find((r) => r.status === 'running') ?? null);

export async function refreshHouse(): Promise<void> {
  studio.value ??= await api.studio();
  const [models, { runs: all }] = await Promise.all([api.shelf(), isOperator.value ? api.runs() : { runs: [] }]);
  shelf.value = models;
  runs.value = all;
}

export const watchHouse = (): (() => void) => poll(async () => {
  await refreshHouse();
  return training.value !== null || shelf.value?.models.some((m) => m.state === 'loading') ? 1500 : 4000;
});
