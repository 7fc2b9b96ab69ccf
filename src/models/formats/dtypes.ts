// Number types of safetensors files and their conversion to and from f32.
// Narrowing rounds to nearest, ties to even; NaN stays NaN. All data is little-endian, as the format and every machine
// Node runs on are. Source: huggingface/safetensors README, IEEE 754, OCP FP8 (E4M3 without infinities, NaN = 0x7f).

/** Bytes per element of every byte-sized type a safetensors file may hold. */
export const dtypeBytes: Readonly<Record<string, number>> = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, I16: 2, U16: 2, F16: 2, BF16: 2,
  I32: 4, U32: 4, F32: 4, F64: 8, I64: 8, U64: 8, C64: 8,
};

/** The types we write. */
export type WritableDtype = 'F32' | 'BF16' | 'F16';

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

function float8E4m3(code: number): number {
  const exponent = (code >> 3) & 15, mantissa = code & 7, sign = code & 0x80 ? -1 : 1;
  if (exponent === 15 && mantissa === 7) return NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7));
}

/** The value of an f16 bit pattern. */
export function float16Value(bits: number): number {
  const exponent = (bits >> 10) & 31, mantissa = bits & 0x3ff, sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

let float16Values: Float32Array | undefined;

/** All 65,536 f16 values, indexed by bit pattern. */
export function float16Table(): Float32Array {
  return float16Values ??= Float32Array.from({ length: 65536 }, (_, bits) => float16Value(bits));
}

// `bytes` must begin at an offset that the wider view allows; ours come from a read of their own, at offset 0.
const view = <T>(bytes: Uint8Array<ArrayBuffer>, Type: { new (buffer: ArrayBuffer, offset: number, length: number): T; BYTES_PER_ELEMENT: number }): T =>
  new Type(bytes.buffer, bytes.byteOffset, bytes.byteLength / Type.BYTES_PER_ELEMENT);

const widen = (bytes: Uint8Array, value: (code: number) => number): Float32Array<ArrayBuffer> => {
  const table = Float32Array.from({ length: 256 }, (_, code) => value(code));
  return Float32Array.from(bytes, (code) => table[code]!);
};

const converters: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => Float32Array<ArrayBuffer>>> = {
  F32: (b) => view(b, Float32Array<ArrayBuffer>),
  BF16: (b) => {
    const codes = view(b, Uint16Array), bits = new Uint32Array(codes.length);
    for (let i = 0; i < codes.length; i++) bits[i] = codes[i]! << 16;
    return new Float32Array(bits.buffer);
  },
  F16: (b) => {
    const codes = view(b, Uint16Array), out = new Float32Array(codes.length), table = float16Table();
    for (let i = 0; i < codes.length; i++) out[i] = table[codes[i]!]!;
    return out;
  },
  F64: (b) => Float32Array.from(view(b, Float64Array)),
  I64: (b) => Float32Array.from(view(b, BigInt64Array), Number),
  U64: (b) => Float32Array.from(view(b, BigUint64Array), Number),
  I32: (b) => Float32Array.from(view(b, Int32Array)),
  U32: (b) => Float32Array.from(view(b, Uint32Array)),
  I16: (b) => Float32Array.from(view(b, Int16Array)),
  U16: (b) => Float32Array.from(view(b, Uint16Array)),
  I8: (b) => Float32Array.from(view(b, Int8Array)),
  U8: (b) => Float32Array.from(b),
  BOOL: (b) => Float32Array.from(b, (v) => (v ? 1 : 0)),
  F8_E4M3: (b) => widen(b, float8E4m3),
  F8_E5M2: (b) => widen(b, (code) => float16Value(code << 8)),
};

/** True if values of this type can be read as f32. */
export const isConvertible = (dtype: string): boolean => Object.hasOwn(converters, dtype);

/** Values of a type as f32. F32 itself is not copied. */
export function toFloat32(bytes: Uint8Array<ArrayBuffer>, dtype: string): Float32Array<ArrayBuffer> {
  return converters[dtype]!(bytes);
}

/** bf16 bit pattern nearest to a value. */
export function bfloat16Bits(value: number): number {
  floatScratch[0] = value;
  const bits = bitScratch[0]!;
  if (value !== value) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** f16 bit pattern nearest to a value; beyond the largest finite value it is infinity. */
export function float16Bits(value: number): number {
  floatScratch[0] = value;
  const bits = bitScratch[0]!, sign = (bits >>> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // Subnormal: counts of 2^-24. Adding 2^23 x that unit (0.5) lets f32 addition do the rounding.
  bitScratch[0] = magnitude;
  floatScratch[0] = floatScratch[0]! + 0.5;
  return sign | (bitScratch[0]! - 0x3f000000);
}

/** Bytes of f32 values in a type we write. F32 itself is not copied. */
export function fromFloat32(values: Float32Array, dtype: WritableDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = dtype === 'BF16' ? bfloat16Bits : float16Bits, out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = bits(values[i]!);
  return new Uint8Array(out.buffer);
}
