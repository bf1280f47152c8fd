import type { RouteContext } from './route.js';
import type { ServedModel } from './servedModel.js';

/** A model as OpenAI's clients read it. */
export function modelObject({ name }: ServedModel, { started }: Pick<RouteContext, 'started'>) {
  return { id: name, object: 'model', created: started, owned_by: 'diffora' };
}
