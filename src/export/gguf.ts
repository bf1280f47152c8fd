import { rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { noAdapters } from '../adapters/plan.js';
import { readGguf } from '../checkpoint/gguf.js';
import { convertGguf } from '../checkpoint/ggufFolder.js';
import { openCheckpoint } from '../checkpoint/open.js';
import { withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import { openModel } from '../models/registry.js';
import { silent } from '../reporter.js';
import type { ExportedFile, ExportFormat, ExportRequest } from './format.js';
import { adapterTensors } from './gguf/adapterTensors.js';
import type { GgufArchitecture } from './gguf/architectures/architecture.js';
import { architectureNames, ggufArchitecture } from './gguf/architectures/registry.js';
import { adapterModelfile, modelfile } from './gguf/modelfile.js';
import { modelTensors } from './gguf/modelTensors.js';
import { Refusal, refuse } from './gguf/refusal.js';
import { tokenizerMetadata } from './gguf/tokenizer/index.js';
import { float32, type GgufMetadata, text, uint32 } from './gguf/values.js';
import { type GgufOutput, writeGguf } from './gguf/writeGguf.js';
import type { ExportSource } from './source.js';

/** `general.file_type` (llama.h, llama_ftype) by `--dtype`. */
const fileTypes: Readonly<Record<string, number>> = { f32: 0, f16: 1, q4_0: 2, q8_0: 7 };

/** llama.cpp's own format: causal models with their tokenizer, and LoRA adapters. */
export const gguf: ExportFormat = {
  name: 'gguf',
  description: 'llama.cpp and Ollama',
  library: 'gguf',
  use: () => '```sh\nollama create name -f path/to/this/folder/Modelfile\nollama run name\n```',
  dtypes: ['f32', 'f16', 'q8_0', 'q4_0'],
  usual: ['f16'],
  adapterDtypes: ['f32', 'f16'],
  markers: ['Modelfile'],
  async refuse(source, request) {
    try {
      const files = await filesOf(source, { ...request, reporter: silent });
      // What has no place is known once places are asked for.
      for (const { tensors } of files) tensors();
      return undefined;
    } catch (error) {
      if (error instanceof Refusal) return `${error.message}.`;
      throw error;
    }
  },
  notes: () => [],
  async write(source, folder, request) {
    const { reporter = silent, signal } = request;
    const files = await filesOf(source, request);
    const written: ExportedFile[] = [];
    for (const { name, dtype, metadata, tensors } of files) {
      const phase = reporter.phase(name, tensors().length);
      const counted = tensors().map((tensor, index): GgufOutput => {
        const values = async () => {
          phase.update(index, {});
          return tensor.values();
        };
        return { ...tensor, values };
      });
      await writeGguf(join(folder, name), metadata, counted, signal);
      phase.end();
      written.push({ dtype, file: name, bytes: (await stat(join(folder, name))).size });
    }
    const { tokenizer, model } = source.opened;
    const first = files[0]!.name;
    const forOllama = request.adapterAlone
      ? adapterModelfile(first, model.checkpoint.name)
      : modelfile(first, tokenizer.chatTemplate !== undefined);
    await writeFileAtomic(join(folder, 'Modelfile'), forOllama);
    return written;
  },
  async useFile({ opened }, file, use, { signal }) {
    // Beside it, so that whatever ends the export takes it along.
    const converted = `${file}.read`;
    await withOutputFolder(converted, async (folder) => convertGguf(await readGguf(file), folder, signal), {
      existing: 'refuse',
    });
    try {
      const checkpoint = await openCheckpoint(converted, file);
      const model = openModel(checkpoint, { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' });
      return await use({ opened: { ...opened, model }, plan: noAdapters, parameters: [] });
    } finally {
      await rm(converted, { recursive: true, force: true });
    }
  },
};

interface GgufContents {
  readonly name: string;
  readonly dtype: string;
  readonly metadata: GgufMetadata;
  readonly tensors: () => readonly GgufOutput[];
}

/** The files of an export, no weight read. @throws Refusal */
async function filesOf(source: ExportSource, request: ExportRequest): Promise<GgufContents[]> {
  const { model } = source.opened;
  const architecture = ggufArchitecture(model);
  if (architecture === undefined) {
    // Of two halves it is taken by no format.
    const cure = model.encoderDecoder === undefined ? 'Take --format onnx' : 'Merge it (diffora merge) for Python';
    refuse(
      `${model.family} is none of the models that can be written for llama.cpp, which are ${architectureNames.join(', ')}. ${cure}`,
    );
  }
  if (model.taskType !== 'CAUSAL_LM') {
    refuse(
      `its head is ${model.architecture}'s, and GGUF has a place for models that continue texts alone. Take --format onnx`,
    );
  }
  if (model.cached === undefined) {
    refuse("is_causal of its config.json is false, and llama.cpp's models of its family see what is before them alone");
  }
  return request.adapterAlone ? adapterFiles(source, architecture, request) : modelFiles(source, architecture, request);
}

async function modelFiles(
  source: ExportSource,
  architecture: GgufArchitecture,
  { dtypes, reporter = silent }: ExportRequest,
): Promise<GgufContents[]> {
  const { opened, plan } = source;
  const { model } = opened;
  if (plan.endSubLayer !== undefined || (plan.placements.length > 0 && plan.mergedWeight === undefined)) {
    refuse(
      `its adapter (${plan.method}) puts layers of its own into the model, which llama.cpp has not. Take --format onnx`,
    );
  }
  const warn = (line: string) => reporter.warn(`${source.name}: ${line}`);
  const described = architecture.describe(model, warn);
  const tokenizer = await tokenizerMetadata(opened, warn);
  return dtypes.map((dtype) => ({
    name: `model-${dtype}.gguf`,
    dtype,
    metadata: { ...general(source, architecture, 'model', dtype), ...described.metadata, ...tokenizer },
    tensors: () => modelTensors(source, architecture, described, dtype),
  }));
}

function adapterFiles(source: ExportSource, architecture: GgufArchitecture, { dtypes }: ExportRequest): GgufContents[] {
  return dtypes.map((dtype) => {
    const { alpha, tensors } = adapterTensors(source, architecture, dtype === 'f32' ? 'F32' : 'F16');
    const own = { 'adapter.type': text('lora'), 'adapter.lora.alpha': float32(alpha) };
    const metadata = { ...general(source, architecture, 'adapter', dtype), ...own };
    return { name: `adapter-${dtype}.gguf`, dtype, metadata, tensors: () => tensors };
  });
}

function general(source: ExportSource, { name }: GgufArchitecture, type: string, dtype: string): GgufMetadata {
  return {
    'general.architecture': text(name),
    'general.type': text(type),
    'general.name': text(basename(source.name).replace(/\.gguf$/, '')),
    'general.file_type': uint32(fileTypes[dtype]!),
    'general.quantization_version': uint32(2),
  };
}
