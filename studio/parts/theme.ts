// Light or dark: as the system says, unless someone chose.

import { effect } from '@preact/signals';
import { remembered } from './remembered.ts';

export type Theme = 'auto' | 'light' | 'dark';
export const theme = remembered<Theme>('theme', 'auto');

effect(() => {
  if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.value;
});
