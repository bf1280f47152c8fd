import type { Model } from '../models/model.js';
import type { LearnedTask } from '../tasks/task.js';

/** The base's config.json with its head: class name, and what the kind of task says, such as names of classes. */
export function headedConfig({ checkpoint, architecture }: Model, task: LearnedTask): Record<string, unknown> {
  const { _name_or_path: _, ...config } = checkpoint.config;
  return { ...config, architectures: [architecture], ...task.kind.headConfig(task) };
}
