// What a model writes, as Markdown: no raw HTML, no images from elsewhere, links that open apart; sanitised before it meets
// the page. Maths ($…$, $$…$$, \(…\), \[…\]) is set by temml, which is loaded when the first formula comes.

import DOMPurify from 'dompurify';
import { Marked, type TokenizerAndRendererExtension } from 'marked';

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

function maths(name: string, level: 'inline' | 'block', start: RegExp, whole: RegExp): TokenizerAndRendererExtension {
  return {
    name, level,
    start: (text) => { const at = text.search(start); return at < 0 ? undefined : at; },
    tokenizer: (text) => { const found = whole.exec(text); return found ? { type: name, raw: found[0], text: (found[1] ?? found[2] ?? '').trim() } : undefined; },
    renderer: ({ text }) => `<span class="maths" data-display="${level === 'block'}">${escaped(String(text))}</span>`,
  };
}

const marked = new Marked({
  gfm: true, breaks: true,
  extensions: [
    maths('mathsBlock', 'block', /\$\$|\\\[/, /^(?:\$\$([^]+?)\$\$|\\\[([^]+?)\\\])/),
    maths('mathsInline', 'inline', /\$|\\\(/, /^(?:\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)|\\\(([^]+?)\\\))/),
  ],
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ text, href }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer');
});

export function renderMarkdown(text: string): DocumentFragment {
  return DOMPurify.sanitize(marked.parse(text, { async: false }), {
    RETURN_DOM_FRAGMENT: true, ALLOWED_TAGS: ['p', 'br', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'span', 'input'],
    ALLOWED_ATTR: ['href', 'class', 'data-display', 'type', 'checked', 'disabled', 'start', 'align'], ALLOW_DATA_ATTR: true,
  });
}

/** Sets the formulas in a rendered text. */
export async function setMaths(within: Element): Promise<void> {
  const formulas = [...within.querySelectorAll<HTMLElement>('.maths')];
  if (formulas.length === 0) return;
  const { default: temml } = await import('temml');
  for (const formula of formulas) {
    const tex = formula.textContent ?? '';
    try { temml.render(tex, formula, { displayMode: formula.dataset['display'] === 'true', throwOnError: true }); } catch { formula.textContent = tex; } // no formula after all, or half of one
  }
}
