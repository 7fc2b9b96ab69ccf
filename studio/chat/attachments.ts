// The text of a file someone attaches. Text, Markdown and CSV must be UTF-8; of a PDF its text is taken out here, in the
// browser (the reader is loaded with the first one).

export const acceptedFiles = '.txt,.md,.markdown,.csv,.tsv,.json,.log,.pdf,text/*,application/pdf';

const largest = 20 * 2 ** 20;

export async function textOf(file: File): Promise<string> {
  if (file.size > largest) throw new Error(`> ${largest / 2 ** 20} MiB`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (file.type === 'application/pdf' || /\.pdf$/i.test(file.name)) return textOfPdf(bytes);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  if (text.includes('\0')) throw new Error('binary');
  return text;
}

async function textOfPdf(bytes: Uint8Array): Promise<string> {
  if (new TextDecoder('latin1').decode(bytes.subarray(0, 1024)).indexOf('%PDF-') < 0) throw new Error('no PDF');
  const { extractText, getDocumentProxy } = await import('unpdf');
  const { text } = await extractText(await getDocumentProxy(bytes), { mergePages: true });
  if (text.trim() === '') throw new Error('no text in it');
  return text;
}

/** How files go to the model: behind the question, each under its name. */
export const withAttachments = (content: string, files: readonly { readonly name: string; readonly text: string }[]): string =>
  [content, ...files.map(({ name, text }) => `[${name}]\n${text}`)].filter((part) => part !== '').join('\n\n');
