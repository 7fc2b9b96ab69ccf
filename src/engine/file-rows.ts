// Rows of a weight as they lie in a file, for a backend that reads them itself into their last place (native/kernels/file_rows.cpp).
// What it does is what panels-from-files.ts and toFloat32 do in TypeScript; they serve everything that lies otherwise.

/** Names of types in files, in the order of native/kernels/file_rows.cpp. */
export const storedTypes: readonly string[] = ['F32', 'F16', 'BF16', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K', 'MXFP4'];

/** Types whose rows become f32 as they are read. */
export const widened = (fileType: string): boolean => fileType === 'F32' || fileType === 'F16' || fileType === 'BF16';

/** Where a tensor's bytes lie, one row after another. */
export interface FilePlace {
  /** Descriptor of the open file, and the position of the first byte. */
  readonly fd: number;
  readonly position: number;
  readonly fileType: string;
  /** Rows of each run of so many are in GGUF's order for rotations, 2j + t for t·headDim/2 + j; 0: as they are. */
  readonly headDim: number;
}

export interface FileRows extends FilePlace {
  readonly rows: number;
  readonly K: number;
  /** Row of the weight that the first one becomes. */
  readonly first: number;
  /** What they become: rows of f32, or panels (panels.ts). */
  readonly as: 'f32' | 'panels';
}
