import { HubApiError, listDatasets, listModels } from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { reasonOf } from '../files/jsonText.js';
import type { Repository } from './cache.js';
import { type HubAccess, HubUnreachable, networkReason } from './fetch.js';

/**
 * What is thrown while one talks to the hub, as an error that a user can act on; what is not of the hub stays as it is.
 *
 * @returns HubUnreachable where another source may help; a DiffoError with the hub's HubApiError as its cause where the
 *   hub refuses
 */
export async function hubError(
  error: unknown,
  repository: Repository,
  revision: string,
  access: HubAccess,
): Promise<unknown> {
  if (error instanceof DiffoError) return error;
  if (error instanceof HubApiError) return await refusal(error, repository, revision, access);
  if (error instanceof TypeError && error.message === 'terminated') {
    return new HubUnreachable(access.hubUrl, networkReason(error), error);
  }
  return error;
}

async function refusal(
  error: HubApiError,
  repository: Repository,
  revision: string,
  access: HubAccess,
): Promise<DiffoError> {
  const { type, name } = repository;
  const at = access.hubUrl;
  const cause = error;
  switch (error.statusCode) {
    case 401:
    case 404: {
      if (/invalid rev/i.test(error.message)) {
        const cure = type === 'model' ? 'Check the part after "@".' : 'The hub may not have converted that dataset.';
        return new DiffoError(`${at} has no revision "${revision}" of ${name}. ${cure}`, { cause });
      }
      const hint = await similarNames(repository, access);
      return new DiffoError(
        `${at} knows no ${type} "${name}", or it is private (set HF_TOKEN then). Check the spelling.${hint}`,
        { cause },
      );
    }
    case 403: {
      const page = `${at}/${type === 'model' ? '' : `${type}s/`}${name}`;
      return new DiffoError(`${at} refuses ${name}: accept its conditions on ${page} and set HF_TOKEN.`, { cause });
    }
    case 429:
      return new DiffoError(`${at} asks for fewer requests (status 429): wait a while, or set HF_TOKEN.`, { cause });
    default:
      return new HubUnreachable(at, `it answers with status ${error.statusCode}`, cause);
  }
}

/**
 * Asks the hub through the package, which trips over answers that are none of a hub.
 * @throws HubUnreachable for those; what is thrown otherwise
 */
export async function understood<T>({ hubUrl, accessToken }: HubAccess, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof DiffoError || error instanceof HubApiError) throw error;
    if (error instanceof TypeError && error.message === 'terminated') throw error;
    const reason = reasonOf(error).slice(0, 200);
    const shown = accessToken === undefined ? reason : reason.replaceAll(accessToken, '***');
    throw new HubUnreachable(hubUrl, `its answer is not that of a hub (${shown})`, error);
  }
}

/** Names on the hub that contain the wanted one's last part; the sentence is as good without them. */
async function similarNames({ type, name }: Repository, access: HubAccess): Promise<string> {
  const names: string[] = [];
  try {
    const wanted = { ...access, search: { query: name.split('/').at(-1) ?? name }, limit: 3 };
    const found = type === 'model' ? listModels(wanted) : listDatasets(wanted);
    for await (const { name } of found) names.push(name);
  } catch {
    return '';
  }
  return names.length > 0 ? ` Did you mean ${names.join(' or ')}?` : '';
}
