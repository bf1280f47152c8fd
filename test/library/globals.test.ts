import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const source = resolve(import.meta.dirname, '../../src');

/** Processes of their own. */
const workers = ['jobs/compare/worker.ts', 'board/worker.ts', 'runtime/devices/probeWorker.ts'];

/** Every line of the library with its file: not of the command line, nor of the page, nor of processes that it starts. */
const lines = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter(
    (name) =>
      name.endsWith('.ts') && !name.startsWith('cli/') && !name.startsWith('board/page/') && !workers.includes(name),
  )
  .flatMap((file) =>
    readFileSync(join(source, file), 'utf8')
      .split('\n')
      .filter((text) => !/^\s*(?:\*|\/[/*])/.test(text))
      .map((text) => ({ file, text })),
  );

/** Files with what of their lines matches. */
function found(pattern: RegExp): string[] {
  return lines.flatMap(({ file, text }) =>
    [...text.matchAll(new RegExp(pattern, 'g'))].map(([whole, part]) => `${file}: ${part ?? whole}`),
  );
}

describe('the library', () => {
  it('prints nothing, ends no process and changes none of its settings', () => {
    expect(
      found(/console\.|process\.(exit\b|exitCode|abort|stdout|stderr|stdin|argv|chdir|title|umask|emitWarning)/),
    ).toEqual([]);
  });

  it('listens to the process only to remove a lock where it ends at once', () => {
    expect(found(/process\.(?:on|once|addListener)\(('\w+')/)).toEqual(["files/lock.ts: 'exit'"]);
  });

  it('reads the environment for where things lie, who may read them, and what launchers and drivers go by', () => {
    const names = new Set(found(/\b(?:env|process\.env|environment)\.([A-Z][A-Z_]+)/).map((one) => one.split(': ')[1]));
    expect([...names].sort()).toEqual([
      'DIFFORA_CACHE',
      'DIFFORA_DATA',
      'HF_ENDPOINT',
      'HF_HOME',
      'HF_HUB_CACHE',
      'HF_HUB_OFFLINE',
      'HF_TOKEN_PATH',
      'HOME',
      'HUGGINGFACE_HUB_CACHE',
      'MLFLOW_EXPERIMENT_NAME',
      'MLFLOW_TRACKING_URI',
      // Of NVIDIA_TF32_OVERRIDE, the one that is written: NVIDIA's libraries read nothing else.
      'NVIDIA_TF',
      'PMI_PORT',
      'TRANSFORMERS_OFFLINE',
      'UCX_HANDLE_ERRORS',
      'UCX_MEM_EVENTS',
      'VK_DRIVER_FILES',
      'VK_ICD_FILENAMES',
      'WANDB_PROJECT',
      'XDG_CACHE_HOME',
    ]);
  });
});

describe('what a module keeps for the process', () => {
  it('is one table that never changes once it is made', () => {
    expect(found(/^(?:export )?let (\w+)/)).toEqual(['checkpoint/dtype.ts: halves']);
  });

  it('is hashes of files that have not changed and of splits, wide copies of weights in use, the list of its locks on folders, devices that are open, and what the runtime made of tensors in use', () => {
    expect(found(/^(?:export )?const (\w+)[^=]*= new (?:Weak)?(?:Map|Set)(?:<[^(]*>)?\(\)/).sort()).toEqual([
      'checkpoint/ggufFolder.ts: hashes',
      'data/split.ts: hashes',
      'engine/wideWeights.ts: copiesOf',
      'files/lock.ts: held',
      'runtime/devices/openDevice.ts: held',
      'runtime/devices/openDevice.ts: opened',
      'runtime/onnxNode.ts: bound',
    ]);
    expect(found(/^(?:export )?const (\w+)[^=]*= (?:\[\]|\{\});/)).toEqual(['graph/primitive.ts: noAttrs']);
    expect(found(/^\s+(?:(?:private|public|protected) )?static (?!readonly)(\w+)/)).toEqual([]);
  });

  it('is no regular expression that keeps its position between calls', () => {
    const names = found(/^(?:export )?const (\w+) = \/.*\/\w*[gy]\w*;/).map((one) => one.split(': ')[1]);
    expect(names).toContain('PUNCTUATION');
    // `replace` and `matchAll` begin anew, `test` and `exec` do not.
    expect(found(new RegExp(`\\b(${names.join('|')})\\.(?:test|exec|lastIndex)`))).toEqual([]);
  });
});
