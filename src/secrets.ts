/** Environment variables whose values are nobody's to see. */
const secretVariables = [
  'DIFFORA_API_KEY',
  'HF_TOKEN',
  'HUGGING_FACE_HUB_TOKEN',
  'WANDB_API_KEY',
  'MLFLOW_TRACKING_TOKEN',
  'MLFLOW_TRACKING_PASSWORD',
];
/** What is shorter is no secret, and may be a part of any word. */
const shortest = 6;

/** A text for people, in which others (a server, a library) may have put a secret: without those of the environment and of URLs. */
export function withoutSecrets(text: string): string {
  // A tab of a browser has no environment.
  const environment = typeof process === 'undefined' ? {} : process.env;
  const values = secretVariables.flatMap((name) => environment[name]?.trim() ?? []);
  const plain = values
    .filter((value) => value.length >= shortest)
    .reduce((rest, value) => rest.replaceAll(value, '***'), text);
  return plain.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#'"]*@/gi, '$1***@');
}

/** A URL without the user and the password that it may name. */
export function withoutLogin(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1');
}
