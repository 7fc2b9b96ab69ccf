// What an operator decides and looks after: the rules of the house, its users, the record of answers.

import type { JSX } from 'preact';
import { t } from '../i18n/index.ts';
import { path, to } from '../parts/route.ts';
import { Audit } from './audit.tsx';
import { Rules } from './rules.tsx';
import { Users } from './users.tsx';

const parts = { rules: Rules, users: Users, audit: Audit } as const;
type PartName = keyof typeof parts;

export function HousePage(): JSX.Element {
  const named = path.value[1] ?? '', current: PartName = named in parts ? (named as PartName) : 'rules', Part = parts[current];
  return (
    <div class="sheet">
      <header class="sheet-head"><h1>{t('house.title')}</h1>
        <nav class="tabs" aria-label={t('house.title')}>
          {(Object.keys(parts) as PartName[]).map((name) => <a key={name} href={to('house', name)} aria-current={name === current ? 'page' : undefined}>{t(`house.${name}`)}</a>)}
        </nav>
      </header>
      <Part />
    </div>
  );
}
