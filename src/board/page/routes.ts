import { useEffect, useState } from 'preact/hooks';

/** A view of the page and what it is of, as the part of the address after `#`. */
export interface Place {
  readonly view: string;
  readonly id: string | undefined;
}

export const linkTo = (view: string, id?: string) => `#/${view}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;

function placeNow(): Place {
  const [, view = '', id] = location.hash.split('/');
  try {
    return { view: view === '' ? 'runs' : view, id: id === undefined ? undefined : decodeURIComponent(id) };
  } catch {
    return { view: 'runs', id: undefined };
  }
}

export function usePlace(): Place {
  const [place, setPlace] = useState(placeNow);
  useEffect(() => {
    const renew = () => {
      setPlace(placeNow());
      scrollTo(0, 0);
      // Who hears the page is told that it is another one.
      document.getElementById('main')?.focus({ preventScroll: true });
    };
    addEventListener('hashchange', renew);
    return () => removeEventListener('hashchange', renew);
  }, []);
  return place;
}
