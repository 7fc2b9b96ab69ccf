// Names of a GGUF model in parts: NAME-00001-of-0000N.gguf.

const partName = /-(\d{5})-of-(\d{5})\.gguf$/;
export const mostParts = 1000;

/** Paths of all parts of a model, given one of them; the path itself where there are none. */
export function ggufPartPaths(path: string): string[] {
  const [name, , count] = partName.exec(path) ?? [], parts = Number(count);
  if (name === undefined || parts < 1 || parts > mostParts) return [path];
  return Array.from({ length: parts }, (_, i) => `${path.slice(0, -name.length)}-${String(i + 1).padStart(5, '0')}-of-${count}.gguf`);
}

/** The name without its part's number, for the model. */
export const withoutPart = (name: string): string => name.replace(partName, '').replace(/\.gguf$/, '');
