/**
 * `text` with each control character but the line end written as `\x1b`: names and texts of a file may hold some, which
 * would steer the terminal that they are shown on. In a `result` tabs and the sequences that chalk writes for colour stay.
 */
export function printable(text: string, { result = false } = {}): string {
  return text.replace(/(?!\n)(\p{Cc})(\[[\d;]*m)?/gu, (found, control: string, rest?: string) =>
    result && (control === '\t' || (control === '\u001b' && rest !== undefined))
      ? found
      : `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}${rest ?? ''}`,
  );
}
