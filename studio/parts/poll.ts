// Asks again and again while someone looks: at once, then after each answer and a pause; not in a hidden tab. What fails is
// tried again; that the server is gone shows as one line at the top of the page.

import { signal } from '@preact/signals';
import { ServerError } from '../api.ts';

export const serverGone = signal(false);
/** The server wants to know who one is. */
export const loginWanted = signal(false);

/** @returns ends it */
export function poll(work: () => Promise<number>): () => void {
  let ended = false, timer = 0;
  const turn = async (): Promise<void> => {
    let pause = 2000;
    try {
      if (!document.hidden) pause = await work();
      serverGone.value = false;
    } catch (error) {
      if (error instanceof ServerError) {
        serverGone.value = error.status === 0;
        if (error.status === 401) loginWanted.value = true;
      } else serverGone.value = error instanceof TypeError; // what fetch throws without a connection
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
