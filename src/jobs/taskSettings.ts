import { usageError } from '../errors.js';
import { flatConfig, isUsual, type TrainConfig } from '../settings/config.js';
import { type KindSetting, kindSettings, type TaskAsked } from '../tasks/kinds/kind.js';
import { kinds } from '../tasks/kinds/registry.js';

/** What of a task decides which settings it reads. */
type ReadingTask = Pick<TaskAsked, 'name' | 'kind' | 'metrics'>;

/** Why a setting is not read by a task of that kind, as sentences; undefined where it is. */
export function unreadByTask(setting: KindSetting, { name, kind, metrics }: ReadingTask): string | undefined {
  if (kind.settings?.includes(setting)) {
    const why = kind.unread?.(setting, { metrics });
    return why === undefined ? undefined : `${setting} is not read: ${name} ${why}. Leave it out.`;
  }
  const readers = Object.values(kinds).filter(({ settings }) => settings?.includes(setting));
  const names = readers.map((one) => one.name).join(', ');
  return `${setting} is read by tasks of the kind ${names}; ${name} is of the kind ${kind.name}. Leave it out.`;
}

/** The settings that a task of that kind does not read. */
export function settingsUnreadBy(task: ReadingTask): KindSetting[] {
  return kindSettings.filter((setting) => unreadByTask(setting, task) !== undefined);
}

/** @throws DiffoError (usage) for a setting that was given and that a task of that kind does not read */
export function refuseUnread(given: Readonly<Partial<Record<KindSetting, unknown>>>, task: ReadingTask): void {
  for (const setting of kindSettings) {
    const reason = given[setting] === undefined ? undefined : unreadByTask(setting, task);
    if (reason !== undefined) throw usageError(reason);
  }
}

/**
 * The same of a configuration, which holds every setting: one at its default counts as not given.
 * @throws DiffoError (usage) that names the setting
 */
export function refuseUnreadIn(config: TrainConfig, task: ReadingTask): void {
  const settings = flatConfig(config);
  const given = kindSettings.filter((setting) => !isUsual(setting, settings[setting]));
  refuseUnread(Object.fromEntries(given.map((setting) => [setting, settings[setting]])), task);
}
