// What the server says about its work, as JSON lines on stderr (pino): a line for every request and every fault. There is
// no text of prompts or answers in it, no key and no password, and nobody's address.

import { type DestinationStream, type Logger, pino } from 'pino';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];
export type Log = Logger;

export const makeLog = (level: LogLevel, out: DestinationStream = pino.destination({ fd: 2, sync: true })): Log =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, out);
