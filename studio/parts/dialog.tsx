// A window over the page: the browser's own, with its focus, Escape and backdrop.

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Icon } from './icons.tsx';

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null), id = useId();
  useEffect(() => { box.current?.showModal(); }, []);
  return (
    <dialog ref={box} class="dialog" aria-labelledby={id} onClose={onClose} onClick={(e) => { if (e.target === box.current) box.current?.close(); }}>
      <header><h2 id={id}>{title}</h2><button type="button" class="quiet" onClick={() => box.current?.close()} aria-label={t('close')}><Icon name="close" /></button></header>
      <div class="dialog-body">{children}</div>
    </dialog>
  );
}
