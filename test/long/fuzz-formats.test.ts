// The long run of src/models/formats/fuzz.test.ts: ten thousand files per format.

process.env['TIEFSUCHE_FUZZ_CASES'] ??= '10000';
await import('../../src/models/formats/fuzz.test.ts');
