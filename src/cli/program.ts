import { Command, CommanderError } from 'commander';
import { versions } from '../artifacts/runRecord.js';
import { DiffoError, type ExitCode, nearestNames } from '../errors.js';
import { withoutSecrets } from '../secrets.js';
import { fitted } from '../wrapped.js';
import { boardCommand } from './board.js';
import { compareCommand } from './compare.js';
import { demoCommand } from './demo.js';
import { devicesCommand } from './devices.js';
import { evalCommand } from './eval.js';
import { exportCommand } from './export.js';
import { generateCommand } from './generate.js';
import { fittingHelp, helpItem } from './help.js';
import { inspectCommand } from './inspect.js';
import { mergeCommand } from './merge.js';
import { predictCommand } from './predict.js';
import { pushCommand } from './push.js';
import { selectCommand } from './select.js';
import { serveCommand } from './serve.js';
import type { Terminal } from './terminal.js';
import { trainCommand } from './train.js';

/** Every command: a line each. */
const commands = [
  demoCommand,
  trainCommand,
  selectCommand,
  evalCommand,
  predictCommand,
  generateCommand,
  serveCommand,
  inspectCommand,
  mergeCommand,
  exportCommand,
  pushCommand,
  compareCommand,
  devicesCommand,
  boardCommand,
];

/**
 * Runs the command line.
 * @param args arguments after the program's name
 * @returns the exit code: 0 success, 1 failure, 2 wrong usage, 130 and 143 after SIGINT and SIGTERM. A failure is told on stderr; stdout then has no
 *   result, but for a comparison of which some runs failed
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<0 | ExitCode> {
  const program = new Command('diffora')
    .description('Fine-tune Hugging Face transformers, and learn from the data where to adapt them (DiffoRA).')
    .version(versions().diffora!, '--version', 'print the version')
    .addHelpText('after', '\nExample:\n  $ diffora demo\n  $ diffora train --help')
    .addHelpText(
      'after',
      '\nExit code 0 on success, 1 on failure, 2 on wrong usage, 130 after Ctrl-C, 143 after SIGTERM.',
    );
  for (const make of commands) program.addCommand(make(terminal));
  for (const command of [program, ...program.commands]) prepare(command, program, terminal);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.stderr.write(`${fitted(messageOf(error), terminal.stderr)}\n`);
    return error instanceof DiffoError ? error.exitCode : 1;
  }
}

/** Commander's ways: throw and do not exit, say it as diffora does. */
function prepare(command: Command, program: Command, { stdout, stderr, screen }: Terminal): void {
  command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureHelp({ formatItem: helpItem })
    .configureOutput({
      writeOut: (text) => stdout.write(fittingHelp(text, screen.width)),
      writeErr: (text) => stderr.write(fitted(text, stderr)),
      outputError: (message, write) => write(`${usageMessage(message, command, program)}\n`),
      getOutHelpWidth: () => screen.width,
      getErrHelpWidth: () => screen.width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}

/** `error: unknown option '--rnak'` as a sentence with the nearest names. */
function usageMessage(message: string, command: Command, program: Command): string {
  const plain = message.trim().replace(/^error: |\.$/g, '');
  const sentence = `${plain.charAt(0).toUpperCase()}${plain.slice(1)}.`;
  const unknown = /^unknown (option|command) '([^'=]+)/.exec(plain);
  if (unknown === null)
    return `${sentence} See ${program.name()} ${command === program ? '' : `${command.name()} `}--help.`;
  const others = program.commands.filter(({ options }) => options.some(({ long }) => long === unknown[2]));
  if (unknown[1] === 'option' && others.length > 0) {
    return `${sentence} It is one of ${others.map((one) => one.name()).join(', ')}.`;
  }
  const names =
    unknown[1] === 'command'
      ? program.commands.map((one) => one.name())
      : command.options.map((option) => option.long ?? option.flags);
  return `${sentence} Nearest: ${nearestNames(unknown[2]!, names).join(', ')}.`;
}

function messageOf(error: unknown): string {
  if (error instanceof DiffoError) return error.message;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `This is a defect of diffora and no fault of yours. Please report it with what follows.\n${withoutSecrets(stack)}`;
}
