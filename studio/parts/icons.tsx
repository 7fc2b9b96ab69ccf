// The few signs of the page, drawn on a 16-unit square with the text's colour. They are decoration: words say what they mean.

import type { JSX } from 'preact';

const shapes = {
  send: 'M8 13V3M3.5 7.5 8 3l4.5 4.5', stop: 'M4.5 4.5h7v7h-7z', clip: 'M12.5 7.5 8 12a2.8 2.8 0 0 1-4-4l5-5a1.9 1.9 0 0 1 2.7 2.7L7 10.3a.9.9 0 0 1-1.3-1.3L9.5 5.2',
  dials: 'M2 4.5h7M12.5 4.5H14M2 11.5h1.5M7 11.5h7M10.7 2.7v3.6M5.2 9.7v3.6', menu: 'M2 4h12M2 8h12M2 12h12', close: 'M4 4l8 8M12 4l-8 8', plus: 'M8 3v10M3 8h10',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z', again: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v2.8h-2.8', edit: 'M3 13l.6-2.6L10.8 3.2l2 2L5.600 12.4z', good: 'M5 7.5 7.500 2.500c1 0 1.600.700 1.400 1.700L8.500 6.500h4l-1 6H5zM2.500 7.500H5v5H2.500z', bad: 'M5 8.500 7.500 13.500c1 0 1.600-.700 1.400-1.700L8.500 9.500h4l-1-6H5zM2.500 8.500H5v-5H2.500z',
  play: 'M5 3.500v9l7-4.500z', pause: 'M5.500 3.500v9M10.500 3.500v9', down: 'M4 6l4 4 4-4', trash: 'M3 4.500h10M6.500 4.500v-2h3v2M4.500 4.500l.600 9h5.800l.600-9', bars: 'M3 13V9M8 13V3M13 13V6',
} as const;

export function Icon({ name }: { name: keyof typeof shapes }): JSX.Element {
  return <svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d={shapes[name]} /></svg>;
}

/** A plumb line under the surface. */
export function Mark(): JSX.Element {
  return <svg class="mark" viewBox="0 0 24 24" aria-hidden="true"><path d="M3 5.500c2.200-1.600 3.800-1.600 6 0s3.800 1.600 6 0 3.800-1.600 6 0M12 6.500v10" /><circle cx="12" cy="19" r="2.400" /></svg>;
}
