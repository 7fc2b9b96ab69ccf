// Asks again and again while someone looks: at once, then after each answer and a pause; not in a hidden tab. What fails is
// tried again; that the server is gone shows as one line at the top of the page.

import { signal } from '@preact/signals';
import { ServerError } from '../api.ts';

export const serverGone = signal(false);
/** The server wants to know who one is. */
export const loginWanted = signal(false);

/** Whether a request failed as the server was not there, or wants to know anew who one is; what has polled will see it back. */
export function unreachable(error: unknown): boolean {
  if (error instanceof ServerError && error.status === 401) loginWanted.value = true;
  else if (noConnection(error)) serverGone.value = true;
  else return false;
  return true;
}

/** A TypeError is what fetch throws without a connection, and what a stream throws whose connection breaks. */
const noConnection = (error: unknown): boolean => (error instanceof ServerError ? error.status === 0 : error instanceof TypeError);

/** @returns ends it */
export function poll(work: () => Promise<number>): () => void {
  let ended = false, timer = 0;
  const turn = async (): Promise<void> => {
    let pause = 2000;
    try {
      if (!document.hidden) pause = await work();
      serverGone.value = false;
    } catch (error) {
      if (!unreachable(error)) serverGone.value = false;
    }
    if (!ended) timer = window.setTimeout(() => { void turn(); }, pause);
  };
  const seen = (): void => {
    if (document.hidden || ended) return;
    clearTimeout(timer);
    void turn();
  };
  document.addEventListener('visibilitychange', seen);
  void turn();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}
