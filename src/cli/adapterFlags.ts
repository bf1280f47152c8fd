import { type Command, Option } from 'commander';
import { type TaskType, taskTypes } from '../models/model.js';

/** What may be said of an adapter whose configuration leaves it open. */
export interface AdapterFlags {
  readonly taskType?: TaskType;
}

/** Adds `--task-type`. */
export function addAdapterFlags(command: Command): void {
  const what = 'what the outputs of the model are, where the adapter does not say it';
  command.addOption(new Option('--task-type <type>', what).choices(taskTypes));
}
