import type { Architecture, BatchInputs, BuildHooks, Head } from './model.js';
import { textVectors, type VectorOptions } from './pooling.js';

/** A head without tensors of its own: the states of a text's tokens as one vector [batch, hidden]. */
export function vectorHead(architecture: Architecture, options: VectorOptions): Head {
  return {
    architecture: architecture.encoder ?? bareName(architecture),
    modules: [],
    logits: (inputs, hooks) => textVectors(architecture.states(inputs, hooks), inputs.attentionMask, options),
  };
}

/** `LlamaModel` of `LlamaForCausalLM`, `GPT2Model` of `GPT2LMHeadModel`. */
function bareName({ heads }: Architecture): string {
  const causal = heads.CAUSAL_LM?.(0).architecture ?? '';
  return causal.replace(/(ForCausalLM|LMHeadModel)$/, 'Model');
}

/** Width of the states: what the last module of the last layer gives to the residual stream. */
export function hiddenSizeOf({ adaptable }: Architecture): number {
  return adaptable.at(-1)!.outFeatures;
}

/**
 * The architecture as transformers' class without a head names it: `encoder.layer.0…` where classes with a head have
 * `bert.encoder.layer.0…`. So PEFT's adapters fit AutoModel, and merged checkpoints are as AutoModel saves them.
 */
export function withoutPrefix(architecture: Architecture): Architecture & { readonly prefix: string } {
  const prefix = prefixOf(architecture);
  const bare = (name: string) => (name.startsWith(prefix) ? name.slice(prefix.length) : name);
  const bareHooks = (hooks: BuildHooks): BuildHooks => ({
    ...hooks,
    weight: (name) => hooks.weight(bare(name)),
    adapt: (call) => hooks.adapt({ ...call, path: bare(call.path) }),
    endSubLayer: (path, y, close) => hooks.endSubLayer(bare(path), y, close),
  });
  const { tensors, adaptable, spellings, states } = architecture;
  return {
    ...architecture,
    prefix,
    tensors: tensors.map((tensor) => ({ ...tensor, name: bare(tensor.name) })),
    adaptable: adaptable.map((module) => ({ ...module, path: bare(module.path) })),
    spellings: (name) => spellings(`${prefix}${name}`),
    states: (inputs: BatchInputs, hooks: BuildHooks) => states(inputs, bareHooks(hooks)),
  };
}

/** The module that every tensor of the backbone stands in, with a dot: `bert.`; empty where there is none. */
function prefixOf({ tensors }: Architecture): string {
  const [first = ''] = tensors.map(({ name }) => name.slice(0, name.indexOf('.') + 1));
  return tensors.every(({ name }) => name.startsWith(first)) ? first : '';
}
