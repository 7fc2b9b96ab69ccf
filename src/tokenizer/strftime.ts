// Python's strftime for chat templates: English names, local time, the codes that stand for dates and times.
// Own, because the interpreter's version knows nine codes and names months in the machine's language.

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const two = (n: number): string => String(n).padStart(2, '0');

const codes: Readonly<Record<string, (d: Date) => string>> = {
  Y: (d) => String(d.getFullYear()), y: (d) => two(d.getFullYear() % 100), m: (d) => two(d.getMonth() + 1), d: (d) => two(d.getDate()),
  H: (d) => two(d.getHours()), I: (d) => two(d.getHours() % 12 || 12), M: (d) => two(d.getMinutes()), S: (d) => two(d.getSeconds()),
  p: (d) => (d.getHours() < 12 ? 'AM' : 'PM'), f: (d) => `${String(d.getMilliseconds()).padStart(3, '0')}000`,
  A: (d) => days[d.getDay()]!, a: (d) => days[d.getDay()]!.slice(0, 3), w: (d) => String(d.getDay()),
  B: (d) => months[d.getMonth()]!, b: (d) => months[d.getMonth()]!.slice(0, 3),
  j: (d) => String(Math.round((Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) - Date.UTC(d.getFullYear(), 0, 0)) / 864e5)).padStart(3, '0'),
  F: (d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`, T: (d) => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`,
  '%': () => '%',
};

/** Formats a date; "-" drops the leading zero (%-d). Unknown codes stay as they are. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, dash: string, code: string) => {
    const text = Object.hasOwn(codes, code) ? codes[code]!(date) : undefined;
    if (text === undefined) return whole;
    return dash ? text.replace(/^0+(?=\d)/, '') : text;
  });
}
