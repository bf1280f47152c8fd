import { DiffoError } from '../errors.js';

/** OpenAI's form of an error, which its clients read. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

export interface ApiErrorOptions {
  /** What programs tell it by. */
  readonly code?: string | undefined;
  /** The field of the request that it is about. */
  readonly param?: string | undefined;
  /** Seconds after which it may be tried again. */
  readonly retryAfter?: number | undefined;
}

/** What a request is answered with that cannot be served. */
export class ApiError extends Error {
  constructor(
    /** Of HTTP. */
    readonly status: number,
    message: string,
    readonly options: ApiErrorOptions = {},
  ) {
    super(message);
    this.name = 'ApiError';
  }

  get body(): ErrorBody {
    const { param = null, code = null } = this.options;
    return { error: { message: this.message, type: typeOf(this.status), param, code } };
  }
}

/** @param param the field that is wrong */
export function badRequest(message: string, param?: string): ApiError {
  return new ApiError(400, message, { param });
}

/** What a request gives, its errors told as faults of it: what cannot be read of it is its sender's to mend. */
export function readingRequest<T>(param: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof DiffoError ? badRequest(error.message, param) : error;
  }
}

function typeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
