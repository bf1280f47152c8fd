import { Command } from 'commander';
import { findDevices } from '../jobs/devices.js';
import { devicesView } from '../report/devicesView.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';

export function devicesCommand(terminal: Terminal): Command {
  const command = new Command('devices').description(
    'List what --device can name on this machine, each tried by a small training step that is compared with the CPU.',
  );
  return addCommonFlags(command)
    .addHelpText('after', '\nExample:\n  $ diffora devices\n  $ diffora devices --json')
    .action(async (flags: CommonFlags) => {
      await perform(terminal, flags, {
        run: async (session) => ({ devices: await findDevices(session) }),
        text: ({ devices }) => devicesView(devices, terminal.screen),
      });
    });
}
