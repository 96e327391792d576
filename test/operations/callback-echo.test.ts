import { expect, test } from 'vitest';
import { answerEcho, askEcho } from '../../src/operations/callback-echo.ts';

const secret = Buffer.from('a secret of one database');
const now = 1_763_700_000_000;

test('a question is answered by whoever has the secret, and in the same way each time', () => {
  const { question, answer } = askEcho(secret, now);
  expect(answerEcho(secret, question, now)).toBe(answer);
  expect(answerEcho(secret, question, now + 59_000)).toBe(answer);
  expect(askEcho(secret, now).question).not.toBe(question);
});

test('a deployment on another database has another answer, and answers no question of ours', () => {
  const other = Buffer.from('a secret of another database');
  expect(answerEcho(other, askEcho(secret, now).question, now)).toBeUndefined();
});

test.each([
  ['too old', (question: string) => question, 61_000],
  ['from the future', (question: string) => question, -61_000],
  ['moved to another moment', (question: string) => question.replace(String(now), String(now + 5)), 0],
  ['with another nonce', (question: string) => `${question.startsWith('0') ? '1' : '0'}${question.slice(1)}`, 0],
  ['without a signature', (question: string) => question.slice(0, -64), 0],
  ['with more behind it', (question: string) => `${question}0`, 0],
  ['empty', () => '', 0],
])('a question that is %s is not answered', (_what, change, laterMs) => {
  const { question } = askEcho(secret, now);
  const asked = change(question);
  expect(asked === question && laterMs === 0).toBe(false);
  expect(answerEcho(secret, asked, now + laterMs)).toBeUndefined();
});

test('the answer does not contain what would answer another question', () => {
  const { question, answer } = askEcho(secret, now);
  expect(question).not.toContain(answer);
  expect(answer).toMatch(/^[0-9a-f]{64}$/);
});
