import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, OLD_WEIGHTS_FILE } from '../../adapters/peft/index.js';
import { PLAIN_CONFIG_FILE } from '../../adapters/plainFolder.js';
import { readGguf } from '../../checkpoint/gguf.js';
import { openCheckpoint } from '../../checkpoint/open.js';
import { readSafetensorsHeader } from '../../checkpoint/safetensors.js';
import {
  CONFIG_FILE,
  TORCH_FILE,
  TORCH_INDEX_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
} from '../../checkpoint/weightFiles.js';
import { readJsonObject } from '../../files/json.js';
import type { Reporter } from '../../reporter.js';

/** Something that is made to be given to others: a folder of files. */
export interface PushableOutput {
  /** As it is called in a commit. */
  readonly name: string;
  /** The flag that names its folder. */
  readonly flag: '--adapter' | '--export';
  /** What its folder has, for the message that there is none of it. */
  readonly has: string;
  /** Whether a folder is one, by the paths of its files. */
  isIn(paths: readonly string[]): boolean;
  /** Reads what says of each large file how long it is. @throws DiffoError where one is cut short or not what it is called */
  check(folder: string, paths: readonly string[], reporter: Reporter): Promise<void>;
}

const adapterConfigs = [ADAPTER_CONFIG_FILE, PLAIN_CONFIG_FILE];
const onnxFile = /^onnx\/[^/]+\.onnx$/;
const ggufFile = /^[^/]+\.gguf$/;

/** What `diffora push` knows: a line each. The first that a folder is counts. */
export const pushableOutputs: readonly PushableOutput[] = [
  {
    name: 'adapter',
    flag: '--adapter',
    has: `an adapter (${adapterConfigs.join(' or ')}, and ${ADAPTER_WEIGHTS_FILE})`,
    isIn: (paths) =>
      adapterConfigs.some((name) => paths.includes(name)) &&
      [ADAPTER_WEIGHTS_FILE, OLD_WEIGHTS_FILE].some((name) => paths.includes(name)),
    async check(folder, paths, reporter) {
      const file = adapterConfigs.find((name) => paths.includes(name))!;
      const config = await readJsonObject(join(folder, file));
      if (paths.includes(ADAPTER_WEIGHTS_FILE)) await readSafetensorsHeader(join(folder, ADAPTER_WEIGHTS_FILE));
      const base = config.base_model_name_or_path ?? config.baseModel;
      if (typeof base === 'string' && (isAbsolute(base) || existsSync(base))) {
        reporter.warn(
          `${file} names ${base} as the base model, a path of this machine, so that others cannot load the adapter. ` +
            'Name the model of the hub there and in README.md, or train with it.',
        );
      }
    },
  },
  {
    name: 'model',
    flag: '--export',
    has: `a model (${CONFIG_FILE} and ${WEIGHTS_FILE})`,
    isIn: (paths) =>
      paths.includes(CONFIG_FILE) &&
      [WEIGHTS_FILE, WEIGHTS_INDEX_FILE, TORCH_FILE, TORCH_INDEX_FILE].some((name) => paths.includes(name)),
    async check(folder) {
      await openCheckpoint(folder);
    },
  },
  {
    name: 'ONNX export',
    flag: '--export',
    has: `an ONNX export (${CONFIG_FILE} and onnx/*.onnx)`,
    isIn: (paths) => paths.includes(CONFIG_FILE) && paths.some((path) => onnxFile.test(path)),
    check: async () => {},
  },
  {
    name: 'GGUF export',
    flag: '--export',
    has: 'a GGUF export (Modelfile and *.gguf)',
    isIn: (paths) => paths.includes('Modelfile') && paths.some((path) => ggufFile.test(path)),
    async check(folder, paths) {
      for (const path of paths) if (ggufFile.test(path)) await readGguf(join(folder, path));
    },
  },
];
