// What all pages share: who one is, the models, the runs.

import { computed, signal } from '@preact/signals';
import { type RunList, type RunReport, type Shelf, type Studio, api } from '../api.ts';
import { poll } from './poll.ts';

export const studio = signal<Studio | null>(null);
export const shelf = signal<Shelf | null>(null);
export const runs = signal<readonly RunReport[] | null>(null);
/** Runs that were just begun and have no folder yet. */
export const starts = signal<RunList['starts']>([]);

export const isOperator = computed(() => studio.value?.user.role === 'operator');
export const training = computed(() => runs.value?.find((r) => r.status === 'running') ?? null);

/** Someone else is here, or nobody any more: nothing of who was here before stays in the page. */
export function startOver(): void {
  sessionStorage.clear();
  location.reload();
}

export async function refreshHouse(): Promise<void> {
  const me = await api.studio(); // first: roles and rules may change while one looks
  if (studio.value && studio.value.user.name !== me.user.name) return startOver();
  if (JSON.stringify(me) !== JSON.stringify(studio.value)) studio.value = me;
  const [models, { runs: all, starts: begun }] = await Promise.all([api.shelf(), isOperator.value ? api.runs() : { runs: [], starts: [] }]);
  shelf.value = models;
  runs.value = all;
  if (begun.length > 0 || starts.value.length > 0) starts.value = begun;
}

export const watchHouse = (): (() => void) => poll(async () => {
  await refreshHouse();
  return training.value !== null || starts.value.length > 0 || shelf.value?.models.some((m) => m.state === 'loading') ? 1500 : 4000;
});
