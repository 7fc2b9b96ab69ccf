import test from 'node:test';
import assert from 'node:assert/strict';
import { equals, evaluate } from './expression.ts';

const is = (text: string, whole: number): boolean => {
  const result = evaluate(text);
  return result !== undefined && equals(result.value, whole);
};

test('expressions have the value arithmetic gives them', () => {
  for (const [text, whole] of [
    ['18+12-7', 23], ['2+3*4', 14], ['(2+3)*4', 20], ['20-5-5', 10], ['20-(5-5)', 20], ['24/4/2', 3], ['24/(4/2)', 12],
    ['8/(3-8/3)', 24], ['((7))', 7], [' 1 + 1 ', 2], ['3-5', -2], ['0*7', 0],
  ] as const) assert.ok(is(text, whole), text);
  assert.ok(!is('8/3', 2), 'fractions are not rounded');
  assert.ok(!is('1/3*3', 0) && is('1/3*3', 1), 'fractions are exact');
  assert.ok(is('99999999999999999999-99999999999999999998', 1), 'also beyond doubles');
});

test('numbers are listed in the order written', () => {
  assert.deepEqual(evaluate('(20-6)*14')!.numbers, [20, 6, 14]);
});

test('anything else is no expression', () => {
  for (const text of [
    '', ' ', '1 8+2', '1+', '+1', '-1', '(1', '1)', '()', '1//2', '1**2', '2^3', '4/0', '4/(2-2)', '1,5', '1.5', 'x', '1=1',
    'process.exit(1)', '１', '1\n+1', '('.repeat(10_000), '1+'.repeat(101) + '1',
  ]) assert.equal(evaluate(text), undefined, text.slice(0, 30));
});
