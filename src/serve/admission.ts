import { ApiError } from './apiError.js';

/** Holds the number of requests that are under way to a bound, so that a server says that it is full before its memory is. */
export interface Admission {
  readonly underWay: number;
  /** @throws ApiError (429) where there are as many as there may be */
  during<T>(work: () => Promise<T>): Promise<T>;
}

/** Seconds after which one that was turned away may come again. */
const retryAfter = 1;

/** @param most requests that wait or are worked on */
export function admission(most: number): Admission {
  let underWay = 0;
  return {
    get underWay() {
      return underWay;
    },
    async during(work) {
      if (underWay >= most) {
        const message = `${most} requests are under way, as many as this server takes. Try again in a moment.`;
        throw new ApiError(429, message, { code: 'queue_full', retryAfter });
      }
      underWay++;
      try {
        return await work();
      } finally {
        underWay--;
      }
    },
  };
}
