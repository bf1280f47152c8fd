import { DiffoError } from '../errors.js';
import { readJsonAs } from '../files/json.js';
import { type Dam, damSchema } from './dam.js';

/** Reads a dam.json. @throws DiffoError that names the file and the first thing wrong with it */
export async function readDam(file: string): Promise<Dam> {
  const dam = await readJsonAs(file, damSchema);
  const { layers, modules } = dam;
  const matrices = {
    gamma: dam.gamma,
    values: dam.values,
    ...(dam.there && { there: dam.there }),
    ...(dam.search && { logits: dam.search.logits }),
  };
  for (const [key, rows] of Object.entries(matrices)) {
    if (rows.length !== layers || rows.some((row) => row.length !== modules.length)) {
      throw new DiffoError(`${file}: ${key} is not ${layers} rows of ${modules.length}.`);
    }
  }
  return dam;
}
