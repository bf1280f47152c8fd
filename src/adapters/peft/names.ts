/** File names and the key prefix of PEFT's adapter folders. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';
export const MODEL_CARD_FILE = 'README.md';

/** What PEFT puts before a module's path: PeftModel.base_model is the LoraModel, its `.model` the transformer. */
export const KEY_PREFIX = 'base_model.model.';

/** What PEFT puts before tensors of no module, such as VeRA's projections. */
export const SHARED_PREFIX = 'base_model.';

/** PEFT's wrapper of an adapted module keeps the module itself here. */
const BASE_LAYER = '.base_layer.';

/** `…query.bias` as PEFT spells it where query is adapted. */
export function biasKey(name: string, adapted: ReadonlySet<string>): string {
  const module = name.slice(0, name.lastIndexOf('.'));
  return adapted.has(module) ? `${module}${BASE_LAYER}bias` : name;
}

/** The name of a bias in the base model, from PEFT's spelling. */
export function biasName(key: string): string {
  return key.replace(BASE_LAYER, '.');
}
