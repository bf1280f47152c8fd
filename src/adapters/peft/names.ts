/** File names and the key prefix of PEFT's adapter folders. */
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';
export const ADAPTER_WEIGHTS_FILE = 'adapter_model.safetensors';
/** What PEFT wrote before it wrote safetensors, and still does when asked to. */
export const OLD_WEIGHTS_FILE = 'adapter_model.bin';
export const MODEL_CARD_FILE = 'README.md';

/** What PEFT puts before a module's path: PeftModel.base_model is the LoraModel, its `.model` the transformer. */
export const KEY_PREFIX = 'base_model.model.';

/** What PEFT puts before tensors of no module, such as VeRA's projections. */
export const SHARED_PREFIX = 'base_model.';

/** PEFT's wrapper of an adapted module keeps the module itself here. */
const BASE_LAYER = '.base_layer.';

/** `…query.bias` of the base model as PEFT spells it where query is adapted. */
export function baseKey(name: string, adapted: ReadonlySet<string>): string {
  const end = name.lastIndexOf('.');
  const module = name.slice(0, end);
  return adapted.has(module) ? `${module}${BASE_LAYER}${name.slice(end + 1)}` : name;
}

/** The name of a tensor in the base model, from PEFT's spelling. */
export function baseName(key: string): string {
  return key.replace(BASE_LAYER, '.');
}
