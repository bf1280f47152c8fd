import { HubApiError } from '@huggingface/hub';
import { DiffoError } from '../errors.js';
import { type HubAccess, HubUnreachable, networkReason } from './fetch.js';

interface Upload {
  readonly repo: string;
  readonly branch: string | undefined;
  readonly access: HubAccess;
  /** Whether the commit itself was under way, after all that goes before it. */
  readonly isCommitting: boolean;
}

const nothing = 'Nothing was committed; large files that have arrived whole are not sent again.';
const unknown = 'The commit may have been made: push again, which sends only what is not there.';

/** What is thrown while one uploads, as an error that a user can act on; what is not of the hub stays as it is. */
export function uploadError(error: unknown, { repo, branch, access, isCommitting }: Upload): unknown {
  const left = isCommitting ? unknown : nothing;
  const at = access.hubUrl;
  if (error instanceof HubUnreachable) {
    return new DiffoError(`${error.message} ${left}`, { cause: error });
  }
  if (error instanceof DiffoError) return error;
  if (error instanceof TypeError && error.message === 'terminated') {
    return new DiffoError(`${new HubUnreachable(at, networkReason(error)).message} ${left}`, { cause: error });
  }
  if (!(error instanceof HubApiError)) return error;
  const cause = error;
  const status = error.statusCode;
  // Of the storage for large files, whose address says who may write and is not shown.
  if (URL.canParse(error.url) && new URL(error.url).origin !== new URL(at).origin) {
    return new DiffoError(
      `The storage that ${at} names for large files answers with status ${status}. ${nothing} Push again.`,
      { cause },
    );
  }
  const said = reasonOf(error, access);
  const where = branch === undefined ? repo : `${repo}, branch "${branch}"`;
  switch (status) {
    case 401:
      return new DiffoError(
        `${at} does not accept the token${said}. Make another on ${at}/settings/tokens and set HF_TOKEN, or log in with "hf auth login".`,
        { cause },
      );
    case 403:
      return new DiffoError(
        `${at} does not let this token write to ${repo}${said}. Give it the role "write" on ${at}/settings/tokens, or push to a repository of yours.`,
        { cause },
      );
    case 404:
      return new DiffoError(
        `${at} has no ${where}, or this token does not see it${said}. Check the spelling of the owner, and that the token may reach it.`,
        { cause },
      );
    case 409:
    case 412:
      return new DiffoError(
        `${at} could not add the commit to ${where}, which was made or changed meanwhile${said}. Push again.`,
        { cause },
      );
    case 429:
      return new DiffoError(`${at} asks for fewer requests (status 429): wait a while, then push again.`, { cause });
    default:
      return new DiffoError(
        `${at} refuses to put this into ${where} (status ${status})${said}. Nothing was committed.`,
        {
          cause,
        },
      );
  }
}

/** What the hub itself says, in brackets; without what it may repeat of a token. */
function reasonOf({ data }: HubApiError, { accessToken }: HubAccess): string {
  const said = data?.error ?? data?.message;
  if (typeof said !== 'string' || said.trim() === '') return '';
  const short = said.trim().replace(/\s+/g, ' ').replace(/\.$/, '').slice(0, 300);
  return ` (${accessToken === undefined ? short : short.replaceAll(accessToken, '***')})`;
}
